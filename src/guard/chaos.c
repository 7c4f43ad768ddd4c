/* chaos.c - what live experiments do to a call, and what ends them. Which ordinals a fault strikes
 * is a matter of seed, fault, destination and ordinal alone: a smaller share, by ramp or intensity,
 * strikes some of those that a larger one does. */
#include "shearpin/chaos.h"

#include <string.h>

#include "base/probe.h"
#include "base/random.h"
#include "shearpin/guard.h"
#include "state/shared.h"

/* --- what it does --- */

/* Is this process one of those that it is for? Of any hundred that joined one after the other
 * exactly the share is, as with `enforce N%`. */
static bool chaos_means(const struct sp_chaos *chaos, const struct sp_self *self)
{
    uint32_t place = self->slot < SP_PROCESSES ? self->slot : self->pid;
    if (chaos->pid != 0 && chaos->pid != self->pid)
        return false;
    if (chaos->command[0] && strncmp(chaos->command, self->command, sizeof self->command - 1) != 0)
        return false;
    return (place * 61 + chaos->seed) % 100 * (SP_SHARE_ALL / 100) < chaos->processes;
}

uint32_t sp_chaos_scale(const struct sp_chaos *chaos, uint64_t now)
{
    uint64_t gone = now > chaos->start ? now - chaos->start : 0;
    if (gone >= chaos->ramp)
        return chaos->intensity;
    return (uint32_t)((double)chaos->intensity * (double)gone / (double)chaos->ramp);
}

/* Exact ordinals have no share to scale: each draws once more. */
static bool chaos_spares(const struct sp_fault *fault, uint64_t ordinal, uint32_t scale)
{
    uint64_t random = sp_mix(sp_mix(fault->seed) ^ ordinal * UINT64_C(0x9e3779b97f4a7c15));
    return scale < SP_SHARE_ALL && (fault->first || fault->every) &&
           (random >> 32) * SP_SHARE_ALL >> 32 >= scale;
}

static bool chaos_hits(struct sp_fault *fault, uint64_t hash, uint64_t ordinal, uint32_t scale,
                       struct sp_fault_act *act)
{
    if (chaos_spares(fault, ordinal, scale))
        return false;
    if (!fault->first && !fault->every)
        fault->share = (uint32_t)((uint64_t)fault->share * scale / SP_SHARE_ALL);
    return sp_fault_apply(fault, hash, ordinal, act);
}

bool sp_chaos_decides(const struct sp_chaos *chaos, uint32_t target, uint32_t fault,
                      uint64_t ordinal, uint32_t scale)
{
    struct sp_fault_act act = {0};
    struct sp_fault copy = chaos->faults[fault % SP_EXPERIMENT_FAULTS].fault;
    return chaos_hits(&copy, chaos->targets[target % SP_EXPERIMENT_TARGETS].hash, ordinal, scale,
                      &act);
}

/* A call of a target, on its way through an experiment that stood as `word`. */
struct chaos_turn {
    struct sp_chaos *chaos;
    uint64_t word;
    uint32_t target, scale;
    uint64_t ordinal;
};

static bool chaos_strikes(const struct chaos_turn *turn, const struct sp_chaos_fault *of,
                          struct sp_fault_act *act)
{
    struct sp_fault fault;
    _Static_assert(sizeof fault % 8 == 0, "copied in words");
    sp_shared_load(&fault, &of->fault, sizeof fault);
    uint64_t hash = turn->chaos->targets[turn->target].hash;
    if (atomic_load_explicit(&turn->chaos->word, memory_order_relaxed) != turn->word)
        return false; /* it has ended, and the row may be another's by now */
    return chaos_hits(&fault, hash, turn->ordinal, turn->scale, act);
}

/* A replay strikes what was struck, and nothing behind that. */
static bool chaos_spent(const struct chaos_turn *turn, uint8_t stages)
{
    uint32_t limit = turn->chaos->targets[turn->target].limits[sp_fault_ordinal(stages)];
    return limit != 0 && turn->ordinal >= limit;
}

static void chaos_inject(const struct sp_call *call, struct chaos_turn *turn, uint8_t stages,
                         struct sp_fault_act *act)
{
    struct sp_chaos *chaos = turn->chaos;
    sp_word *ordinal = &chaos->targets[turn->target].ordinals[sp_fault_ordinal(stages)];
    for (unsigned i = 0; i < chaos->fault_count && i < SP_EXPERIMENT_FAULTS; i++) {
        struct sp_chaos_fault *fault = &chaos->faults[i];
        if (!(fault->fault.on & stages))
            continue;
        if (turn->ordinal == 0)
            turn->ordinal = atomic_fetch_add(ordinal, 1) + 1;
        if (chaos_spent(turn, stages) || !chaos_strikes(turn, fault, act))
            continue;
        SP_PROBE(fault, call->dest->name, fault->fault.kind, turn->ordinal);
        sp_count(&fault->injected[turn->target], 1);
        if (fault->fault.kind < SP_INJECTED)
            sp_count(&call->dest->injected[fault->fault.kind], 1);
    }
}

bool sp_chaos_faults(const struct sp_call *call, uint8_t stages, struct sp_fault_act *act)
{
    bool live = false;
    for (uint32_t i = 0; i < SP_EXPERIMENTS; i++) {
        struct sp_chaos *chaos = sp_chaos_at(call->segment, i);
        uint64_t word = atomic_load_explicit(&chaos->word, memory_order_acquire);
        if (sp_chaos_state(word) != SP_CHAOS_RUNNING)
            continue;
        int t = sp_chaos_target_of(call->segment, chaos, call->index);
        if (t < 0)
            continue;
        if (call->now >= chaos->end) {
            sp_chaos_end(call->segment, chaos, word, SP_CHAOS_COMPLETED, call->now);
            continue;
        }
        live = true;
        struct chaos_turn turn = {chaos, word, (uint32_t)t, sp_chaos_scale(chaos, call->now), 0};
        if (chaos_means(chaos, &call->segment->self))
            chaos_inject(call, &turn, stages, act);
    }
    return live;
}

/* --- what ends it --- */

static bool chaos_opened(struct sp_segment *segment, const struct sp_chaos *chaos,
                         const struct sp_chaos_condition *c, uint32_t dest, uint64_t *value)
{
    int t = sp_chaos_target_of(segment, chaos, dest);
    uint64_t before = c->dest == SP_CHAOS_EVERY && t >= 0 ? chaos->targets[t].opened : c->opened;
    *value = sp_chaos_opened(segment, dest) - before;
    return (int64_t)*value > 0;
}

bool sp_chaos_measure(struct sp_segment *segment, const struct sp_chaos_condition *c, uint32_t dest,
                      uint64_t now, struct sp_measured *out)
{
    struct sp_guards guards;
    struct sp_span span;
    const struct sp_dest *d = sp_segment_dest(segment, dest);
    *out = (struct sp_measured){.verdict = SP_MEASURED_FEW};
    if (!d || !sp_segment_guards(segment, dest, &guards) ||
        !sp_history_span(segment, d, &guards, c->condition.window, now, &span))
        return false;
    sp_measure(&c->condition, &span, out);
    return true;
}

/* Is this a reason to stop? Then it is written down, for whoever ends it. */
static bool chaos_breaks(struct sp_segment *segment, const struct sp_chaos *chaos,
                         const struct sp_chaos_condition *c, uint32_t dest, uint64_t now,
                         struct sp_chaos_because *because)
{
    struct sp_measured m = {.verdict = SP_MEASURED_FEW};
    bool breaks =
        c->opens ? chaos_opened(segment, chaos, c, dest, &m.value)
                 : sp_chaos_measure(segment, c, dest, now, &m) && m.verdict == SP_MEASURED_HOLDS;
    *because = (struct sp_chaos_because){.condition = (uint32_t)(c - chaos->conditions),
                                         .dest = dest,
                                         .value = m.value,
                                         .calls = m.calls};
    return breaks;
}

static bool chaos_condition(struct sp_segment *segment, const struct sp_chaos *chaos,
                            const struct sp_chaos_condition *c, uint64_t now,
                            struct sp_chaos_because *because)
{
    if (c->when != SP_PROVISO_ABORT)
        return false;
    if (c->dest != SP_CHAOS_EVERY)
        return chaos_breaks(segment, chaos, c, c->dest, now, because);
    for (unsigned t = 0; t < chaos->target_count && t < SP_EXPERIMENT_TARGETS; t++) {
        if (chaos_breaks(segment, chaos, c, chaos->targets[t].dest, now, because))
            return true;
    }
    return false;
}

static void chaos_judge(struct sp_segment *segment, struct sp_chaos *chaos, uint64_t word,
                        uint64_t now)
{
    struct sp_chaos_because because;
    for (unsigned i = 0; i < chaos->condition_count && i < SP_EXPERIMENT_CONDITIONS; i++) {
        if (!chaos_condition(segment, chaos, &chaos->conditions[i], now, &because))
            continue;
        sp_chaos_abort(segment, chaos, word, &because, now);
        return;
    }
}

void sp_chaos_judge(struct sp_segment *segment, uint64_t now)
{
    for (uint32_t i = 0; i < SP_EXPERIMENTS; i++) {
        struct sp_chaos *chaos = sp_chaos_at(segment, i);
        uint64_t word = atomic_load_explicit(&chaos->word, memory_order_acquire);
        if (sp_chaos_state(word) != SP_CHAOS_RUNNING)
            continue;
        if (now >= chaos->end)
            sp_chaos_end(segment, chaos, word, SP_CHAOS_COMPLETED, now);
        else
            chaos_judge(segment, chaos, word, now);
    }
}
