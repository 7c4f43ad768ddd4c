#include "cli/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/near.h"
#include "base/text.h"
#include "cli/say.h"

enum option_kind { FLAG, TEXT, TIME, SIZE, SETTING, INJECT, ON, SEGMENT, COUNT, SLO };

struct option_row {
    const char *name;
    char letter;
    bool common; /* every command takes it */
    enum option_kind kind;
    size_t offset; /* into struct cli */
    const char *argument;
    const char *help;
};

#define AT(field) offsetof(struct cli, field)

static const struct option_row option_rows[] = {
    {"policy", 'p', true, TEXT, AT(policy), "FILE", "the policy; else $SHEARPIN_POLICY"},
    {"segment", 's', true, SEGMENT, 0, "NAME", "the segment; else $SHEARPIN_SEGMENT"},
    {"quiet", 'q', true, FLAG, AT(quiet), NULL, "say less"},
    {"verbose", 'v', true, FLAG, AT(verbose), NULL, "say more"},
    {"help", 'h', true, FLAG, AT(help), NULL, "this"},
    {"set", 'o', false, SETTING, 0, "dest.guard.word=VALUE", "change one word; repeatable"},
    {"json", 0, false, FLAG, AT(json), NULL, "for machines"},
    {"observe", 0, false, FLAG, AT(observe), NULL, "count and report, never interfere"},
    {"private", 0, false, FLAG, AT(private), NULL, "a segment of its own, gone with its programs"},
    {"reload", 0, false, FLAG, AT(reload), NULL, "put the policy in force first"},
    {"anyway", 0, false, FLAG, AT(anyway), NULL, "run it even if it is not protected"},
    {"deadline", 0, false, TIME, AT(deadline), "T", "every guarded wait of the tree ends by then"},
    {"inject", 0, false, INJECT, 0, "'FAULT'",
     "how to misbehave; of run, in its process tree only"},
    {"on", 0, false, ON, 0, "DEST", "where the fault before it is injected"},
    {"chaos", 0, false, TEXT, AT(chaos), "NAME", "start that experiment, or join it"},
    {"seed", 0, false, TEXT, AT(seed), "N", "what decides which calls are struck"},
    {"intensity", 0, false, TEXT, AT(intensity), "X", "0 to 1: scale all shares"},
    {"pid", 0, false, TEXT, AT(only_pid), "PID", "only in this process"},
    {"command", 0, false, TEXT, AT(only_command), "NAME", "only in processes of that name"},
    {"processes", 0, false, TEXT, AT(only_processes), "P%", "only in that share of them"},
    {"also", 0, false, FLAG, AT(also), NULL, "on top of an experiment that runs there"},
    {"interval", 0, false, TIME, AT(interval), "T", "look twice, T apart"},
    {"follow", 'f', false, FLAG, AT(follow), NULL, "go on as events happen"},
    {"since", 0, false, TIME, AT(since), "T", "only the last T"},
    {"for", 0, false, TIME, AT(lasting), "T", "this long"},
    {"until-reset", 0, false, FLAG, AT(until_reset), NULL, "until `shearpin reset`"},
    {"reason", 0, false, TEXT, AT(reason), "TEXT", "kept in the events, shown by status"},
    {"timeout", 0, false, TIME, AT(timeout), "T", "give up after T"},
    {"all", 0, false, FLAG, AT(all), NULL, "every destination"},
    {"enforce", 0, false, FLAG, AT(enforce), NULL, "as the policy says, instead of observing"},
    {"dry-run", 0, false, FLAG, AT(dry_run), NULL, "print it, change nothing"},
    {"root", 0, false, TEXT, AT(root), "DIR", "where systemd's directories begin, instead of /"},
    {"listen", 0, false, TEXT, AT(listen), "ADDRESS:PORT", "where; else 127.0.0.1:9464"},
    {"textfile", 0, false, TEXT, AT(textfile), "FILE", "write to FILE, whole or not at all"},
    {"list", 0, false, FLAG, AT(list), NULL, "every metric there is, and what it means"},
    {"exec", 0, false, TEXT, AT(exec), "CMD", "what to run, by /bin/sh"},
    {"syslog", 0, false, FLAG, AT(syslog), NULL, "to syslog instead of stdout"},
    {"record", 0, false, TEXT, AT(record), "FILE", "append to FILE as JSON, a line each"},
    {"max", 0, false, SIZE, AT(max), "SIZE",
     "of FILE and FILE.1 together; else 10MiB, of calls 64MiB"},
    {"from", 0, false, TEXT, AT(from), "FILE", "what `journal --record` wrote"},
    {"slo", 0, false, SLO, 0, "'CONDITION'", "what the run is to keep: 'p95 < 500ms'; repeatable"},
    {"html", 0, false, TEXT, AT(html), "FILE", "as one page, with plots"},
    {"save", 0, false, TEXT, AT(save), "FILE", "what the run was measured as, as JSON"},
    {"against", 0, false, TEXT, AT(against), "FILE", "compare with what --save wrote"},
    {"batch", 0, false, FLAG, AT(batch), NULL, "one plain table after the other"},
    {"frames", 0, false, COUNT, AT(frames), "N", "end after N tables"},
    {"checks", 0, false, COUNT, AT(checks), "N", "how many checks in a row it takes"},
    {"every", 0, false, TIME, AT(every), "T", "from one check, or stage, to the next"},
    {"to", 0, false, TEXT, AT(to), "ARM", "the arm that connections are shifted to, in stages"},
    {"stages", 0, false, TEXT, AT(stages), "P,P,...", "its shares; else 10,25,50,75,100"},
    {"healthy", 0, false, SLO, 0, "'CONDITION'",
     "what it is to keep: 'errors < 1% for 20s'; repeatable"},
    {"abort", 0, false, SLO, 0, "'CONDITION'",
     "what ends it early: 'errors > 10% for 30s', 'payments opens'; repeatable"},
    {"probe", 0, false, TEXT, AT(probe), "CMD", "how to check it, by /bin/sh; else a connect"},
    {"check-every", 0, false, TIME, AT(check_every), "T", "from one check to the next; else 10s"},
    {"check-for", 0, false, TIME, AT(check_for), "T", "how long to check at most; else 5m"},
    {"rollback", 0, false, FLAG, AT(rollback), NULL, "back to the shares before"},
    {"strict", 0, false, FLAG, AT(strict), NULL, "degraded is a no"},
    {"waiting", 0, false, FLAG, AT(waiting), NULL, "who waits on what, now"},
    {"force", 0, false, FLAG, AT(force), NULL, "even while programs use it"},
};
#define OPTION_ROWS (sizeof option_rows / sizeof *option_rows)

/* Does the usage name it, as `--name` or `-x`, whole? */
static bool option_taken(const struct command *command, const struct option_row *row)
{
    char words[2][32];
    snprintf(words[0], sizeof words[0], "--%s", row->name);
    snprintf(words[1], sizeof words[1], "-%c", row->letter);
    if (row->common)
        return true;
    for (int i = 0; i < (row->letter ? 2 : 1); i++) {
        for (const char *at = command->usage; (at = strstr(at, words[i])) != NULL; at++) {
            bool begins = at == command->usage || strchr(" [", at[-1]);
            if (begins && strchr(" ]", at[strlen(words[i])]))
                return true;
        }
    }
    return false;
}

static int option_bad(const struct cli *cli, const char *typed)
{
    size_t length = strcspn(typed, "=");
    struct sp_near near = sp_near_begin(typed, length);
    char known[OPTION_ROWS][32];
    for (size_t i = 0; i < OPTION_ROWS; i++) {
        snprintf(known[i], sizeof known[i], "--%s", option_rows[i].name);
        if (option_taken(cli->command, &option_rows[i]))
            sp_near_try(&near, known[i]);
    }
    if (near.best)
        say_error("%s has no option '%.*s'; did you mean '%s'?", cli->command->name, (int)length,
                  typed, near.best);
    else
        say_error("%s has no option '%.*s'", cli->command->name, (int)length, typed);
    say_more("usage: shearpin %s %s", cli->command->name, cli->command->usage);
    return CLI_USAGE;
}

static int option_time(const struct option_row *row, const char *text, uint64_t *out)
{
    if (sp_text_parse_time(text, strlen(text), out) == SP_TEXT_OK && *out > 0)
        return CLI_OK;
    say_error("--%s wants a time with a unit, like 200ms, 5s or 10m, not '%s'", row->name, text);
    return CLI_USAGE;
}

static int option_size(const struct option_row *row, const char *text, uint64_t *out)
{
    if (sp_text_parse_size(text, strlen(text), out) == SP_TEXT_OK && *out > 0)
        return CLI_OK;
    say_error("--%s wants a size, like 64KiB or 10MiB, not '%s'", row->name, text);
    return CLI_USAGE;
}

/* Most commands are about one segment; who is about several says so in its usage. */
static int option_segment(struct cli *cli, const char *name)
{
    bool several = strstr(cli->command->usage, "[-s NAME]...") != NULL;
    if (cli->segment_count == (several ? CLI_SEGMENTS : 1)) {
        say_error("%s takes at most %d -s", cli->command->name, cli->segment_count);
        return CLI_USAGE;
    }
    cli->segment = cli->segments[cli->segment_count++] = name;
    return CLI_OK;
}

static int option_count(const struct option_row *row, const char *text, uint64_t *out)
{
    if (sp_text_parse_count(text, strlen(text), out) == SP_TEXT_OK && *out > 0 && *out <= 1000000)
        return CLI_OK;
    say_error("--%s wants a whole number from 1 on, not '%s'", row->name, text);
    return CLI_USAGE;
}

static int option_slo(struct cli *cli, const char *text)
{
    if (cli->slo_count == CLI_SLOS) {
        say_error("at most %d conditions can be judged at once", CLI_SLOS);
        return CLI_USAGE;
    }
    cli->slo[cli->slo_count++] = text;
    return CLI_OK;
}

static int option_set(struct cli *cli, const char *text)
{
    char *joined;
    if (asprintf(&joined, "%s%s%s", cli->set ? cli->set : "", cli->set ? ";" : "", text) < 0) {
        say_error("out of memory");
        return CLI_SYSTEM;
    }
    free(cli->set);
    cli->set = joined;
    return CLI_OK;
}

static int option_inject(struct cli *cli, const char *fault)
{
    if (cli->inject_count == CLI_INJECTS) {
        say_error("at most %d faults can be injected at once", CLI_INJECTS);
        return CLI_USAGE;
    }
    cli->injects[cli->inject_count++].fault = fault;
    return CLI_OK;
}

static int option_on(struct cli *cli, const char *dest)
{
    struct cli_inject *last = cli->inject_count ? &cli->injects[cli->inject_count - 1] : NULL;
    if (last && last->dest) { /* the same fault on one more */
        int status = option_inject(cli, last->fault);
        if (status != CLI_OK)
            return status;
        last++;
    }
    if (!last) {
        say_error("--on %s: say the fault first: --inject 'latency 300ms' --on %s", dest, dest);
        return CLI_USAGE;
    }
    last->dest = dest;
    return CLI_OK;
}

static int option_store(struct cli *cli, const struct option_row *row, char *text)
{
    char *field = (char *)cli + row->offset;
    switch (row->kind) {
    case FLAG:
        *(bool *)(void *)field = true;
        return CLI_OK;
    case TEXT:
        *(const char **)(void *)field = text;
        return CLI_OK;
    case TIME:
        return option_time(row, text, (uint64_t *)(void *)field);
    case SIZE:
        return option_size(row, text, (uint64_t *)(void *)field);
    case COUNT:
        return option_count(row, text, (uint64_t *)(void *)field);
    case SLO:
        return option_slo(cli, text);
    case SEGMENT:
        return option_segment(cli, text);
    case SETTING:
        return option_set(cli, text);
    case INJECT:
        return option_inject(cli, text);
    case ON:
        return option_on(cli, text);
    }
    return CLI_USAGE;
}

/* What getopt_long wants for one command; values are 256 + the index of the row. */
static void options_for_getopt(const struct command *command, struct option *longs, char *letters)
{
    if (command->run == run_main) /* what follows the command's name belongs to the command */
        *letters++ = '+';
    *letters++ = ':';
    for (size_t i = 0; i < OPTION_ROWS; i++) {
        const struct option_row *row = &option_rows[i];
        if (!option_taken(command, row))
            continue;
        *longs++ = (struct option){row->name, row->argument ? required_argument : no_argument, NULL,
                                   256 + (int)i};
        if (row->letter)
            *letters++ = row->letter;
        if (row->letter && row->argument)
            *letters++ = ':';
    }
    *longs = (struct option){0};
    *letters = 0;
}

static const struct option_row *option_found(int c)
{
    if (c >= 256)
        return &option_rows[c - 256];
    for (size_t i = 0; i < OPTION_ROWS; i++) {
        if (option_rows[i].letter == c)
            return &option_rows[i];
    }
    return NULL;
}

static int option_missing(const struct cli *cli, const char *typed)
{
    const struct option_row *row = option_found(optopt);
    say_error("%s %s wants %s", cli->command->name, typed, row ? row->argument : "a value");
    say_more("usage: shearpin %s %s", cli->command->name, cli->command->usage);
    return CLI_USAGE;
}

int options_read(struct cli *cli, int argc, char **argv)
{
    struct option longs[OPTION_ROWS + 1];
    char letters[2 * OPTION_ROWS + 3], unknown[3] = "-";
    int c, status = CLI_OK;
    options_for_getopt(cli->command, longs, letters);
    opterr = 0;
    while (status == CLI_OK && (c = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        const struct option_row *row = option_found(c);
        unknown[1] = (char)optopt;
        if (c == ':')
            status = option_missing(cli, argv[optind - 1]);
        else if (c == '?' || !row)
            status = option_bad(cli, optopt > 0 && optopt < 256 ? unknown : argv[optind - 1]);
        else
            status = option_store(cli, row, optarg);
    }
    for (int i = 0; status == CLI_OK && i < cli->inject_count; i++) {
        if (!cli->injects[i].dest) {
            say_error("--inject '%s': say where: --on DEST", cli->injects[i].fault);
            status = CLI_USAGE;
        }
    }
    cli->words = argv + optind;
    cli->count = argc - optind;
    return status;
}

bool options_view(const struct command *command, size_t n, struct option_view *out)
{
    for (int common = 0; common < 2; common++) {
        for (size_t i = 0; i < OPTION_ROWS; i++) {
            const struct option_row *row = &option_rows[i];
            if (row->common != common || !option_taken(command, row) || n-- > 0)
                continue;
            *out =
                (struct option_view){row->name, row->argument, row->help, row->letter, row->common};
            return true;
        }
    }
    return false;
}

void options_help(const struct command *command)
{
    struct option_view o;
    char left[64];
    for (size_t i = 0; options_view(command, i, &o); i++) {
        snprintf(left, sizeof left, "-%c, --%s %s", o.letter ? o.letter : '-', o.name,
                 o.argument ? o.argument : "");
        if (!o.letter)
            memset(left, ' ', 4);
        printf("  %-32s  %s\n", left, o.help);
    }
}
