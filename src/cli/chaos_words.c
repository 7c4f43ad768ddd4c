/* chaos_words.c - an experiment in words. */
#include <bsd/string.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "cli/chaos.h"
#include "cli/objective.h"
#include "cli/say.h"

static unsigned words_count(unsigned count, unsigned most)
{
    return count < most ? count : most;
}
#define TARGETS(chaos) words_count((chaos)->target_count, SP_EXPERIMENT_TARGETS)
#define FAULTS(chaos)  words_count((chaos)->fault_count, SP_EXPERIMENT_FAULTS)

void experiment_injects(const struct sp_chaos *chaos, char *out, size_t size)
{
    struct sp_text_out text = sp_text_out(out, size);
    for (unsigned i = 0; i < FAULTS(chaos); i++)
        sp_text_put(&text, "%s%s", i ? ", " : "", say_safe(SAY_SAFE(chaos->faults[i].text)));
    sp_text_put(&text, ", on");
    for (unsigned i = 0; i < TARGETS(chaos); i++)
        sp_text_put(&text, " %s", say_safe(SAY_SAFE(chaos->targets[i].name)));
}

void experiment_stops(const struct sp_chaos *chaos, char *out, size_t size)
{
    unsigned aborts = 0;
    for (unsigned i = 0; i < words_count(chaos->condition_count, SP_EXPERIMENT_CONDITIONS); i++)
        aborts += chaos->conditions[i].when == SP_PROVISO_ABORT;
    struct sp_text_out text = sp_text_out(out, size);
    sp_text_put(&text, "after %s", SAY_TIME(chaos->end - chaos->start));
    if (aborts)
        sp_text_put(&text, ", or on %s", SAY_COUNT(aborts, "abort condition"));
}

static const char *words_dest(const struct sp_segment *segment, uint32_t index, char *out,
                              size_t size)
{
    const struct sp_dest *dest = sp_segment_dest(segment, index);
    return dest ? say_safe(out, size, dest->name, SP_NAME_SIZE) : "?";
}

/* What was measured when it was not steady may well be what was wanted: of too few calls. */
const char *experiment_measured(const struct sp_chaos_condition *c, const struct sp_measured *m,
                                char *out, size_t size)
{
    const struct sp_condition *condition = &c->condition;
    bool good = condition->above ? m->value > condition->limit : m->value < condition->limit;
    if (c->when == SP_PROVISO_STEADY && good)
        snprintf(out, size, "too few calls: %llu", (unsigned long long)m->calls);
    else
        objective_value(condition, m, out, size);
    return out;
}

void experiment_because(const struct sp_segment *segment, const struct sp_chaos *chaos, char *out,
                        size_t size)
{
    char safe[4 * SP_NAME_SIZE + 1], words[64], value[48];
    struct sp_text_out text = sp_text_out(out, size);
    uint64_t because = atomic_load(&chaos->because);
    if (because == 0 || because > SP_EXPERIMENT_CONDITIONS)
        return;
    const struct sp_chaos_condition *c = &chaos->conditions[because - 1];
    const char *name =
        words_dest(segment, (uint32_t)atomic_load(&chaos->because_dest), safe, sizeof safe);
    if (c->opens) {
        sp_text_put(&text, "the breaker of %s has opened", name);
        return;
    }
    struct sp_measured m = {.value = atomic_load(&chaos->because_value),
                            .calls = atomic_load(&chaos->because_calls)};
    sp_condition_format(&c->condition, words, sizeof words);
    sp_text_put(&text, "%s%s (%s on %s)", c->when == SP_PROVISO_STEADY ? "not steady: " : "", words,
                experiment_measured(c, &m, value, sizeof value), name);
}

uint64_t experiment_strikes(const struct sp_chaos *chaos, uint32_t fault)
{
    uint64_t sum = 0;
    for (unsigned t = 0; t < TARGETS(chaos); t++)
        sum += atomic_load(&chaos->faults[fault].injected[t]);
    return sum;
}

void experiment_injected(const struct sp_chaos *chaos, char *out, size_t size)
{
    struct sp_text_out text = sp_text_out(out, size);
    for (unsigned i = 0; i < FAULTS(chaos); i++) {
        unsigned kind = chaos->faults[i].fault.kind;
        sp_text_put(&text, "%s%s %llu", i ? "  " : "",
                    kind < SP_FAULT_COUNT ? sp_faults[kind]->word : "?",
                    (unsigned long long)experiment_strikes(chaos, i));
    }
}

int experiment_exit(const struct sp_chaos *chaos)
{
    enum sp_chaos_state state = sp_chaos_state(atomic_load(&chaos->word));
    return state == SP_CHAOS_COMPLETED || state == SP_CHAOS_RUNNING ? CLI_OK : CLI_NO;
}

size_t experiment_known(const struct sp_segment *segment, struct sp_chaos *out[SP_EXPERIMENTS])
{
    size_t count = 0;
    for (uint32_t i = 0; i < SP_EXPERIMENTS; i++) {
        struct sp_chaos *chaos = sp_chaos_at(segment, i);
        if (sp_chaos_state(atomic_load(&chaos->word)) < SP_CHAOS_RUNNING)
            continue;
        size_t at = count++;
        for (; at > 0 && out[at - 1]->start < chaos->start; at--)
            out[at] = out[at - 1];
        out[at] = chaos;
    }
    return count;
}

struct sp_chaos *experiment_find(const struct cli *cli, struct sp_segment *segment,
                                 const char *name)
{
    struct sp_chaos *known[SP_EXPERIMENTS];
    struct sp_chaos *found = name                                   ? sp_chaos_named(segment, name)
                             : experiment_known(segment, known) > 0 ? known[0]
                                                                    : NULL;
    if (found)
        return found;
    if (name)
        say_error("experiment '%s' has not run in segment %s", name, where_name(segment));
    else
        say_error("no experiment has run in segment %s", where_name(segment));
    if (!cli->quiet)
        say_more("start one:  shearpin chaos start %s", name ? name : "EXPERIMENT");
    return NULL;
}

/* --- is it steady? --- */

/* The first that does not hold is what the report will say. */
static void words_because(struct sp_chaos *plan, const struct sp_chaos_condition *c, uint32_t dest,
                          const struct sp_measured *m)
{
    if (atomic_load(&plan->because) != 0)
        return;
    atomic_store(&plan->because_dest, dest);
    atomic_store(&plan->because_value, m->value);
    atomic_store(&plan->because_calls, m->calls);
    atomic_store(&plan->because, (uint64_t)(c - plan->conditions) + 1);
}

static bool words_steady(struct sp_segment *segment, struct sp_chaos *plan,
                         const struct sp_chaos_condition *c, uint32_t dest, bool tell)
{
    struct sp_measured m;
    char condition[64], safe[4 * SP_NAME_SIZE + 1], why[200];
    bool known = sp_chaos_measure(segment, c, dest, sp_now(), &m);
    bool holds = known && m.verdict == SP_MEASURED_HOLDS;
    const char *name = words_dest(segment, dest, safe, sizeof safe);
    sp_condition_format(&c->condition, condition, sizeof condition);
    objective_why(&c->condition, &m, why, sizeof why);
    if (holds && tell)
        printf("  steady  %-24s holds on %s: %s\n", condition, name,
               OBJECTIVE_VALUE(&c->condition, &m));
    else if (!holds && m.verdict == SP_MEASURED_FEW)
        say_error("not steady: %s on %s: too few calls to tell (%llu%s%s)", condition, name,
                  (unsigned long long)m.calls, *why ? "; " : "", why);
    else if (!holds)
        say_error("not steady: %s on %s: %s", condition, name, OBJECTIVE_VALUE(&c->condition, &m));
    if (!holds)
        words_because(plan, c, dest, &m);
    return holds;
}

bool experiment_steady(struct sp_segment *segment, struct sp_chaos *plan, bool tell)
{
    bool holds = true;
    for (unsigned i = 0; i < plan->condition_count; i++) {
        const struct sp_chaos_condition *c = &plan->conditions[i];
        if (c->when != SP_PROVISO_STEADY)
            continue;
        for (unsigned t = 0; c->dest == SP_CHAOS_EVERY && t < plan->target_count; t++)
            holds &= words_steady(segment, plan, c, plan->targets[t].dest, tell);
        if (c->dest != SP_CHAOS_EVERY)
            holds &= words_steady(segment, plan, c, c->dest, tell);
    }
    return holds;
}
