/* turn_over.c - turns that end without an answer: cut, not seen, or closed. */
#include "conn/turn.h"
#include "conn/way.h"
#include "shearpin/held.h"

static void turn_return(const struct sp_conn *conn, uint32_t dest, const struct sp_permit *permit,
                        uint64_t now)
{
    struct sp_guards room;
    struct sp_call call;
    sp_here_call(&call, dest, sp_conn_index(conn), now, &room);
    if (call.dest)
        sp_order_return(&call, permit);
}

/* Which of its deadlines a turn has come up against. */
static enum sp_deadline turn_phase(const struct sp_conn *conn, uint64_t word, uint64_t now)
{
    if (atomic_load(&conn->queued) && now >= sp_due_send(conn))
        return SP_DEADLINE_SEND;
    if (now >= sp_here.deadline || (sp_conn_flags(conn) & SP_CONN_TOTAL))
        return SP_DEADLINE_TOTAL;
    return sp_turn_of(word) == SP_TURN_CONNECTING ? SP_DEADLINE_CONNECT
           : sp_turn_of(word) == SP_TURN_EXCHANGE ? SP_DEADLINE_RESPONSE
                                                  : SP_DEADLINE_IDLE;
}

bool sp_turn_cut_as(struct sp_conn *conn, uint64_t word, enum sp_outcome outcome, int error,
                    uint64_t now)
{
    struct sp_permit permit = turn_permit(conn);
    uint32_t dest = conn->dest, claim = sp_claim_of(conn, &permit);
    enum sp_deadline phase = turn_phase(conn, word, now);
    struct sp_dest *d = sp_segment_dest(&sp_here.segment, dest);
    bool blames = sp_turn_of(word) == SP_TURN_CONNECTING || sp_turn_of(word) == SP_TURN_EXCHANGE;
    bool fresh = sp_conn_flags(conn) & SP_CONN_FRESH;
    if (!turn_swap(conn, word, sp_turn_cut(error)))
        return false;
    sp_conn_mark(conn, SP_CONN_FRESH, false);
    sp_due_unwatch(conn);
    if (d && error == ETIMEDOUT && !(sp_conn_flags(conn) & SP_CONN_FALLBACK))
        sp_count(&sp_segment_shard(&sp_here.segment, d)->expired[phase], 1);
    if (blames)
        sp_claim_end(conn, dest, claim);
    if (!blames && fresh && outcome >= SP_OUTCOME_REJECTED_BREAKER)
        turn_return(conn, dest, &permit, now);
    else if (blames || fresh)
        turn_settle(conn, dest, &permit, word, blames ? outcome : SP_OUTCOME_ABANDONED, now);
    return true;
}

void sp_turn_unseen(struct sp_conn *conn, enum sp_outcome outcome, uint64_t now)
{
    struct sp_permit permit = turn_permit(conn);
    struct sp_guards room;
    struct sp_call call;
    if (!(sp_conn_flags(conn) & SP_CONN_FRESH) || atomic_load(&conn->word) != 0)
        return;
    sp_conn_mark(conn, SP_CONN_FRESH, false);
    sp_here_call(&call, conn->dest, sp_conn_index(conn), now, &room);
    if (call.dest)
        sp_order_told(&call, &permit, outcome);
}

/* The journal of the segment wants to know how long connections stand. */
static void turn_note(const struct sp_conn *conn, uint64_t now)
{
    struct sp_guards room;
    struct sp_call call;
    if (sp_here.segment.journal_max == 0 || conn->began == 0 || now < conn->began ||
        (sp_conn_flags(conn) & (SP_CONN_INHERITED | SP_CONN_FALLBACK)))
        return;
    if (sp_here_call(&call, conn->dest, sp_conn_index(conn), now, &room))
        sp_order_closed(&call, now - conn->began);
}

void sp_turn_over(struct sp_conn *conn, uint64_t now)
{
    uint64_t word = atomic_load(&conn->word);
    while (sp_turn_of(word) == SP_TURN_STARTING) {
        if (turn_swap(conn, word, TURN_ORPHAN))
            return;
        word = atomic_load(&conn->word);
    }
    struct sp_permit permit = turn_permit(conn);
    uint32_t claim = sp_claim_of(conn, &permit);
    enum sp_turn turn = sp_turn_of(word);
    if (turn == SP_TURN_CONNECTING || turn == SP_TURN_EXCHANGE) {
        if (turn_swap(conn, word, 0)) {
            turn_settle(conn, conn->dest, &permit, word, SP_OUTCOME_ABANDONED, now);
            sp_claim_end(conn, conn->dest, claim);
        }
    } else if (sp_conn_flags(conn) & SP_CONN_FRESH) {
        turn_return(conn, conn->dest, &permit, now);
    }
    sp_due_unwatch(conn);
    sp_held_clear(conn);
    turn_note(conn, now);
    sp_claim_leave(conn, now);
    sp_way_leave(conn);
    sp_conn_free(conn);
}
