/* breaker.h - what the files of the breaker share. */
#ifndef SHEARPIN_GUARD_BREAKER_H
#define SHEARPIN_GUARD_BREAKER_H

#include "shearpin/guard.h"

/* Of the endpoint that is asked about, else of the destination. */
static inline struct sp_cell *breaker_cell(const struct sp_call *call)
{
    return call->endpoint ? &call->endpoint->cell : &call->dest->cell;
}

static inline uint32_t breaker_ms(uint64_t now)
{
    return (uint32_t)(now / SP_MS);
}

/* Every change of state begins a new epoch: permits of an older one only count from there on.
 * False: the word is no longer what was seen. */
bool breaker_move(const struct sp_call *call, uint64_t word, struct sp_breaker to);
void breaker_event(const struct sp_call *call, struct sp_breaker from, struct sp_breaker to,
                   enum sp_trip reason, uint64_t a, uint64_t b);
/* What becomes of `b` when it opens or closes now. */
struct sp_breaker breaker_opened(const struct sp_call *call, struct sp_breaker b);
struct sp_breaker breaker_closed(const struct sp_call *call, struct sp_breaker b);
bool breaker_time_over(const struct sp_call *call, struct sp_breaker b);
bool breaker_hold_over(const struct sp_call *call);

/* Takes a probe's place in `permit`, if there is one. False: the state is no longer `state`, and
 * with it what is free; then ask again. */
bool breaker_probe(const struct sp_call *call, uint64_t state, struct sp_permit *permit);
/* Taken in this epoch of the breaker, by a process that has not been replaced? */
bool breaker_probe_current(const struct sp_call *call, uint64_t seen, uint16_t epoch);

#endif
