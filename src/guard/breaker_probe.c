/* breaker_probe.c - who may try whether a destination works again: a probe is a lease. */
#include "guard/breaker.h"

#define PROBE_CHECK_MS 1000u        /* a probe this old is asked whether its process lives */
#define PROBE_ANYBODY  SP_PROCESSES /* the owner when a process has no slot */

/* The epoch in a probe's lease is the owner's with the breaker's folded in, so a change of state
 * voids all probes in the same compare-and-swap: clearing them after it would hit new ones. */
static uint64_t breaker_probe_lease(const struct sp_call *call, uint32_t slot, uint16_t epoch,
                                    uint32_t since)
{
    uint32_t owner = 0;
    if (slot < SP_PROCESSES)
        owner = atomic_load(&call->segment->processes[slot].epoch);
    return sp_lease_word(slot, owner ^ (uint32_t)epoch << 6, since);
}

static uint64_t breaker_probe_own(const struct sp_call *call, uint16_t epoch, uint32_t since)
{
    const struct sp_self *self = &call->segment->self;
    if (self->slot >= SP_PROCESSES)
        return breaker_probe_lease(call, PROBE_ANYBODY, epoch, since);
    return sp_lease_word(self->slot, self->epoch ^ (uint32_t)epoch << 6, since);
}

/* Taken in this epoch of the breaker, by a process that has not been replaced? */
bool breaker_probe_current(const struct sp_call *call, uint64_t seen, uint16_t epoch)
{
    uint32_t slot = sp_lease_slot(seen);
    return slot <= PROBE_ANYBODY &&
           seen == breaker_probe_lease(call, slot, epoch, sp_lease_detail(seen));
}

static bool breaker_probe_free(const struct sp_call *call, uint64_t seen, uint16_t epoch)
{
    uint64_t giveup = call->guards->breaker.giveup;
    uint32_t age = sp_ms_since(breaker_ms(call->now), sp_lease_detail(seen));
    if (!breaker_probe_current(call, seen, epoch) || (giveup && age * SP_MS >= giveup))
        return true;
    uint32_t slot = sp_lease_slot(seen), now;
    return slot != PROBE_ANYBODY && age >= PROBE_CHECK_MS && call->alive &&
           call->alive(call->alive_context, slot, &now) != SP_LIFE_ALIVE;
}

/* False: the state changed meanwhile, and with it what is free; then ask again. The place is read
 * before the breaker, so a compare-and-swap on it never takes one of a later epoch. */
bool breaker_probe(const struct sp_call *call, uint64_t state, struct sp_permit *permit)
{
    uint32_t now = breaker_ms(call->now), places = call->guards->breaker.probe;
    uint16_t epoch = sp_breaker_unpack(state).epoch;
    uint64_t lease = breaker_probe_own(call, epoch, now);
    for (uint32_t i = 0; i < SP_PROBES && (i == 0 || i < places); i++) {
        sp_word *word = &breaker_cell(call)->probes[i];
        uint64_t seen = atomic_load(word);
        if (atomic_load(&breaker_cell(call)->word) != state)
            return false;
        if (!breaker_probe_free(call, seen, epoch) ||
            !atomic_compare_exchange_strong(word, &seen, lease))
            continue;
        *permit = (struct sp_permit){
            .kind = SP_PERMIT_PROBE, .probe = (uint8_t)i, .epoch = epoch, .since = now};
        return true;
    }
    return true;
}

void sp_breaker_return(const struct sp_call *call, const struct sp_permit *permit)
{
    if (permit->kind != SP_PERMIT_PROBE || permit->probe >= SP_PROBES)
        return;
    uint64_t lease = breaker_probe_own(call, permit->epoch, permit->since);
    atomic_compare_exchange_strong(&breaker_cell(call)->probes[permit->probe], &lease, 0);
}
