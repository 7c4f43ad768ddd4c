/* main.c - the table of commands, and the way to one of them. */
#include <stdio.h>
#include <string.h>

#include "base/near.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/say.h"

/* name, heading, on the page, help, usage, words, function, notes; in the order of the page. */
const struct command command_table[] = {
    {"run", "Wrap", "-- COMMAND...", "run a command under a policy (same pid; exec)",
     "[-p FILE] [-s NAME] [-o dest.guard.word=VALUE]... [--observe] [--private]\n"
     "         [--reload] [--anyway] [--deadline T] [--inject 'FAULT' --on DEST]...\n"
     "         [--chaos NAME] [--seed N] [--intensity X] [--also]\n"
     "         [--slo 'CONDITION']... [--save FILE] [--against FILE] -- COMMAND...",
     1, -1, run_main,
     "The policy is read and checked first; with mistakes in it nothing is run. What cannot be\n"
     "protected is refused: static programs, Go, setuid. --anyway runs it all the same.\n"
     "Without a policy --observe watches every destination and touches nothing.\n"
     "With --slo, --save or --against the command is a child: when it has ended, what its calls "
     "were\n"
     "measured as is said on stderr, and judged: 'p95 < 500ms', 'payments errors < 1%'. Exit 1 "
     "when "
     "a\n"
     "condition is not kept, or the calls are too few to tell, and the command itself ended with "
     "0.\n"
     "With --chaos, too, the report of the experiment follows."},
    {"wrap", "Wrap", "| unwrap UNIT", "write or remove the systemd drop-in of a service",
     "UNIT [-p FILE] [-s NAME] [-o dest.guard.word=VALUE]... [--enforce] [--dry-run] [--force]\n"
     "         [--root DIR]",
     1, 1, wrap_main,
     "Asks doctor first, then writes /etc/systemd/system/UNIT.d/50-shearpin.conf: variables of "
     "the\n"
     "environment, nothing else. In observe mode unless --enforce is given. Nothing is restarted."},
    {"unwrap", "Wrap", NULL, "remove the systemd drop-in of a service",
     "UNIT [--dry-run] [--force] [--root DIR]", 1, 1, unwrap_main,
     "Removes what `wrap` wrote, with the directories that it made. A file that was changed since\n"
     "stays, unless --force is given."},
    {"doctor", "Wrap", "TARGET",
     "say whether a file, PID or UNIT can be wrapped, and what to do if not",
     "TARGET [--root DIR] [--json]", 1, 1, doctor_main,
     "TARGET is a program, a PID or the name of a systemd unit. Of a live process it also says\n"
     "whether the library is awake in it, how many of its connections the library sees, and which\n"
     "children escape. Exit 0: it can be wrapped, 1: it cannot, 3: there is no such thing."},
    {"check", "Policy", "[FILE...]", "find mistakes", "[FILE...] [--json]", 0, -1, check_main,
     "All mistakes in one pass, as FILE:LINE:COLUMN. Exit 1 when there is an error."},
    {"show", "Policy", "[FILE]", "the effective policy, with origins",
     "[FILE] [-o dest.guard.word=VALUE]...", 0, 1, show_main,
     "Every word that a file sets, and where. With -v also those that nobody set."},
    {"match", "Policy", "ADDRESS", "which destination applies",
     "ADDRESS [-o dest.guard.word=VALUE]... [--json]", 1, 1, match_main,
     "ADDRESS is HOST:PORT, IP:PORT, [IPV6]:PORT or unix:/PATH. A host is matched by its name and\n"
     "not looked up. Exit 1 when no destination takes it."},
    {"reload", "Policy", "[FILE]", "put a policy in force", "[FILE]", 0, 1, reload_main,
     "Prints what changes, setting by setting. Running programs follow at their next call. A bad\n"
     "file changes nothing. Without FILE: the file that is in force, read again."},
    {"suggest", "Policy", "", "draft a policy from what was observed", "", 0, 0, suggest_main,
     "After `shearpin run --observe -- COMMAND` without a policy, which gives every endpoint "
     "figures\n"
     "of its own (64 at least): deadlines from percentiles, caps from peaks, each line with the\n"
     "evidence. What it prints is a policy: shearpin suggest >policy.conf"},
    {"status", "Watch", "[DEST...]", "one table, now",
     "[DEST...] [--json] [--interval T] [--waiting]", 0, -1, status_main,
     "One DEST is shown in depth. CALLS/S and REFUSED/MIN are counted over 200ms, all else since\n"
     "the segment was made; with --interval everything is over that time. --waiting shows who is\n"
     "inside of a guarded call at this moment, for how long, and for what: it reads the memory of\n"
     "those processes, so it takes the same user, or root where kernel.yama.ptrace_scope is set."},
    {"top", "Watch", "", "the same table, live", "[--interval T] [--batch] [--frames N]", 0, 0,
     top_main,
     "Keys: q quit, s sort, space pause, arrows choose, t trip, r reset - both ask first.\n"
     "Where stdout is no terminal, with TERM=dumb and with --batch: one plain table after the "
     "other.\n"
     "NO_COLOR takes the colours away."},
    {"events", "Watch", "[-f]", "what changed, and why",
     "[-f] [--json] [--since T] [--syslog] [--record FILE [--max SIZE]]", 0, 0, events_main,
     "With -f and no --since: the last ten, then those to come, until interrupted; a segment that\n"
     "is made anew is followed, too. --record goes on where an earlier one ended; when half of "
     "SIZE\n"
     "is reached, FILE becomes FILE.1."},
    {"wait", "Watch", "DEST STATE --timeout T", NULL, "DEST STATE --timeout T", 2, 2, wait_main,
     "STATE is closed, open or half-open. Exit 1 when it was not reached in time."},
    {"metrics", "Watch", "", "Prometheus text on stdout", "[-s NAME]... [--textfile FILE] [--list]",
     0, 0, metrics_main,
     "Of every segment here, or of those that are named. --textfile is for node_exporter; --list\n"
     "says what there is. Durations are in buckets of 1, 2.5 and 5 of each decade, which are "
     "exact;\n"
     "their _sum counts each duration as the middle of a bin, at most 5 % off."},
    {"serve", "Watch", "", "the same over HTTP", "[-s NAME]... [--listen ADDRESS:PORT]", 0, 0,
     serve_main,
     "Read-only: a status page at /, /metrics for Prometheus, /status.json, /healthz, /readyz.\n"
     "Sees to it that canned answers (`fallback respond`) are given as long as it runs.\n"
     "Without -s every segment that is here or comes. Prints its address when it listens; ends "
     "with\n"
     "SIGINT or SIGTERM. Whoever reaches the port can read it: keep it on loopback or behind a "
     "proxy."},
    {"watch", "Watch", "--exec CMD", "run CMD for each event",
     "[DEST...] --exec CMD [--timeout T] [--since T]", 0, -1, watch_main,
     "From now on, one after the other, until interrupted. /bin/sh gets CMD as you typed it; the\n"
     "event comes in the environment, so nothing of it is ever parsed: SHEARPIN_EVENT_KIND,\n"
     "_DESTINATION, _FROM, _TO, _REASON, _TEXT, _TIME, _SEQUENCE, _SEGMENT, _PID, _COMMAND, "
     "_LINE.\n"
     "CMD itself is not guarded, and killed after T (else 1m).\n"
     "  shearpin watch payments --exec 'logger -t alarm \"$SHEARPIN_EVENT_LINE\"'"},
    {"journal", "Watch", "[-f]", "every call, one by one",
     "[-f] [--json] [--since T] [--record FILE [--max SIZE]]", 0, 0, journal_main,
     "Needs `journal SIZE` in the policy, which is how many calls the segment remembers. With\n"
     "-f --record it writes them down before they are forgotten, with what breakers did "
     "meanwhile;\n"
     "when half of SIZE is reached, FILE becomes FILE.1. It goes on where an earlier one ended.\n"
     "Calls that were overwritten before they could be read are counted on stderr, and missing\n"
     "among the numbers in FILE."},
    {"whatif", "Watch", "-o ...", "the journal's calls under another policy",
     "[-p FILE] [-o dest.guard.word=VALUE]... [--since T] [--from FILE] [--json]", 0, 0,
     whatif_main,
     "Needs `journal SIZE` in the policy, or --from a FILE that `journal --record` wrote. Every\n"
     "call goes through the same guards once more, under FILE or the policy in force, with -o "
     "changing anything, thresholds and caps too: what would\n"
     "have tripped when, been refused and been cut, beside what did. What operators did by hand "
     "is\n"
     "not replayed; what was refused then counts as UNKNOWN where it would not have been."},
    {"slo", "Watch", "", NULL, "[DEST] [--json]", 0, 1, slo_main,
     "Is what `slo` demands kept? Every such line of the policy in force is measured over the "
     "time\n"
     "that it names. Exit 1 when one is broken. To a percentile a timeout is slower than every\n"
     "answer. Too few calls are said to be too few, and break nothing."},
    {"health", "Watch", "", NULL, "[DEST] [--checks N] [--every T] [--strict] [--json]", 0, 1,
     health_main,
     "Exit 1, unhealthy: a breaker refuses calls. Exit 0, degraded: it is half-open or only\n"
     "observed, an arm of a split is out, an `slo` is broken, somebody waits for a place, or\n"
     "something is disabled; with --strict that is 1, too. --checks N says no only after N checks\n"
     "in a row, --every T apart."},
    {"ready", "Watch", "", "verdicts", "[DEST] [--checks N] [--every T] [--strict] [--json]", 0, 1,
     ready_main,
     "As health, and a process must be attached: exit 1 until one is. With --checks 30 it waits "
     "up\n"
     "to half a minute, for ExecStartPost= or a startup probe."},
    {"segments", "Watch", "", "list; rm NAME removes", "[--json]", 0, 0, segments_main, NULL},
    {"rm", "Watch", NULL, "remove a segment", "NAME [--force]", 1, 1, rm_main,
     "Refuses while programs use it. With --force they go on among themselves, and the next one\n"
     "starts a new segment."},
    {"trip", "Steer", "", NULL, "DEST[@ADDRESS|@ARM] [--for T | --until-reset] [--reason TEXT]", 1,
     1, trip_main,
     "Opens the breaker as if it had tripped by itself; probes close it again. With --for it is\n"
     "held open that long first. Under `breaker scope endpoint` DEST is all addresses together,\n"
     "DEST@10.4.0.7:443 one of them, DEST@green one arm of a split."},
    {"hold", "Steer", "", NULL,
     "DEST[@ADDRESS|@ARM] open|closed [--for T | --until-reset] [--reason TEXT]", 2, 2, hold_main,
     "Keeps the breaker as it is told, whatever happens; by default until it is reset."},
    {"reset", "Steer", "", NULL, "DEST[@ADDRESS|@ARM] | --all [--reason TEXT]", 0, 1, reset_main,
     "Closes the breaker, of DEST with those of its addresses, ends a hold, forgets failures.\n"
     "Counters go on."},
    {"enable", "Steer", "", NULL, "[DEST] [--reason TEXT]", 0, 1, enable_main,
     "Ends `shearpin disable`."},
    {"disable", "Steer", "", NULL, "[DEST] [--reason TEXT]", 0, 1, disable_main,
     "Every program goes straight to its destinations from its next call on: the panic switch.\n"
     "With DEST only there."},
    {"shift", "Steer", "| drain DEST ARM=SHARE...", NULL,
     "DEST [ARM=SHARE... | --rollback] [--reason TEXT] [--json]\n"
     "   or: shearpin shift DEST --to ARM [--stages P,P,...] [--every T]\n"
     "         [--healthy 'CONDITION']... [--probe CMD] [--checks N] [--check-every T]\n"
     "         [--check-for T] [--timeout T] [--batch]",
     1, -1, shift_main,
     "Alone: which share of the connections each arm of `split` has. With ARM=SHARE for every\n"
     "arm: at once, for all programs. With --to in stages, 30s each: when the arm was healthy in\n"
     "5 checks in a row, 10s apart, it gets the first share; when that has held, the next; after\n"
     "the last, 3 more checks. Conditions are measured over the arm's own calls; where none "
     "speaks\n"
     "of errors, or of times, it may fail 1% more than the other arms, and have twice their p95\n"
     "and 20ms. What does not hold, Ctrl-C, --rollback in another terminal and the death of this\n"
     "command bring back the shares from before, at once. CMD finds the arm in SHEARPIN_ARM and\n"
     "SHEARPIN_ARM_ADDRESS. Exit 1: it was not shifted. Shares hold until the lines `split` of\n"
     "the policy change."},
    {"drain", "Steer", NULL, NULL, "DEST ARM [--timeout T] [--reason TEXT] [--json]", 2, 2,
     drain_main,
     "ARM gets no new connections, its share goes to the others; then waits until those that it\n"
     "has are closed. Exit 1 when some are still open after T, or it is interrupted: it stays\n"
     "without new ones. `shearpin shift DEST --rollback` takes it back."},
    {"chaos", "Chaos", "list | start | stop | status | report [EXPERIMENT]", NULL,
     "list | start | stop | status | report [EXPERIMENT] | record EXPERIMENT FILE\n"
     "         | replay FILE [--seed N] [--intensity X]\n"
     "         [--pid PID] [--command NAME] [--processes P%] [--also] [-f]\n"
     "         [--inject 'FAULT' --on DEST]... [--for T] [--abort 'CONDITION']...\n"
     "         [--json] [--html FILE]",
     1, 3, chaos_main,
     "start begins an experiment of the policy in force, at the next call of every process; it "
     "ends\n"
     "by itself, whoever has died meanwhile. Where its `steady` conditions do not hold, nothing "
     "is\n"
     "injected. With --inject, --on and --for it needs no experiment in the policy, and --abort "
     "ends\n"
     "it early. start -f stays until the end, and Ctrl-C stops both. The same --seed strikes the "
     "same\n"
     "calls again.\n"
     "list shows what the policy has, status what runs and ran, stop ends NAME, or all. report "
     "says\n"
     "what was before, during and after, what was injected, and whether what was expected was "
     "kept:\n"
     "`steady` over all calls meanwhile. Exit 1 when it was not, or the experiment was ended "
     "early."},
    {"answers", NULL, NULL, "gives the answers of `fallback respond`; `run` starts it",
     "SEGMENT PID", 1, 2, answers_main, NULL},
    {"version", NULL, NULL, "which shearpin this is", "[--json]", 0, 0, version_main, NULL},
    {"help", NULL, NULL, "explain a command, the environment, exit statuses",
     "[COMMAND | environment | exit | man | bash]", 0, 1, help_main,
     "man prints shearpin(1), bash what bash completes with: source <(shearpin help bash)"},
};
const size_t command_total = sizeof command_table / sizeof *command_table;

const struct command *command_named(const char *name)
{
    for (size_t i = 0; i < command_total; i++) {
        if (strcmp(command_table[i].name, name) == 0)
            return &command_table[i];
    }
    return NULL;
}

static int main_unknown(const struct cli *cli, const char *name)
{
    struct sp_near near = sp_near_begin(name, strlen(name));
    for (size_t i = 0; i < command_total; i++)
        sp_near_try(&near, command_table[i].name);
    if (name[0] == '-') {
        say_error("the command comes first, then its options: shearpin status %s", name);
    } else if (near.best) {
        say_error("there is no command '%s'; did you mean '%s'?", name, near.best);
        say_corrected(cli, name, near.best);
    } else {
        say_error("there is no command '%s'; `shearpin` alone lists them", name);
    }
    return CLI_USAGE;
}

static int main_words(const struct cli *cli)
{
    const struct command *c = cli->command;
    if (cli->count >= c->least && (c->most < 0 || cli->count <= c->most))
        return CLI_OK;
    if (cli->count < c->least)
        say_error("%s needs more words", c->name);
    else
        say_error("%s has no use for '%s'", c->name, cli->words[c->most]);
    say_more("usage: shearpin %s %s", c->name, c->usage);
    return CLI_USAGE;
}

/* Output that went nowhere, on a full disk for example, is no success. */
static int main_flush(int status)
{
    bool lost = fflush(stdout) != 0 || ferror(stdout);
    if (!lost)
        return status;
    say_error("the output could not be written");
    return CLI_SYSTEM;
}

int main(int argc, char **argv)
{
    struct cli cli = {.typed = argv, .typed_count = argc};
    const char *name = argc > 1 ? argv[1] : "";
    if (argc < 2 || strcmp(name, "-h") == 0 || strcmp(name, "--help") == 0) {
        help_page();
        return main_flush(CLI_OK);
    }
    cli.command = command_named(strcmp(name, "--version") == 0 ? "version" : name);
    if (!cli.command)
        return main_unknown(&cli, name);

    char *moved[argc]; /* getopt changes the order; what was typed stays */
    memcpy(moved, argv + 1, (size_t)argc * sizeof *argv);
    int status = options_read(&cli, argc - 1, moved);
    if (status == CLI_OK && cli.help) {
        help_usage(cli.command);
        return main_flush(CLI_OK);
    }
    if (status == CLI_OK)
        status = main_words(&cli);
    if (status == CLI_OK)
        status = cli.command->run(&cli);
    else if (cli.command->run == run_main) /* 2 may be what the command itself says */
        status = CLI_OURS;
    return main_flush(status);
}
