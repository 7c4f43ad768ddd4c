/* quick.h - a healthy exchange on its way through this process, in line: sp_turn_ask and
 * sp_turn_end as they are under plain guards, on a connection that has been asked at length once
 * under these very guards. Where anything is different they do nothing and say so. */
#ifndef SHEARPIN_CONN_QUICK_H
#define SHEARPIN_CONN_QUICK_H

#include "base/clock.h"
#include "conn/turn.h"
#include "shearpin/quick.h"

#define SP_QUICK_INLINE      static inline __attribute__((always_inline))
#define SP_QUICK_LIKELY(x)   __builtin_expect(!!(x), 1)
#define SP_QUICK_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Is what the connection was told still in force, here and now? Then its guards are plain. It was
 * told the policy's word plus SP_HERE_ALIVE, which is on the page that fork wipes. While the shim
 * is disabled nothing is as it was told; what began before may end all the same (`ends`). */
SP_QUICK_INLINE bool quick_told(const struct sp_conn *conn, uint64_t *told, bool ends)
{
    const struct sp_head *head = sp_here.segment.head;
    uint32_t word = (uint32_t)atomic_load_explicit(&head->policy, memory_order_acquire);
    if (!ends)
        word += 8 * atomic_load_explicit(&head->disabled, memory_order_relaxed);
    *told = atomic_load_explicit(&conn->told, memory_order_acquire);
    return SP_QUICK_LIKELY((uint32_t)*told == word + *(volatile uint32_t *)sp_here.alive);
}
SP_QUICK_INLINE bool sp_quick_told(const struct sp_conn *conn, uint64_t *told)
{
    return quick_told(conn, told, false);
}
SP_QUICK_INLINE bool sp_quick_told_end(const struct sp_conn *conn, uint64_t *told)
{
    return quick_told(conn, told, true);
}

SP_QUICK_INLINE struct sp_shard *sp_quick_shard(const struct sp_kept *kept)
{
    return atomic_load_explicit(&kept->shard, memory_order_relaxed);
}

SP_QUICK_INLINE uint32_t quick_content(const struct sp_conn *conn)
{
    return atomic_load_explicit(&conn->content, memory_order_relaxed);
}

SP_QUICK_INLINE void quick_arm(uint64_t due, uint64_t limit)
{
    if (SP_QUICK_UNLIKELY(due < atomic_load_explicit(&sp_due_next, memory_order_relaxed) ||
                          limit < atomic_load_explicit(&sp_due_shortest, memory_order_relaxed)))
        sp_due_arm(due, limit);
}
SP_QUICK_INLINE void quick_due(const struct sp_kept *kept, uint64_t word)
{
    if (kept->response)
        quick_arm(sp_turn_since(word) + kept->response * SP_LIMIT_UNIT,
                  kept->guards.deadline[SP_DEADLINE_RESPONSE]);
}

/* Has the connection all that its next exchange needs from its last? Then one step begins it. */
SP_QUICK_INLINE bool quick_ready(const struct sp_conn *conn, struct sp_dest *dest, uint32_t flags)
{
    const uint32_t more =
        TURN_QUICK_ODD | SP_CONN_FRESH | SP_CONN_LIMITED | SP_CONN_ARM | SP_CONN_STAYS;
    return SP_QUICK_LIKELY(sp_quick_holds(&dest->cell, quick_content(conn))) &&
           SP_QUICK_LIKELY(atomic_load_explicit(&dest->odd, memory_order_relaxed) == 0) &&
           SP_QUICK_LIKELY((flags & more) == 0);
}

/* Bytes that any TCP socket takes at once as its first, even when the kernel has no memory to
 * spare: half of what it grants then (the least of tcp_wmem). */
#define SP_QUICK_SMALL (size_t)2048

/* From idle to an exchange by a send of `length` bytes, 0: unknown; its word. 0: nothing was done,
 * ask at length. */
SP_QUICK_INLINE uint64_t sp_quick_ask(struct sp_conn *conn, uint64_t now, size_t length,
                                      struct sp_shard **shard)
{
    uint64_t told, word = sp_turn_word(SP_TURN_EXCHANGE, now);
    if (!sp_quick_told(conn, &told))
        return 0;
    const struct sp_kept *kept = sp_kept_of(told);
    uint32_t flags = sp_conn_flags(conn);
    *shard = sp_quick_shard(kept);
    if (!quick_ready(conn, kept->dest, flags))
        return turn_quick_prepare(conn, kept, told, now, length - 1 < SP_QUICK_SMALL);
    if (!SP_QUICK_LIKELY(turn_swap(conn, 0, word)))
        return 0;
    /* Before that it may have become another's, under guards that are not these. */
    if (SP_QUICK_UNLIKELY(atomic_load_explicit(&conn->told, memory_order_relaxed) != told)) {
        turn_swap(conn, word, 0);
        return 0;
    }
    if (SP_QUICK_UNLIKELY(flags & SP_CONN_TIMED))
        quick_due(kept, word);
    return word;
}

/* An answer of `got` bytes to the exchange that stands as `word`, at `now`. False: nothing was
 * done. What is rare is left to functions that do all of the rest: who comes back needs registers.
 */
SP_QUICK_INLINE bool sp_quick_end(struct sp_conn *conn, uint64_t word, const struct sp_kept *kept,
                                  uint64_t now, size_t got)
{
    if (SP_QUICK_UNLIKELY(sp_conn_flags(conn) & (SP_CONN_FRESH | SP_CONN_TELLS | SP_CONN_ARM)))
        return turn_quick_end(conn, word, kept, now, got);
    struct sp_shard *shard = sp_quick_shard(kept);
    if (!SP_QUICK_LIKELY(sp_quick_holds(&kept->dest->cell, quick_content(conn))))
        return false;
    if (SP_QUICK_LIKELY(turn_swap(conn, word, 0))) { /* else another was faster */
        uint64_t lasted = now - (word & ~UINT64_C(7));
        if (sp_bin_is_far(lasted))
            return turn_quick_far(shard, lasted, now, got);
        sp_quick_note_at(shard, sp_bin_near(lasted), now);
    }
    sp_count(&shard->received, got);
    return true;
}

#endif
