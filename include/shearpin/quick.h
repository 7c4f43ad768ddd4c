/*
 * quick.h - the healthy exchange: nothing but a breaker that is closed, and content. It is what
 * sp_order_admit and sp_order_settle do then and nothing else, in as few instructions as possible;
 * all else goes the general way, which stays the one truth. tests/unit/test_quick.c runs both ways
 * and compares every byte.
 */
#ifndef SHEARPIN_QUICK_H
#define SHEARPIN_QUICK_H

#include "shearpin/guard.h"
#include "shearpin/split.h"

#include <string.h>

#define SP_QUICK_STATE  (UINT64_C(3) | UINT64_C(3) << 2)
#define SP_QUICK_STREAK ((uint64_t)SP_BREAKER_STREAK_MAX << 8)
#define SP_QUICK_NEVER  UINT32_MAX /* no breaker stands so */

/* Do these guards ask no more of an exchange than that the breaker is closed, and with a split that
 * of its arm? To be asked once a generation. */
static inline bool sp_quick_guards(const struct sp_guards *g)
{
    return g->mode == SP_MODE_ENFORCE && g->share == 0 && g->limit_rate == 0 &&
           g->cap[SP_CAP_INFLIGHT] == 0 && g->journal == 0 &&
           g->breaker.scope == SP_SCOPE_DESTINATION && g->breaker.slow == 0 &&
           !(g->breaker.on & SP_OUTCOME_BIT(OK));
}

/* And of a connect, with its first exchange, no more than that and a place? */
static inline bool sp_quick_connects(const struct sp_guards *g)
{
    return sp_quick_guards(g) && g->split == 0 && g->exchange == SP_EXCHANGE_ANSWER &&
           g->success == SP_SUCCESS_ANSWER && g->cap[SP_CAP_CONNECTING] == 0 && g->fallback == 0 &&
           (g->retry[0].tries | g->retry[1].tries | g->retry[2].tries | g->retry[3].tries) == 0;
}

/* Must more of these be told of an answer than its duration? */
static inline bool sp_quick_tells(const struct sp_guards *g)
{
    return g->moment != 0 || g->breaker.rate != 0;
}

static inline struct sp_permit sp_quick_permit(uint64_t word, bool endpoint)
{
    return (struct sp_permit){.kind = SP_PERMIT_CALL,
                              .endpoint = endpoint,
                              .epoch = (uint16_t)(word >> 18 & SP_BREAKER_EPOCH_MASK)};
}

/* Whose breaker is asked: that of the arm, if there is one. */
static inline struct sp_cell *sp_quick_cell(struct sp_dest *dest, struct sp_arm *arm)
{
    return arm ? &arm->endpoint.cell : &dest->cell;
}

/* How a breaker must stand, content, for what was permitted so: the lower half of its word. */
static inline uint32_t sp_quick_content(uint64_t word, uint64_t permit, bool endpoint)
{
    struct sp_permit same = sp_quick_permit(word, endpoint);
    uint64_t given;
    memcpy(&given, &same, sizeof given);
    bool closed = given == permit && (word & SP_QUICK_STATE) == 0;
    return closed ? (uint32_t)(word & ~SP_QUICK_STREAK) : SP_QUICK_NEVER;
}

/* Does it stand so, with nothing to be done about it? */
static inline bool sp_quick_holds(const struct sp_cell *cell, uint32_t content)
{
    return (uint32_t)atomic_load_explicit(&cell->word, memory_order_acquire) == content;
}

/* An address is known to be in use, to the second (scope.c). */
static inline void sp_quick_use(struct sp_endpoint *endpoint, uint64_t now)
{
    uint32_t ms = (uint32_t)(now / SP_MS);
    if (sp_ms_since(ms, atomic_load_explicit(&endpoint->used, memory_order_relaxed)) >= 1000)
        atomic_store_explicit(&endpoint->used, ms, memory_order_relaxed);
}

/* Closed and held by nobody: the call is admitted; `permit` says under which epoch, `word` how its
 * breaker stands. An arm is asked only while the destination as a whole is closed as well. */
static inline bool sp_quick_admit(struct sp_dest *dest, struct sp_arm *arm, uint64_t now,
                                  struct sp_permit *permit, uint64_t *word)
{
    *word = atomic_load_explicit(&dest->cell.word, memory_order_acquire);
    if ((*word & SP_QUICK_STATE) != 0 || atomic_load_explicit(&dest->odd, memory_order_relaxed))
        return false;
    if (arm)
        *word = atomic_load_explicit(&arm->endpoint.cell.word, memory_order_acquire);
    *permit = sp_quick_permit(*word, arm != NULL);
    if ((*word & SP_QUICK_STATE) != 0)
        return false;
    if (arm)
        sp_quick_use(&arm->endpoint, now);
    return true;
}

/* What an answer is told to, beside its duration. */
static inline void sp_quick_tell(struct sp_segment *segment, struct sp_dest *dest,
                                 struct sp_arm *arm, const struct sp_guards *guards,
                                 uint64_t duration, uint64_t now)
{
    if (guards->moment)
        sp_history_keep(segment, dest, guards, now);
    if (arm) {
        sp_arm_count(arm, guards, false, SP_OUTCOME_OK, duration);
        sp_count(&arm->endpoint.calls, 1);
    }
    if (guards->breaker.rate)
        sp_window_add(arm ? arm->endpoint.rate : sp_segment_shard(segment, dest)->rate,
                      guards->breaker.rate_window, now, false);
}

static inline void sp_quick_note_at(struct sp_shard *shard, uint64_t bin, uint64_t now)
{
    sp_count(&shard->answer_time[bin], 1);
    atomic_store_explicit(&shard->last_success, now, memory_order_relaxed);
}
static inline void sp_quick_note(struct sp_shard *shard, uint64_t duration, uint64_t now)
{
    sp_quick_note_at(shard, sp_bin_of(duration), now);
}

/* A place of a cap before which nobody waits: the one at `near`, else any that is free. */
static inline uint32_t sp_quick_take(struct sp_segment *segment, const struct sp_dest *dest,
                                     sp_word *places, uint32_t count, uint32_t near, uint64_t lease)
{
    uint64_t none = 0;
    if (atomic_load_explicit(&dest->queues[SP_LINE_CONNECT].maybe, memory_order_relaxed) != 0)
        return SP_NO_LEASE;
    if (near < count && atomic_compare_exchange_strong(&places[near], &none, lease))
        return near;
    return sp_lease_take(segment, places, count, lease, 0, NULL, NULL);
}

/* It goes back. False: somebody waits for it, and is to be woken. */
static inline bool sp_quick_give(struct sp_dest *dest, sp_word *places, uint32_t count,
                                 uint32_t index, uint64_t lease)
{
    sp_lease_give(places, count, index, lease);
    return atomic_load(&dest->queues[SP_LINE_CONNECT].maybe) == 0;
}

/* A connect has succeeded, which is no verdict yet. */
static inline void sp_quick_connected(struct sp_segment *segment, struct sp_dest *dest,
                                      struct sp_shard *shard, const struct sp_guards *guards,
                                      uint64_t duration, uint64_t now)
{
    if (__builtin_expect(guards->moment != 0, 0))
        sp_history_keep(segment, dest, guards, now);
    sp_count(&shard->connects[SP_OUTCOME_OK], 1);
    sp_count(&shard->connect_time[sp_bin_of(duration)], 1);
}

#endif
