/* rest.c - a pending connect that has failed and is to be tried again. While it rests it holds
 * nothing: each try is admitted anew, and settled as an attempt of its own. */
#include "shearpin/conn.h"

#include <string.h>

#include "base/clock.h"

static struct sp_permit rest_permit(const struct sp_conn *conn)
{
    struct sp_permit permit;
    uint64_t word = atomic_load_explicit(&conn->permit, memory_order_relaxed);
    memcpy(&permit, &word, sizeof permit);
    return permit;
}

static void rest_settle(struct sp_conn *conn, const struct sp_permit *permit, uint64_t word,
                        enum sp_outcome outcome)
{
    uint64_t now = sp_now(), since = word & ~UINT64_C(7);
    struct sp_guards room;
    struct sp_call call;
    sp_here_call(&call, conn->dest, sp_conn_index(conn), now, &room);
    if (call.dest)
        sp_order_settle(&call, permit, true, outcome, now > since ? now - since : 0);
}

static bool rest_leave(struct sp_conn *conn, uint64_t word, uint64_t to, enum sp_outcome outcome)
{
    struct sp_permit permit = rest_permit(conn);
    uint32_t claim = sp_claim_of(conn, &permit);
    if (!atomic_compare_exchange_strong(&conn->word, &word, to))
        return false;
    rest_settle(conn, &permit, word, outcome);
    sp_claim_end(conn, conn->dest, claim);
    if (conn->lease != SP_NO_LEASE)
        sp_claim_give(conn, conn->dest, SP_CAP_CONNECTIONS, conn->lease);
    conn->lease = SP_NO_LEASE;
    return true;
}

/* Until the socket is made anew nobody may dial it: STARTING is nobody else's. A call that comes
 * meanwhile lets it be, and whoever closes the last fd does too. */
bool sp_rest_begin(struct sp_conn *conn, uint64_t word, enum sp_outcome outcome)
{
    return rest_leave(conn, word, sp_turn_word(SP_TURN_STARTING, sp_now()), outcome);
}

bool sp_rest_fail(struct sp_conn *conn, uint64_t word, enum sp_outcome outcome, int error)
{
    if (!rest_leave(conn, word, sp_turn_cut(error), outcome))
        return false;
    sp_due_unwatch(conn);
    return true;
}

bool sp_rest_end(struct sp_conn *conn, uint64_t word)
{
    return sp_turn_of(word) == SP_TURN_RESTING &&
           atomic_compare_exchange_strong(&conn->word, &word,
                                          sp_turn_word(SP_TURN_STARTING, sp_now()));
}

/* Whoever lets it rest waits already: for its sake no other thread need wake more often. */
void sp_rest_for(struct sp_conn *conn, uint64_t ns)
{
    uint64_t now = sp_now();
    conn->limit = (uint32_t)(ns / SP_LIMIT_UNIT + 1);
    sp_conn_mark(conn, SP_CONN_LIMITED, true);
    atomic_store(&conn->word, sp_turn_word(SP_TURN_RESTING, now));
    sp_due_arm(now + conn->limit * SP_LIMIT_UNIT, SP_DUE_WATCH);
}

void sp_rest_over(struct sp_conn *conn, int error)
{
    atomic_store(&conn->word, sp_turn_cut(error));
    sp_due_unwatch(conn);
}
