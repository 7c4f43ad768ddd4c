/*
 * quick.h - the healthy exchange: nothing but a breaker that is closed, and content. It is what
 * sp_order_admit and sp_order_settle do then and nothing else, in as few instructions as possible;
 * all else goes the general way, which stays the one truth. tests/unit/test_quick.c runs both ways
 * and compares every byte.
 */
#ifndef SHEARPIN_QUICK_H
#define SHEARPIN_QUICK_H

#include "shearpin/guard.h"

#define SP_QUICK_STATE  (UINT64_C(3) | UINT64_C(3) << 2)
#define SP_QUICK_STREAK ((uint64_t)SP_BREAKER_STREAK_MAX << 8)
#define SP_QUICK_EPOCH  ((uint64_t)SP_BREAKER_EPOCH_MASK << 18)

/* Do these guards ask no more of an exchange than that the breaker is closed? To be asked once a
 * generation. */
static inline bool sp_quick_guards(const struct sp_guards *g)
{
    return g->mode == SP_MODE_ENFORCE && g->share == 0 && g->limit_rate == 0 &&
           g->cap[SP_CAP_INFLIGHT] == 0 && g->journal == 0 &&
           g->breaker.scope == SP_SCOPE_DESTINATION && g->breaker.slow == 0 &&
           !(g->breaker.on & SP_OUTCOME_BIT(OK));
}

/* Closed and held by nobody: the call is admitted, and `permit` says under which epoch. */
static inline bool sp_quick_admit(struct sp_dest *dest, struct sp_permit *permit)
{
    uint64_t word = atomic_load_explicit(&dest->cell.word, memory_order_acquire);
    *permit = (struct sp_permit){.kind = SP_PERMIT_CALL,
                                 .epoch = (uint16_t)(word >> 18 & SP_BREAKER_EPOCH_MASK)};
    return (word & SP_QUICK_STATE) == 0 &&
           !atomic_load_explicit(&dest->disabled, memory_order_relaxed);
}

/* An answer under such guards, which leaves the breaker as it is. False: nothing was done. */
static inline bool sp_quick_settle(struct sp_segment *segment, struct sp_dest *dest,
                                   const struct sp_guards *guards, const struct sp_permit *permit,
                                   uint64_t duration, uint64_t now)
{
    uint64_t word = atomic_load_explicit(&dest->cell.word, memory_order_relaxed);
    struct sp_shard *shard = sp_segment_shard(segment, dest);
    if (permit->kind != SP_PERMIT_CALL || permit->leased || permit->side != SP_SIDE_NONE ||
        (word & (SP_QUICK_STATE | SP_QUICK_STREAK | SP_QUICK_EPOCH)) != (uint64_t)permit->epoch
                                                                            << 18)
        return false;
    if (guards->moment)
        sp_history_keep(segment, dest, guards, now);
    sp_count(&shard->answer_time[sp_bin_of(duration)], 1);
    atomic_store_explicit(&shard->last_success, now, memory_order_relaxed);
    if (guards->breaker.rate)
        sp_window_add(shard->rate, guards->breaker.rate_window, now, false);
    return true;
}

#endif
