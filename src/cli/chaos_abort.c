/* chaos_abort.c - `--abort 'CONDITION'`: what ends an experiment of the command line early, in the
 * words of the policy's `abort`. */
#include <bsd/string.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/chaos.h"
#include "cli/objective.h"
#include "cli/say.h"

#define ABORT_BLANKS " \t"

/* `opens`, or `payments opens`. */
static bool abort_opens(const char *text, char dest[SP_NAME_SIZE])
{
    size_t name = strcspn(text, ABORT_BLANKS);
    const char *rest = text + name + strspn(text + name, ABORT_BLANKS);
    if (!*rest)
        return strcmp(text, "opens") == 0;
    if (strcmp(rest, "opens") != 0 || name >= SP_NAME_SIZE)
        return false;
    memcpy(dest, text, name);
    return true;
}

/* The condition, of each target or of the destination that stands before it. */
static int abort_parse(const char *text, struct sp_chaos_condition *out, char dest[SP_NAME_SIZE],
                       struct sp_error *error)
{
    out->opens = abort_opens(text, dest);
    if (out->opens)
        return 0;
    if (objective_parse(text, dest, &out->condition, error) != 0)
        return -1;
    return out->condition.window > 0
               ? 0
               : sp_error_set(error, EINVAL, "say over which time: 'errors > 10%% for 30s'");
}

/* A condition that nothing can be measured by would end nothing. */
static int abort_measured(struct sp_segment *segment, const char *text,
                          const struct sp_chaos_condition *c, uint32_t dest)
{
    struct sp_guards guards;
    struct sp_measured measured;
    char name[SP_NAME_SIZE], safe[4 * SP_NAME_SIZE + 1];
    const struct sp_dest *d = sp_segment_dest(segment, dest);
    bool kept = d && sp_segment_guards(segment, dest, &guards) &&
                c->condition.window <= (uint64_t)guards.moment * SP_MS * (SP_MOMENTS - 2) &&
                sp_chaos_measure(segment, c, dest, sp_now(), &measured);
    if (kept)
        return CLI_OK;
    look_name(name, d ? d->name : "");
    say_safe(safe, sizeof safe, name, sizeof name);
    say_error("--abort '%s': the figures of %s are not kept for %s, so nothing would end it", text,
              safe, SAY_TIME(c->condition.window));
    say_more("a line `slo errors < 10%% for %s` of %s in the policy has them kept; `%s opens`, its "
             "breaker, needs none",
             SAY_TIME(c->condition.window), safe, safe);
    return CLI_NO;
}

static int abort_add(const struct cli *cli, struct sp_segment *segment, const char *text,
                     struct sp_chaos *plan)
{
    struct sp_chaos_condition *c = &plan->conditions[plan->condition_count];
    struct sp_error error;
    char dest[SP_NAME_SIZE] = "";
    *c = (struct sp_chaos_condition){.dest = SP_CHAOS_EVERY, .when = SP_PROVISO_ABORT};
    if (abort_parse(text, c, dest, &error) != 0) {
        say_error("--abort '%s': %s", text, error.text);
        return CLI_USAGE;
    }
    int status = *dest ? where_dest(cli, segment, dest, &c->dest) : CLI_OK;
    if (status == CLI_OK && !c->opens && *dest)
        status = abort_measured(segment, text, c, c->dest);
    for (unsigned t = 0; status == CLI_OK && !c->opens && !*dest && t < plan->target_count; t++)
        status = abort_measured(segment, text, c, plan->targets[t].dest);
    plan->condition_count++;
    return status;
}

int experiment_abort(const struct cli *cli, struct sp_segment *segment, struct sp_chaos *plan)
{
    int status = CLI_OK;
    _Static_assert(CLI_SLOS <= SP_EXPERIMENT_CONDITIONS, "as many as the command takes");
    for (int i = 0; status == CLI_OK && i < cli->slo_count; i++)
        status = abort_add(cli, segment, cli->slo[i], plan);
    return status;
}

void experiment_aborts(const struct sp_segment *segment, const struct sp_chaos_condition *c,
                       char *out, size_t size)
{
    const struct sp_dest *dest = sp_segment_dest(segment, c->dest);
    char name[SP_NAME_SIZE] = "", words[64] = "opens";
    if (c->dest != SP_CHAOS_EVERY)
        look_name(name, dest ? dest->name : "");
    if (!c->opens)
        sp_condition_format(&c->condition, words, sizeof words);
    snprintf(out, size, "%s%s%s", name, *name ? " " : "", words);
}
