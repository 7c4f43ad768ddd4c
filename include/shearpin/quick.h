/*
 * quick.h - the healthy exchange: nothing but a breaker that is closed, and content. It is what
 * sp_order_admit and sp_order_settle do then and nothing else, in as few instructions as possible;
 * all else goes the general way, which stays the one truth. tests/unit/test_quick.c runs both ways
 * and compares every byte.
 */
#ifndef SHEARPIN_QUICK_H
#define SHEARPIN_QUICK_H

#include "shearpin/guard.h"

#include <string.h>

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

/* Must more of these be told of an answer than its duration? */
static inline bool sp_quick_tells(const struct sp_guards *g)
{
    return g->moment != 0 || g->breaker.rate != 0;
}

static inline struct sp_permit sp_quick_permit(uint64_t word)
{
    return (struct sp_permit){.kind = SP_PERMIT_CALL,
                              .epoch = (uint16_t)(word >> 18 & SP_BREAKER_EPOCH_MASK)};
}

/* Closed and held by nobody: the call is admitted, and `permit` says under which epoch. */
static inline bool sp_quick_admit(struct sp_dest *dest, struct sp_permit *permit)
{
    uint64_t word = atomic_load_explicit(&dest->cell.word, memory_order_acquire);
    *permit = sp_quick_permit(word);
    return (word & SP_QUICK_STATE) == 0 &&
           !atomic_load_explicit(&dest->odd, memory_order_relaxed);
}

/* Does the breaker still stand as it did, with nothing to be done about it? */
static inline bool sp_quick_holds(struct sp_dest *dest, uint64_t permit)
{
    uint64_t word = atomic_load_explicit(&dest->cell.word, memory_order_relaxed), given;
    struct sp_permit same = sp_quick_permit(word);
    memcpy(&given, &same, sizeof given);
    return given == permit && (word & (SP_QUICK_STATE | SP_QUICK_STREAK)) == 0;
}

static inline void sp_quick_tell(struct sp_segment *segment, struct sp_dest *dest,
                                 struct sp_shard *shard, const struct sp_guards *guards,
                                 uint64_t now)
{
    if (guards->moment)
        sp_history_keep(segment, dest, guards, now);
    if (guards->breaker.rate)
        sp_window_add(shard->rate, guards->breaker.rate_window, now, false);
}

static inline void sp_quick_note(struct sp_shard *shard, uint64_t duration, uint64_t now)
{
    sp_count(&shard->answer_time[sp_bin_of(duration)], 1);
    atomic_store_explicit(&shard->last_success, now, memory_order_relaxed);
}

#endif
