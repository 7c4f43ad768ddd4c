/* quick.h - a healthy exchange on its way through this process, in line: sp_turn_ask and
 * sp_turn_end as they are under plain guards, on a connection that has been asked at length once
 * under these very guards. Where anything is different they do nothing and say so. */
#ifndef SHEARPIN_CONN_QUICK_H
#define SHEARPIN_CONN_QUICK_H

#include "base/clock.h"
#include "conn/turn.h"
#include "shearpin/quick.h"

#define SP_QUICK_INLINE static inline __attribute__((always_inline))

/* The word of the guards that the connection was told if they are still in force, and then they are
 * plain. Else 0. */
SP_QUICK_INLINE uint64_t sp_quick_told(const struct sp_conn *conn)
{
    uint64_t told = atomic_load_explicit(&conn->told, memory_order_acquire);
    uint64_t word = atomic_load_explicit(&sp_here.segment.head->policy, memory_order_acquire);
    return told == word + 1 ? told : 0;
}

SP_QUICK_INLINE struct sp_dest *sp_quick_dest(const struct sp_conn *conn)
{
    return &sp_here.segment.dests[conn->dest];
}

/* From idle to an exchange: its word. 0: nothing was done, ask at length. */
SP_QUICK_INLINE uint64_t sp_quick_ask(struct sp_conn *conn)
{
    const uint32_t odd = SP_CONN_INHERITED | SP_CONN_ONEWAY | SP_CONN_FALLBACK;
    struct sp_permit permit;
    uint64_t idle = atomic_load_explicit(&conn->word, memory_order_acquire);
    uint64_t told = sp_quick_told(conn);
    uint32_t dest = conn->dest;
    if (idle != 0 || (sp_conn_flags(conn) & odd) || !told ||
        !sp_quick_admit(&sp_here.segment.dests[dest], &permit))
        return 0;
    const struct sp_kept *kept = sp_kept_at(dest, told - 1);
    uint64_t now = sp_now(), starting = sp_turn_word(SP_TURN_STARTING, now),
             word = sp_turn_word(SP_TURN_EXCHANGE, now);
    if (!turn_swap(conn, 0, starting))
        return 0;
    /* Before that it may have become another's. */
    uint32_t flags = sp_conn_flags(conn);
    if (__builtin_expect(sp_quick_told(conn) != told || (flags & odd) || conn->dest != dest, 0))
        return turn_quick_undo(conn, starting, now);
    if (flags & SP_CONN_FRESH)
        turn_quick_first(conn, kept);
    else
        atomic_store_explicit(&conn->permit, turn_pack(permit), memory_order_relaxed);
    turn_set(&conn->limit, kept->response);
    if (__builtin_expect(!turn_swap(conn, starting, word), 0))
        return turn_quick_undo(conn, starting, now);
    if (kept->response)
        sp_due_arm(sp_turn_since(word) + kept->response * SP_LIMIT_UNIT,
                   kept->guards.deadline[SP_DEADLINE_RESPONSE]);
    return word;
}

/* An answer to the exchange that stands as `word`. False: nothing was done. */
SP_QUICK_INLINE bool sp_quick_end(struct sp_conn *conn, uint64_t word)
{
    struct sp_permit permit = turn_permit(conn);
    uint64_t told = sp_quick_told(conn);
    uint32_t dest = conn->dest;
    if (permit.leased || !told)
        return false;
    uint64_t now = sp_now();
    if (sp_conn_flags(conn) & SP_CONN_FRESH) {
        if (atomic_load_explicit(&conn->word, memory_order_relaxed) != word)
            return true;
        sp_conn_mark(conn, SP_CONN_FRESH, false); /* before the word, as in sp_turn_end() */
    }
    if (!turn_swap(conn, word, 0))
        return true; /* another was faster */
    if (!sp_quick_settle(&sp_here.segment, &sp_here.segment.dests[dest],
                         &sp_kept_at(dest, told - 1)->guards, &permit, turn_lasted(word, now), now))
        turn_settle(conn, dest, &permit, word, SP_OUTCOME_OK, now);
    return true;
}

#endif
