/* chaos_plan.c - what is to be started: an experiment of the policy in force, or one that stands on
 * the command line. */
#include <bsd/string.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/near.h"
#include "base/random.h"
#include "base/text.h"
#include "cli/chaos.h"
#include "cli/objective.h"
#include "cli/say.h"

#define PLAN_ADHOC "ad-hoc"

static const struct sp_experiment *plan_named(const struct sp_policy *policy, const char *name,
                                              const char **near_by)
{
    struct sp_near near = sp_near_begin(name, strlen(name));
    const struct sp_experiment *e;
    for (size_t i = 0; (e = sp_policy_experiment(policy, i)); i++) {
        if (strncmp(e->name, name, SP_NAME_SIZE) == 0)
            return e;
        sp_near_try(&near, e->name);
    }
    *near_by = near.best;
    return NULL;
}

static int plan_unknown(const struct cli *cli, const char *name, const char *near)
{
    if (near) {
        say_error("the policy in force has no experiment '%s'; did you mean '%s'?", name, near);
        say_corrected(cli, name, near);
    } else {
        say_error("the policy in force has no experiment '%s'; `shearpin chaos list` shows those "
                  "that it has",
                  name);
    }
    return CLI_UNKNOWN;
}

/* --- what stands in it --- */

int experiment_target(const struct cli *cli, struct sp_segment *segment, const char *name,
                      struct sp_chaos *plan)
{
    uint32_t index = 0;
    struct sp_guards guards;
    for (unsigned i = 0; i < plan->target_count; i++) {
        if (strcmp(plan->targets[i].name, name) == 0)
            return CLI_OK;
    }
    if (plan->target_count == SP_EXPERIMENT_TARGETS) {
        say_error("an experiment has at most %u targets", SP_EXPERIMENT_TARGETS);
        return CLI_USAGE;
    }
    int status = where_dest(cli, segment, name, &index);
    if (status == CLI_OK && !sp_segment_guards(segment, index, &guards)) {
        say_error("%s is no destination of the policy in force any more", name);
        status = CLI_UNKNOWN;
    }
    if (status != CLI_OK)
        return status;
    struct sp_chaos_target *target = &plan->targets[plan->target_count++];
    strlcpy(target->name, name, sizeof target->name);
    target->dest = index;
    return CLI_OK;
}

/* Each fault draws by itself, unless it says its own seed. */
int experiment_fault(struct sp_chaos *plan, const char *text)
{
    struct sp_error error;
    struct sp_chaos_fault *f = &plan->faults[plan->fault_count];
    if (plan->fault_count == SP_EXPERIMENT_FAULTS) {
        say_error("an experiment has at most %u faults", SP_EXPERIMENT_FAULTS);
        return CLI_USAGE;
    }
    if (strlcpy(f->text, text, sizeof f->text) >= sizeof f->text) {
        say_error("'%.40s...' is too long: a fault has at most %zu characters", text,
                  sizeof f->text - 1);
        return CLI_USAGE;
    }
    if (sp_fault_parse(text, &f->fault, &error) != 0) {
        say_error("'%s': %s", text, error.text);
        return CLI_USAGE;
    }
    plan->fault_count++;
    if (f->fault.seed == 0)
        f->fault.seed = sp_mix(plan->seed + plan->fault_count * UINT64_C(0x9e3779b97f4a7c15)) >> 1;
    return CLI_OK;
}

static int plan_condition(const struct cli *cli, struct sp_segment *segment,
                          const struct sp_policy *policy, const struct sp_proviso *proviso,
                          struct sp_chaos *plan)
{
    const char *name = sp_policy_string(policy, proviso->destination);
    struct sp_chaos_condition *c = &plan->conditions[plan->condition_count++];
    c->condition = proviso->condition;
    c->when = proviso->when;
    c->opens = proviso->opens;
    c->dest = SP_CHAOS_EVERY;
    return *name ? where_dest(cli, segment, name, &c->dest) : CLI_OK;
}

static int plan_of_policy(const struct cli *cli, struct sp_segment *segment,
                          const struct sp_policy *policy, const struct sp_experiment *e,
                          struct sp_chaos *plan)
{
    int status = CLI_OK;
    plan->ramp = e->ramp;
    plan->end = e->last;
    strlcpy(plan->expect, sp_policy_string(policy, e->expect), sizeof plan->expect);
    for (unsigned i = 0; status == CLI_OK && i < e->target_count; i++)
        status = experiment_target(cli, segment, sp_policy_string(policy, e->targets[i]), plan);
    for (unsigned i = 0; status == CLI_OK && i < e->inject_count; i++)
        status = experiment_fault(plan, sp_policy_string(policy, e->injects[i].text));
    for (unsigned i = 0; status == CLI_OK && i < e->proviso_count; i++)
        status = plan_condition(cli, segment, policy, &e->provisos[i], plan);
    return status;
}

static int plan_of_line(const struct cli *cli, struct sp_segment *segment, struct sp_chaos *plan)
{
    int status = CLI_OK;
    plan->adhoc = 1;
    for (int i = 0; status == CLI_OK && i < cli->inject_count; i++) {
        bool again = i > 0 && cli->injects[i].fault == cli->injects[i - 1].fault;
        if (!again) /* the same fault on one more destination is one fault */
            status = experiment_fault(plan, cli->injects[i].fault);
        if (status == CLI_OK)
            status = experiment_target(cli, segment, cli->injects[i].dest, plan);
    }
    return status == CLI_OK ? experiment_abort(cli, segment, plan) : status;
}

/* --- what the options say --- */

static int plan_bad(const char *option, const char *value, const char *wants)
{
    say_error("--%s wants %s, not '%s'", option, wants, value);
    return CLI_USAGE;
}

static int plan_intensity(const char *text, uint32_t *out)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= 0 && value <= 1))
        return plan_bad("intensity", text, "a number from 0 to 1");
    *out = (uint32_t)(value * SP_SHARE_ALL + 0.5);
    return CLI_OK;
}

static int plan_seed(const struct cli *cli, const struct sp_experiment *e, struct sp_chaos *plan)
{
    plan->seed = e && e->seeded ? e->seed : sp_mix(sp_now() ^ (uint64_t)getpid() << 40) % 1000000;
    if (cli->seed && sp_text_parse_count(cli->seed, strlen(cli->seed), &plan->seed) != SP_TEXT_OK)
        return plan_bad("seed", cli->seed, "a whole number");
    return CLI_OK;
}

static int plan_options(const struct cli *cli, struct sp_chaos *plan)
{
    uint64_t pid = 0;
    plan->intensity = plan->processes = SP_SHARE_ALL;
    if (cli->only_pid && (sp_text_parse_count(cli->only_pid, strlen(cli->only_pid), &pid) != 0 ||
                          pid == 0 || pid > INT32_MAX))
        return plan_bad("pid", cli->only_pid, "the number of a process");
    plan->pid = (uint32_t)pid;
    if (cli->only_command)
        strlcpy(plan->command, cli->only_command, sizeof plan->command);
    if (cli->only_processes &&
        (sp_text_parse_share(cli->only_processes, strlen(cli->only_processes), &plan->processes) !=
             SP_TEXT_OK ||
         plan->processes == 0 || plan->processes > SP_SHARE_ALL))
        return plan_bad("processes", cli->only_processes, "a share like 50%");
    return cli->intensity ? plan_intensity(cli->intensity, &plan->intensity) : CLI_OK;
}

static int plan_time(const struct cli *cli, struct sp_chaos *plan)
{
    if (cli->lasting)
        plan->end = cli->lasting;
    if (plan->end == 0) {
        say_error("say how long: --for 5m; a fault that nobody ends has to end by itself");
        return CLI_USAGE;
    }
    plan->start = sp_now();
    plan->end += plan->start;
    return CLI_OK;
}

int experiment_plan(const struct cli *cli, struct sp_segment *segment,
                    const struct sp_policy *policy, const char *name, struct sp_chaos *plan)
{
    const char *near = NULL;
    const struct sp_experiment *e = name && policy ? plan_named(policy, name, &near) : NULL;
    memset(plan, 0, sizeof *plan);
    if (name && !e)
        return plan_unknown(cli, name, near);
    strlcpy(plan->name, name ? name : PLAN_ADHOC, sizeof plan->name);
    int status = plan_options(cli, plan);
    if (status == CLI_OK)
        status = plan_seed(cli, e, plan);
    if (status == CLI_OK)
        status =
            e ? plan_of_policy(cli, segment, policy, e, plan) : plan_of_line(cli, segment, plan);
    return status == CLI_OK ? plan_time(cli, plan) : status;
}
