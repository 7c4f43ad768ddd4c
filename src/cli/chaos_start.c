/* chaos_start.c - starting an experiment: with a name, ad hoc, or before a command that is run. It
 * ends by itself, so who started it may go. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/chaos.h"
#include "cli/say.h"

static int start_unsteady(struct sp_segment *segment, const struct sp_chaos *plan)
{
    struct sp_error error;
    if (!sp_chaos_unsteady(segment, plan, &error))
        say_error("%s", error.text);
    say_more("%s: aborted, nothing was injected", plan->name);
    return CLI_NO;
}

static int start_error(const struct sp_error *error)
{
    say_error("%s", error->text);
    return error->code == EBUSY ? CLI_NO : say_status(error->code);
}

/* Nobody whom it is for would ever do a call. */
static void start_warn(const struct cli *cli, const struct sp_segment *segment,
                       const struct sp_chaos *plan)
{
    bool alive[SP_PROCESSES];
    unsigned meant = 0, all = look_processes(segment, alive);
    for (uint32_t i = 0; i < SP_PROCESSES; i++) {
        const struct sp_process *p = &segment->processes[i];
        meant +=
            alive[i] && (plan->pid == 0 || atomic_load(&p->pid) == plan->pid) &&
            (!plan->command[0] || strncmp(p->command, plan->command, sizeof p->command - 1) == 0);
    }
    if (meant == 0 && !cli->quiet)
        say_error("%s", all ? "none of the processes that run now is meant by this"
                            : "no process runs under this segment yet");
}

static void start_tell(const struct sp_chaos *chaos)
{
    char text[1200];
    experiment_injects(chaos, text, sizeof text);
    printf("  inject  %s\n", text);
    if (chaos->ramp)
        printf("  ramp    %s to the shares above\n", SAY_TIME(chaos->ramp));
    if (chaos->intensity < SP_SHARE_ALL)
        printf("  scaled  to %.4g of the shares\n", (double)chaos->intensity / SP_SHARE_ALL);
    experiment_stops(chaos, text, sizeof text);
    printf("  stops   %s, or: shearpin chaos stop %s\n", text, chaos->name);
    printf("  seed    %llu\n", (unsigned long long)chaos->seed);
}

int experiment_begin(const struct cli *cli, struct sp_segment *segment, struct sp_chaos *plan,
                     struct sp_chaos **chaos)
{
    struct sp_error error;
    bool tell = !cli->quiet;
    if (tell)
        printf("%s%s%s\n", plan->name, plan->expect[0] ? ": " : "", plan->expect);
    if (!experiment_steady(segment, plan, tell)) {
        fflush(stdout);
        return start_unsteady(segment, plan);
    }
    *chaos = sp_chaos_start(segment, plan, cli->also, &error);
    if (!*chaos)
        return start_error(&error);
    if (tell)
        start_tell(*chaos);
    start_warn(cli, segment, plan);
    return CLI_OK;
}

int experiment_start(struct cli *cli, struct sp_segment *segment)
{
    struct sp_chaos plan, *chaos;
    uint64_t generation;
    const char *name = cli->count > 1 ? cli->words[1] : NULL;
    if (!name && cli->inject_count == 0) {
        say_error("say which experiment, or what to inject: chaos start --inject 'latency 300ms' "
                  "--on DEST --for 5m");
        return CLI_USAGE;
    }
    if (name && cli->inject_count > 0) {
        say_error("either an experiment of the policy, or --inject: not both");
        return CLI_USAGE;
    }
    if (name && cli->slo_count > 0) {
        say_error("--abort goes with --inject: what ends %s stands in the policy", name);
        return CLI_USAGE;
    }
    struct sp_policy *policy = look_policy(segment, &generation);
    int status = experiment_plan(cli, segment, policy, name, &plan);
    free(policy);
    if (status == CLI_OK)
        status = experiment_begin(cli, segment, &plan, &chaos);
    if (status != CLI_OK)
        return status;
    if (cli->follow)
        return experiment_follow(cli, segment, chaos, true);
    if (!cli->quiet)
        printf("running; follow it with: shearpin chaos status -f\n");
    return CLI_OK;
}

/* --- before a command --- */

int experiment_run(const struct cli *cli, struct sp_segment *segment, bool fresh)
{
    struct sp_chaos plan, *chaos = sp_chaos_named(segment, cli->chaos);
    struct sp_error error;
    uint64_t generation;
    if (chaos && sp_chaos_stands(chaos, sp_now()) == SP_CHAOS_RUNNING) {
        if (!cli->quiet)
            say_error("joining %s, %s left", cli->chaos, SAY_AGE(chaos->end - sp_now()));
        return CLI_OK;
    }
    struct sp_policy *policy = look_policy(segment, &generation);
    int status = experiment_plan(cli, segment, policy, cli->chaos, &plan);
    free(policy);
    if (status != CLI_OK)
        return CLI_OURS;
    if (!fresh && !experiment_steady(segment, &plan, false)) {
        start_unsteady(segment, &plan);
        return CLI_OURS;
    }
    if (sp_chaos_start(segment, &plan, cli->also, &error))
        return CLI_OK;
    say_error("%s", error.text);
    return CLI_OURS;
}
