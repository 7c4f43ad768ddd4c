/* turn_connect.c - the turn of a connect: it is no verdict on its peer, and an answer is still to
 * come, so what it was admitted with is kept for the first exchange. */
#include "conn/turn.h"
#include "conn/way.h"

/* It goes to its arm, to be counted there; or aside, and stands on none. */
static void turn_way(struct sp_conn *conn, const struct sp_call *call, struct sp_permit permit)
{
    if (permit.kind == SP_PERMIT_ASIDE) {
        sp_way_leave(conn);
        return;
    }
    if (call->arm)
        sp_count(&call->arm->taken, 1);
    sp_way_stand(conn);
}

void sp_turn_connect(struct sp_conn *conn, const struct sp_call *call,
                     const struct sp_admission *admission)
{
    struct sp_permit permit = admission->permit;
    atomic_store_explicit(&conn->told, 0, memory_order_relaxed);
    conn->dest = (uint16_t)call->index;
    conn->lease = admission->places[SP_CAP_CONNECTIONS];
    sp_claim_keep(conn, &permit, SP_CAP_CONNECTING, admission);
    turn_keep(conn, permit);
    sp_conn_mark(conn, SP_CONN_ONEWAY, call->guards->exchange == SP_EXCHANGE_NONE);
    sp_conn_mark(conn, SP_CONN_CAPPED,
                 call->guards->cap[SP_CAP_INFLIGHT] != 0 &&
                     !(sp_conn_flags(conn) & SP_CONN_FALLBACK));
    conn->began = admission->began;
    if (call->guards->split)
        turn_way(conn, call, permit);
    turn_limits(conn, call->guards);
    turn_quick_learn(conn, call);
    turn_stand(conn, atomic_load(&conn->word), sp_turn_word(SP_TURN_CONNECTING, call->now),
               turn_total(conn, call->guards->deadline[SP_DEADLINE_TOTAL],
                          call->guards->deadline[SP_DEADLINE_CONNECT], conn->began, call->now));
}

bool sp_turn_connected(struct sp_conn *conn, uint64_t word, enum sp_outcome outcome, uint64_t now)
{
    struct sp_permit permit = turn_permit(conn);
    uint32_t claim = sp_claim_of(conn, &permit), dest = conn->dest;
    struct sp_guards room, own;
    struct sp_call call;
    sp_here_call(&call, dest, sp_conn_index(conn), now, &room);
    struct sp_call mine = call;
    bool ok = outcome == SP_OUTCOME_OK;
    if (call.dest)
        sp_conn_side(conn, &mine, &own);
    /* Before the word: who sees the connection idle must see that its first exchange is admitted.
     */
    if (ok && call.guards->success != SP_SUCCESS_CONNECT)
        sp_conn_mark(conn, SP_CONN_FRESH, true);
    uint64_t to = ok && call.guards->exchange == SP_EXCHANGE_GREETING
                      ? sp_turn_word(SP_TURN_EXCHANGE, now)
                      : 0;
    if (to) {
        turn_set(&conn->response, turn_units(mine.guards->deadline[SP_DEADLINE_RESPONSE]));
        turn_set(&conn->limit, conn->response);
        turn_set(&conn->total, 0);
    }
    if (!turn_swap(conn, word, to))
        return false;
    sp_due_unwatch(conn);
    if (to && conn->limit)
        sp_due_arm(sp_due_of(conn, to), mine.guards->deadline[SP_DEADLINE_RESPONSE]);
    if (call.dest)
        sp_order_settle(&call, &permit, true, outcome, turn_lasted(word, now));
    if (!to)
        sp_claim_end(conn, dest, claim);
    return true;
}
