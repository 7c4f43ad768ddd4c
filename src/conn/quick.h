/* quick.h - a healthy exchange on its way through this process, in line: sp_turn_ask and
 * sp_turn_end as they are under plain guards, on a connection that has been asked at length once
 * under these very guards. Where anything is different they do nothing and say so. */
#ifndef SHEARPIN_CONN_QUICK_H
#define SHEARPIN_CONN_QUICK_H

#include "base/clock.h"
#include "conn/turn.h"
#include "shearpin/quick.h"

/* Are the guards that the connection was told still in force? Then they are plain. */
static inline bool sp_quick_told(const struct sp_conn *conn)
{
    uint64_t told = atomic_load_explicit(&conn->told, memory_order_relaxed);
    return told != 0 &&
           told == atomic_load_explicit(&sp_here.segment.head->policy, memory_order_acquire) + 1;
}

/* Where it was told at any time. */
static inline const struct sp_kept *sp_quick_kept(const struct sp_conn *conn)
{
    return atomic_load_explicit(&conn->kept, memory_order_relaxed);
}

/* From idle to an exchange: its word. 0: nothing was done, ask at length. */
static inline __attribute__((always_inline)) uint64_t sp_quick_ask(struct sp_conn *conn)
{
    const uint32_t odd = SP_CONN_INHERITED | SP_CONN_FRESH | SP_CONN_ONEWAY;
    struct sp_permit permit;
    if (atomic_load_explicit(&conn->word, memory_order_acquire) != 0 ||
        (sp_conn_flags(conn) & odd) || !sp_quick_told(conn))
        return 0;
    const struct sp_kept *kept = sp_quick_kept(conn);
    if (!sp_quick_admit(kept->dest, &permit))
        return 0;
    uint64_t now = sp_now(), starting = sp_turn_word(SP_TURN_STARTING, now),
             word = sp_turn_word(SP_TURN_EXCHANGE, now);
    if (!turn_swap(conn, 0, starting))
        return 0;
    /* Before that it may have become another's. */
    if (__builtin_expect(!sp_quick_told(conn) || (sp_conn_flags(conn) & odd), 0))
        return turn_quick_undo(conn, starting, now);
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
static inline __attribute__((always_inline)) bool sp_quick_end(struct sp_conn *conn, uint64_t word)
{
    struct sp_permit permit = turn_permit(conn);
    if ((sp_conn_flags(conn) & SP_CONN_FRESH) || permit.leased || !sp_quick_told(conn))
        return false;
    const struct sp_kept *kept = sp_quick_kept(conn);
    uint64_t now = sp_now();
    if (!turn_swap(conn, word, 0))
        return true; /* another was faster */
    if (!sp_quick_settle(&sp_here.segment, kept->dest, &kept->guards, &permit,
                         turn_lasted(word, now), now))
        turn_settle(conn, conn->dest, &permit, word, SP_OUTCOME_OK, now);
    return true;
}

#endif
