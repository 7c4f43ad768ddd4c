/* run.c - everything that can be known before exec is said before exec; then we become the command:
 * same pid, same signals, same exit status. */
#include <bsd/string.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/near.h"
#include "cli/answer.h"
#include "cli/chaos.h"
#include "cli/fallback.h"
#include "cli/judge.h"
#include "cli/library.h"
#include "cli/look.h"
#include "cli/preload.h"
#include "cli/private.h"
#include "cli/rules.h"
#include "cli/say.h"
#include "cli/split.h"
#include "cli/trial.h"
#include "cli/trial_report.h"
#include "cli/where.h"
#include "policy/keys.h"
#include "shearpin/conn.h"
#include "shearpin/fault.h"

/* What `--observe` works under when there is no policy file. */
#define RUN_OBSERVE_NAME "(built in)"
static const char run_observe[] = "destination everything\n"
                                  "    match *\n"
                                  "    mode observe\n"
                                  "    cap 1024\n"; /* so that connections are counted */
#define RUN_OBSERVE_LEARN 64u /* endpoints with figures of their own, for `suggest` */

#define RUN_FAULT_MAX 400 /* the library reads settings of less than 512 characters */
_Static_assert(CLI_INJECTS <= SP_FAULTS_MAX, "the library takes as many faults as we do");

struct run {
    struct cli *cli;
    const char *path; /* the policy file; NULL: the text built in */
    struct rules rules;
    char name[WHERE_NAME_SIZE];
    char library[PRELOAD_SIZE];
    struct sp_segment segment;
};

/* Not protected, for the reason said before: refuse unless --anyway. */
static int run_refuse(const struct run *run)
{
    if (run->cli->anyway)
        return CLI_OK;
    say_error("refusing because of that; --anyway runs it all the same");
    return CLI_OURS;
}

/* --- what may be wrong --- */

static int run_policy(struct run *run)
{
    struct cli *cli = run->cli;
    char summary[96];
    if (!rules_named(cli) && !cli->observe) {
        say_error("there is no policy: -p FILE, SHEARPIN_POLICY or " RULES_DEFAULT);
        say_more("to watch without one:  shearpin run --observe -- COMMAND");
        return CLI_OURS;
    }
    if (!rules_named(cli)) {
        rules_read_text(&run->rules, RUN_OBSERVE_NAME, run_observe, stderr);
        ((struct sp_policy *)(uintptr_t)run->rules.policy)->learn = RUN_OBSERVE_LEARN;
        return CLI_OK;
    }
    run->path = rules_path(cli, NULL);
    rules_read_shared(&run->rules, run->path, stderr, cli->verbose ? RULES_ALL : RULES_ERRORS);
    if (run->rules.policy)
        return CLI_OK;
    rules_summary(&run->rules, summary, sizeof summary);
    say_error("%s would run unprotected: %s in %s", cli->words[0], summary, run->path);
    return run_refuse(run);
}

/* Where a name is less than the word that was typed, that word cannot be corrected. */
static int run_knows(const struct run *run, const char *option, const char *dest)
{
    const struct sp_row *row;
    struct sp_near near = sp_near_begin(dest, strlen(dest));
    if (strcmp(dest, "*") == 0 || !run->rules.policy)
        return CLI_OK;
    for (size_t i = 0; (row = sp_policy_row(run->rules.policy, i)) != NULL; i++) {
        if (strcmp(row->name, dest) == 0)
            return CLI_OK;
        sp_near_try(&near, row->name);
    }
    say_error("%s %s: the policy has no such destination%s%s%s", option, dest,
              near.best ? "; did you mean '" : "", near.best ? near.best : "",
              near.best ? "'?" : "");
    if (near.best && strcmp(option, "--on") == 0)
        say_corrected(run->cli, dest, near.best);
    return CLI_OURS;
}

/* Who has measured for an hour is not told then that there is no such destination. */
static int run_judged(const struct run *run)
{
    struct trial_condition condition;
    int status = CLI_OK;
    bool learns = run->rules.policy && run->rules.policy->learn != 0;
    for (int i = 0; status == CLI_OK && !learns && i < run->cli->slo_count; i++) {
        if (trial_condition(run->cli->slo[i], &condition, NULL) == 0 && *condition.dest)
            status = run_knows(run, "--slo", condition.dest);
    }
    return status;
}

static int run_options(const struct run *run)
{
    struct sp_override over[SP_OVERRIDES_MAX];
    struct sp_fault fault;
    struct sp_error error;
    const struct cli *cli = run->cli;
    if (cli->set &&
        sp_override_parse(cli->set, run->rules.policy, over, SP_OVERRIDES_MAX, &error) < 0) {
        say_error("-o %s", error.text);
        return CLI_OURS;
    }
    if (cli->private && cli->segment) {
        say_error("--private makes a segment of its own: leave -s %s out, or --private",
                  cli->segment);
        return CLI_OURS;
    }
    if (trial_wanted(cli) && (trial_check(cli) != CLI_OK || run_judged(run) != CLI_OK))
        return CLI_OURS;
    for (int i = 0; i < cli->inject_count; i++) {
        const struct cli_inject *inject = &cli->injects[i];
        if (sp_fault_parse(inject->fault, &fault, &error) != 0) {
            say_error("--inject '%s': %s", inject->fault, error.text);
            return CLI_OURS;
        }
        if (strlen(inject->fault) > RUN_FAULT_MAX) {
            say_error("--inject '%.40s...' is too long", inject->fault);
            return CLI_OURS;
        }
        int status = run_knows(run, "--on", inject->dest);
        if (status != CLI_OK)
            return status;
    }
    return CLI_OK;
}

/* It runs and is wrapped, but not all that it does goes by us. */
static int run_warn(const struct run *run, const struct judge *judge)
{
    if (!run->cli->quiet && library_uring(judge->program))
        say_error("%s imports io_uring: what goes that way is not protected (shearpin doctor %s)",
                  run->cli->words[0], run->cli->words[0]);
    return CLI_OK;
}

static int run_judge(const struct run *run)
{
    struct judge judge;
    const char *command = run->cli->words[0];
    judge_command(&judge, command);
    switch (judge.verdict) {
    case JUDGE_FINE:
        return run_warn(run, &judge);
    case JUDGE_NO_FILE:
        say_error("%s %s", command, judge.why);
        return CLI_NO_FILE;
    case JUDGE_NO_EXEC:
        say_error("%s %s", command, judge.why);
        return CLI_NO_EXEC;
    case JUDGE_UNPROTECTED:
        break;
    }
    bool script = strcmp(judge.path, judge.program) != 0;
    say_error("%s would run unprotected: %s%s %s (shearpin doctor %s)", command,
              script ? "its interpreter " : "it", script ? judge.program : "", judge.why, command);
    return run_refuse(run);
}

static int run_library(struct run *run)
{
    if (preload_find(run->library, sizeof run->library))
        return CLI_OK;
    say_error("%s would run unprotected: there is no libshearpin.so in %s", run->cli->words[0],
              run->library);
    run->library[0] = 0;
    return run_refuse(run);
}

/* --- the segment --- */

static int run_name(struct run *run)
{
    const char *inherited = getenv("SHEARPIN_SEGMENT");
    const struct cli *cli = run->cli;
    const char *base = strrchr(cli->words[0], '/');
    if (cli->private) {
        private_name(run->name, sizeof run->name);
    } else if (cli->segment) {
        strlcpy(run->name, cli->segment, sizeof run->name);
    } else if (inherited && *inherited) {
        strlcpy(run->name, inherited, sizeof run->name);
    } else if (run->path) {
        if (where_policy_name(run->name, sizeof run->name, &run->rules, run->path) != 0)
            return CLI_OURS;
    } else {
        snprintf(run->name, SP_NAME_SIZE, "%s", base ? base + 1 : cli->words[0]);
        for (char *p = run->name; *p; p++) {
            if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", *p) ||
                (p == run->name && *p == '.'))
                *p = '_';
        }
    }
    return CLI_OK;
}

/* The policy in force belongs to everybody in the segment: only those who say so change it. */
static int run_differs(struct run *run)
{
    struct sp_error error;
    uint64_t generation;
    const struct cli *cli = run->cli;
    struct sp_policy *in_force = look_policy(&run->segment, &generation);
    bool differs = !in_force || in_force->digest != run->rules.policy->digest;
    free(in_force);
    if (!differs)
        return CLI_OK;
    if (!cli->reload) {
        if (!cli->quiet)
            say_error("%s differs from generation %llu in force in segment %s; `shearpin reload "
                      "%s` or `run --reload` puts it in force",
                      run->path ? run->path : RUN_OBSERVE_NAME, (unsigned long long)generation,
                      where_name(&run->segment), run->path ? run->path : "FILE");
        return CLI_OK;
    }
    if (sp_segment_apply(&run->segment, run->rules.policy, &error) == 0)
        return CLI_OK;
    say_error("%s is not in force: %s", run->path ? run->path : RUN_OBSERVE_NAME, error.text);
    return run_refuse(run);
}

/* Names that the programs must not look up on the way of a call. */
static void run_resolve(struct run *run)
{
    fallback_resolve(&run->segment, false, run->cli->quiet);
    split_resolve(&run->segment, false, run->cli->quiet);
}

static int run_segment(struct run *run)
{
    char path[256], name[SP_NAME_SIZE];
    struct sp_error error;
    bool created = false;
    int status = run_name(run);
    if (status != CLI_OK)
        return status;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(run->name, "@"), run->name);
    if (sp_place_path(path, sizeof path, where_directory(), run->name, NULL, &error) != 0 ||
        sp_segment_open(&run->segment, path, name, run->rules.policy, &created, &error) != 0) {
        say_error("%s would run unprotected: %s", run->cli->words[0], error.text);
        return run_refuse(run);
    }
    run->segment.self.pid = (uint32_t)getpid();
    strlcpy(run->segment.self.command, "shearpin", sizeof run->segment.self.command);
    if (!created)
        status = run_differs(run);
    if (status == CLI_OK)
        run_resolve(run);
    if (status == CLI_OK && answer_start(&run->segment, &error) != 0)
        say_error("%s; those calls will be refused", error.text);
    if (status == CLI_OK && run->cli->private &&
        private_watch(run->cli, &run->segment, &error) != 0) {
        say_error("%s", error.text);
        return CLI_OURS;
    }
    return status;
}

/* --- what the command inherits --- */

static void run_append(char **set, const char *element)
{
    char *more;
    if (asprintf(&more, "%s%s%s", *set ? *set : "", *set ? ";" : "", element) < 0) {
        say_error("out of memory");
        exit(CLI_OURS);
    }
    free(*set);
    *set = more;
}

/* Later elements win: what was inherited, --observe, then what was said in so many words. */
static void run_set(const struct cli *cli)
{
    const char *inherited = getenv("SHEARPIN_SET");
    char *set = NULL, element[SP_NAME_SIZE + RUN_FAULT_MAX + 16];
    if (inherited && *inherited)
        run_append(&set, inherited);
    if (cli->observe)
        run_append(&set, "*.mode=observe");
    if (cli->set)
        run_append(&set, cli->set);
    for (int i = 0; i < cli->inject_count; i++) {
        snprintf(element, sizeof element, "%s.inject=%s", cli->injects[i].dest,
                 cli->injects[i].fault);
        run_append(&set, element);
    }
    if (set)
        setenv("SHEARPIN_SET", set, 1);
    free(set);
}

/* An absolute time, so that children end when their parents do; an earlier one that was inherited
 * stands. */
static void run_deadline(uint64_t limit)
{
    char text[24];
    const char *inherited = getenv("SHEARPIN_DEADLINE");
    uint64_t at = sp_now() + limit;
    if (limit == 0 || (inherited && *inherited && strtoull(inherited, NULL, 10) <= at))
        return;
    snprintf(text, sizeof text, "%llu", (unsigned long long)at);
    setenv("SHEARPIN_DEADLINE", text, 1);
}

static int run_environment(const struct run *run)
{
    char full[PATH_MAX];
    const char *why;
    if (!preload_set(run->library, &why)) {
        say_error("%s would run unprotected: %s: %s", run->cli->words[0], run->library, why);
        return run_refuse(run);
    }
    if (run->path && realpath(run->path, full))
        setenv("SHEARPIN_POLICY", full, 1);
    if (getenv("SHEARPIN_DIR"))
        setenv("SHEARPIN_DIR", where_directory(), 1);
    setenv("SHEARPIN_SEGMENT", run->name, 1);
    run_set(run->cli);
    run_deadline(run->cli->deadline);
    return CLI_OK;
}

static int run_exec(char **command)
{
    fflush(stdout);
    execvp(command[0], command);
    int code = errno;
    say_error("%s: %s", command[0], strerror(code));
    return code == ENOENT || code == ENOTDIR ? CLI_NO_FILE : CLI_NO_EXEC;
}

/* The one case in which we do not become the command: somebody has to judge it in the end. */
static int run_trial(struct run *run)
{
    if (run->segment.head)
        return trial_run(run->cli, &run->segment, run_exec);
    say_error("%s would run bare: there is nothing to measure it by", run->cli->words[0]);
    return CLI_OURS;
}

int run_main(struct cli *cli)
{
    struct run run = {.cli = cli};
    int status = run_policy(&run);
    if (status == CLI_OK)
        status = run_options(&run);
    if (status == CLI_OK)
        status = run_judge(&run);
    if (status == CLI_OK)
        status = run_library(&run);
    /* with --anyway each of these may be missing: then the command runs bare */
    if (status == CLI_OK && run.rules.policy && run.library[0])
        status = run_segment(&run);
    if (status == CLI_OK && run.segment.head && cli->chaos)
        status = experiment_run(cli, &run.segment, cli->private);
    if (status == CLI_OK && run.segment.head)
        status = run_environment(&run);
    if (status == CLI_OK && trial_wanted(cli))
        return run_trial(&run);
    return status == CLI_OK ? run_exec(cli->words) : status;
}
