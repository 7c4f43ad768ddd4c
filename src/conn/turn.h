/* turn.h - what the files that change a connection's word share: turn.c, an exchange;
 * turn_connect.c, a connect; turn_limit.c, how long they may last; turn_over.c, how they end
 * without an answer. */
#ifndef SHEARPIN_CONN_TURN_H
#define SHEARPIN_CONN_TURN_H

#include "shearpin/conn.h"
#include "shearpin/quick.h"

#include <errno.h>
#include <string.h>

static inline uint64_t turn_pack(struct sp_permit permit)
{
    uint64_t word;
    _Static_assert(sizeof permit == sizeof word, "a permit is one word");
    memcpy(&word, &permit, sizeof word);
    return word;
}

static inline struct sp_permit turn_permit(const struct sp_conn *conn)
{
    struct sp_permit permit;
    uint64_t word = atomic_load_explicit(&conn->permit, memory_order_relaxed);
    memcpy(&permit, &word, sizeof permit);
    return permit;
}

/* Nobody knows yet how the breaker must stand for it. */
static inline void turn_keep(struct sp_conn *conn, struct sp_permit permit)
{
    atomic_store_explicit(&conn->content, SP_QUICK_NEVER, memory_order_relaxed);
    atomic_store_explicit(&conn->permit, turn_pack(permit), memory_order_relaxed);
}

static inline uint32_t turn_units(uint64_t limit)
{
    uint64_t units = (limit + SP_LIMIT_UNIT - 1) / SP_LIMIT_UNIT;
    return units < UINT32_MAX ? (uint32_t)units : UINT32_MAX;
}

static inline bool turn_swap(struct sp_conn *conn, uint64_t word, uint64_t to)
{
    return atomic_compare_exchange_strong(&conn->word, &word, to);
}

static inline uint64_t turn_lasted(uint64_t word, uint64_t now)
{
    uint64_t since = word & ~UINT64_C(7);
    return now > since ? now - since : 0;
}

/* The last fd was closed while an exchange was being admitted: who admits it ends the connection.
 */
#define TURN_ORPHAN sp_turn_cut(EBADF)

/* Others may be asking when the turn is due. */
static inline void turn_set(sp_half *limit, uint32_t to)
{
    atomic_store_explicit(limit, to, memory_order_relaxed);
}

/* From `word` to a turn with a limit in ns, 0: none, and `to` is when it began. False: nothing was
 * done, the word is another's. */
bool turn_stand(struct sp_conn *conn, uint64_t word, uint64_t to, uint64_t limit);
/* Notes in the connection what these guards bound on it whatever the turn. */
void turn_limits(struct sp_conn *conn, const struct sp_guards *guards);
/* What is left, in ns, of a `total` since `began` when that ends before `limit` does; else `limit`.
 * Both are kept for sp_turn_more. */
uint64_t turn_total(struct sp_conn *conn, uint64_t total, uint64_t limit, uint64_t began,
                    uint64_t now);

/* Tells the guards how the turn that stood as `word` came out. */
void turn_settle(const struct sp_conn *conn, uint32_t dest, const struct sp_permit *permit,
                 uint64_t word, enum sp_outcome outcome, uint64_t now);

/* --- the healthy exchange (quick.h) --- */

/* An exchange begins the long way: may the next go the short one? */
void turn_quick_learn(struct sp_conn *conn, const struct sp_call *call);
/* The first exchange goes with the permit of the connect, which holds no place any more. */
static inline void turn_quick_first(struct sp_conn *conn, const struct sp_kept *kept)
{
    struct sp_permit permit = turn_permit(conn);
    permit.leased = 0;
    turn_keep(conn, permit);
    turn_set(&conn->response, kept->response);
    turn_set(&conn->total, 0);
}
/* What no exchange that goes the short way has. */
#define TURN_QUICK_ODD (SP_CONN_INHERITED | SP_CONN_ONEWAY | SP_CONN_FALLBACK | SP_CONN_HARMED)
/* The beginning of one that needs something new, in two steps: its word. 0: it was closed
 * meanwhile, or became another's, and is idle again; or the breaker is not closed; or the timer of
 * its connect must not stay, for its send is not `small` or not its first. */
uint64_t turn_quick_prepare(struct sp_conn *conn, const struct sp_kept *kept, uint64_t told,
                            uint64_t now, bool small);
/* The end of one of which more is told than its duration, or that is the first of its connection.
 * False: nothing was done. */
bool turn_quick_end(struct sp_conn *conn, uint64_t word, const struct sp_kept *kept, uint64_t now,
                    size_t got);
/* It has taken less than 1 us, or seconds. */
bool turn_quick_far(struct sp_shard *shard, uint64_t lasted, uint64_t now, size_t got);

#endif
