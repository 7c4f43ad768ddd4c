/* dial.h - a connect on its short way through this process, and the end of a connection, in line:
 * sp_turn_connect(), sp_turn_connected() and sp_turn_over() as they are under plain guards. */
#ifndef SHEARPIN_CONN_DIAL_H
#define SHEARPIN_CONN_DIAL_H

#include "conn/quick.h"
#include "conn/way.h"

SP_QUICK_INLINE uint64_t dial_lease(const struct sp_conn *conn)
{
    const struct sp_self *self = &sp_here.segment.self;
    return sp_lease_word(self->slot, self->epoch, sp_conn_index(conn));
}

/* False: there is no place, or somebody waits for one. */
SP_QUICK_INLINE bool dial_place(struct sp_conn *conn, const struct sp_kept *kept)
{
    if (kept->place_count == 0)
        return true;
    if (SP_QUICK_UNLIKELY(sp_here.segment.self.slot >= SP_PROCESSES))
        return false;
    conn->lease =
        sp_quick_take(&sp_here.segment, kept->dest, kept->places, kept->place_count,
                      atomic_load_explicit(&kept->place, memory_order_relaxed), dial_lease(conn));
    return conn->lease != SP_NO_LEASE;
}

/* A connect is asked about, and admitted: what sp_turn_connect() makes of that, but for the turn
 * itself. `policy` is the word in force. NULL: nothing was done, ask at length. */
SP_QUICK_INLINE struct sp_conn *sp_quick_dial_ask(struct sp_kept *kept, uint32_t dest,
                                                  uint64_t policy, uint64_t now, bool blocking)
{
    struct sp_permit permit;
    uint64_t breaker;
    struct sp_conn *conn =
        sp_quick_admit(kept->dest, NULL, now, &permit, &breaker) ? sp_conn_new() : NULL;
    if (SP_QUICK_UNLIKELY(!conn))
        return NULL;
    if (SP_QUICK_UNLIKELY(!dial_place(conn, kept))) {
        sp_conn_free(conn);
        return NULL;
    }
    uint32_t flags = SP_CONN_FRESH | SP_CONN_LIMITED | (blocking ? 0 : SP_CONN_NONBLOCK) |
                     (kept->response ? SP_CONN_TIMED : 0) | (kept->tells ? SP_CONN_TELLS : 0) |
                     (blocking && kept->connect ? SP_CONN_STAYS : 0);
    conn->dest = (uint16_t)dest;
    conn->began = now;
    turn_keep(conn, permit);
    atomic_store_explicit(&conn->flags, flags, memory_order_relaxed);
    turn_set(&conn->least, kept->response);
    turn_set(&conn->response, kept->connect);
    turn_set(&conn->limit, kept->connect);
    atomic_store_explicit(&kept->shard, sp_segment_shard(&sp_here.segment, kept->dest),
                          memory_order_relaxed);
    atomic_store_explicit(&conn->told, sp_kept_told(kept, policy), memory_order_release);
    return conn;
}

/* It begins; when it is due. */
SP_QUICK_INLINE uint64_t sp_quick_dial_begin(struct sp_conn *conn, uint64_t began,
                                             const struct sp_kept *kept)
{
    uint64_t word = sp_turn_word(SP_TURN_CONNECTING, began);
    uint64_t limit = kept->connect * SP_LIMIT_UNIT, due = sp_turn_since(word) + limit;
    atomic_store_explicit(&conn->word, word, memory_order_release);
    if (limit == 0)
        return SP_NEVER;
    quick_arm(due, limit);
    return due;
}

/* It stands. False: nothing was done. */
SP_QUICK_INLINE bool sp_quick_dial_stands(struct sp_conn *conn, uint64_t began, uint64_t now)
{
    uint64_t told, word = sp_turn_word(SP_TURN_CONNECTING, began);
    if (!sp_quick_told(conn, &told))
        return false;
    const struct sp_kept *kept = sp_kept_of(told);
    if (SP_QUICK_UNLIKELY(!turn_swap(conn, word, 0)))
        return false;
    sp_quick_connected(&sp_here.segment, kept->dest, sp_quick_shard(kept), &kept->guards,
                       turn_lasted(word, now), now);
    return true;
}

/* Is there nothing about its end but that? What is outstanding, held, harmed or unheard of has
 * more. */
#define DIAL_USUAL                                                                       \
    (SP_CONN_FRESH | SP_CONN_NONBLOCK | SP_CONN_UNIX | SP_CONN_UNTIMED | SP_CONN_TOTAL | \
     SP_CONN_TIMED | SP_CONN_LIMITED | SP_CONN_TELLS | SP_CONN_ARM | SP_CONN_TALLIED |   \
     SP_CONN_STAYS)
SP_QUICK_INLINE bool sp_quick_dial_idle(const struct sp_conn *conn)
{
    return atomic_load_explicit(&conn->word, memory_order_acquire) == 0 &&
           !(sp_conn_flags(conn) & ~DIAL_USUAL);
}

/* sp_turn_over() of a connection on which nothing is outstanding. False: it is still to be done. */
SP_QUICK_INLINE bool sp_quick_dial_over(struct sp_conn *conn)
{
    uint64_t told;
    if (!sp_quick_dial_idle(conn) || (sp_conn_flags(conn) & SP_CONN_FRESH) ||
        !sp_quick_told(conn, &told))
        return false;
    sp_way_leave(conn);
    struct sp_kept *kept = sp_kept_of(told);
    uint32_t place = conn->lease;
    if (place != SP_NO_LEASE) {
        bool quiet =
            sp_quick_give(kept->dest, kept->places, kept->place_room, place, dial_lease(conn));
        atomic_store_explicit(&kept->place, place, memory_order_relaxed);
        if (SP_QUICK_UNLIKELY(!quiet))
            return false;
    }
    sp_conn_free(conn);
    return true;
}

#endif
