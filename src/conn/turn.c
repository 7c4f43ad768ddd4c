/* turn.c - request and answer on a connection, told by directions alone. Whoever changes the word
 * from what it saw owns what follows; everything else of the turn is read before that. */
#include "conn/turn.h"
#include "conn/way.h"
#include "shearpin/harm.h"

#include "base/clock.h"

static void turn_inject(struct sp_conn *conn, const struct sp_call *call)
{
    bool injects = sp_here_injects(call) && !(sp_conn_flags(conn) & SP_CONN_FALLBACK);
    struct sp_fault_act act;
    turn_set(&conn->hold, 0);
    if (!injects && !(sp_conn_flags(conn) & SP_CONN_HARMED))
        return;
    memset(&act, 0, sizeof act);
    if (injects)
        sp_here_faults(call, SP_FAULT_ON_REQUEST | SP_FAULT_ON_ANSWER, &act);
    turn_set(&conn->hold, turn_units(act.delay + act.answer));
    sp_harm_exchange(conn, &act, call->now);
}

/* What an exchange is told when it begins: its permit, its place, its limit, its injected delay. */
static void turn_begin(struct sp_conn *conn, const struct sp_call *call,
                       const struct sp_admission *admission, bool fresh)
{
    struct sp_permit permit = fresh ? turn_permit(conn) : admission->permit;
    sp_claim_keep(conn, &permit, SP_CAP_INFLIGHT, admission);
    turn_keep(conn, permit);
    turn_inject(conn, call);
    turn_limits(conn, call->guards);
    turn_quick_learn(conn, call);
    uint64_t limit = turn_total(conn, call->guards->deadline[SP_DEADLINE_TOTAL],
                                call->guards->deadline[SP_DEADLINE_RESPONSE],
                                fresh ? conn->began : admission->began, call->now);
    if (turn_stand(conn, sp_turn_word(SP_TURN_STARTING, call->now),
                   sp_turn_word(SP_TURN_EXCHANGE, call->now), limit))
        return;
    sp_claim_end(conn, call->index, sp_claim_of(conn, &permit));
    if (!fresh)
        sp_order_return(call, &permit);
}

static enum sp_verdict turn_question(const struct sp_conn *conn, const struct sp_call *call,
                                     bool fresh, struct sp_wait *wait,
                                     struct sp_admission *admission)
{
    if (!(sp_conn_flags(conn) & SP_CONN_FALLBACK))
        return fresh ? sp_order_first(call, wait, admission)
                     : sp_order_admit(call, false, wait, admission);
    sp_order_aside(call, admission);
    return SP_PASS;
}

/* From STARTING to EXCHANGE, or back to idle when it is refused or not to be tracked. */
static enum sp_verdict turn_admit(struct sp_conn *conn, uint64_t now, struct sp_wait *wait)
{
    struct sp_guards room;
    struct sp_call call;
    struct sp_admission admission;
    bool fresh = sp_conn_flags(conn) & SP_CONN_FRESH;
    bool tracked = sp_here_call(&call, conn->dest, sp_conn_index(conn), now, &room);
    if (tracked)
        sp_conn_side(conn, &call, &room);
    enum sp_verdict verdict =
        tracked ? turn_question(conn, &call, fresh, wait, &admission) : SP_PASS;
    if (!tracked || verdict != SP_PASS) {
        turn_swap(conn, sp_turn_word(SP_TURN_STARTING, now), 0);
        return verdict;
    }
    turn_begin(conn, &call, &admission, fresh);
    return SP_PASS;
}

enum sp_verdict sp_turn_ask(struct sp_conn *conn, uint64_t now, struct sp_wait *wait,
                            uint64_t *began)
{
    uint64_t word = atomic_load_explicit(&conn->word, memory_order_relaxed);
    uint64_t exchange = sp_turn_word(SP_TURN_EXCHANGE, now);
    *began = 0;
    if ((word != 0 && sp_turn_of(word) != SP_TURN_QUIET) ||
        (sp_conn_flags(conn) & SP_CONN_ONEWAY) ||
        !turn_swap(conn, word, sp_turn_word(SP_TURN_STARTING, now)))
        return SP_PASS;
    enum sp_verdict verdict = turn_admit(conn, now, wait);
    word = atomic_load_explicit(&conn->word, memory_order_relaxed);
    if (word == exchange)
        *began = exchange;
    else if (word == TURN_ORPHAN)
        sp_turn_over(conn, now);
    return verdict;
}

void sp_turn_leave(const struct sp_conn *conn, struct sp_wait *wait)
{
    struct sp_guards room;
    struct sp_call call;
    sp_here_call(&call, conn->dest, sp_conn_index(conn), sp_now(), &room);
    sp_order_leave(&call, false, wait);
}

void sp_turn_unsend(struct sp_conn *conn, uint64_t began)
{
    struct sp_permit permit = turn_permit(conn);
    bool fresh = sp_conn_flags(conn) & SP_CONN_FRESH;
    uint32_t dest = conn->dest, claim = sp_claim_of(conn, &permit);
    struct sp_guards room;
    struct sp_call call;
    if (!turn_swap(conn, began, 0))
        return;
    sp_claim_end(conn, dest, claim);
    if (fresh)
        return;
    sp_here_call(&call, dest, sp_conn_index(conn), began, &room);
    if (call.dest)
        sp_order_undo(&call, &permit);
}

void turn_settle(const struct sp_conn *conn, uint32_t dest, const struct sp_permit *permit,
                 uint64_t word, enum sp_outcome outcome, uint64_t now)
{
    struct sp_guards room;
    struct sp_call call;
    sp_here_call(&call, dest, sp_conn_index(conn), now, &room);
    if (call.dest)
        sp_order_settle(&call, permit, sp_turn_of(word) == SP_TURN_CONNECTING, outcome,
                        turn_lasted(word, now));
}

bool sp_turn_end(struct sp_conn *conn, uint64_t word, enum sp_outcome outcome, uint64_t now)
{
    struct sp_permit permit = turn_permit(conn);
    uint32_t dest = conn->dest, claim = sp_claim_of(conn, &permit);
    bool quiet = conn->idle && outcome == SP_OUTCOME_OK;
    if (atomic_load_explicit(&conn->word, memory_order_relaxed) != word)
        return false;
    /* Before the word: who sees the connection idle must not take this permit for its own. */
    if (sp_conn_flags(conn) & SP_CONN_FRESH)
        sp_conn_mark(conn, SP_CONN_FRESH, false);
    if (!(quiet
              ? turn_stand(conn, word, sp_turn_word(SP_TURN_QUIET, now), conn->idle * SP_LIMIT_UNIT)
              : turn_swap(conn, word, 0)))
        return false;
    turn_settle(conn, dest, &permit, word, outcome, now);
    sp_claim_end(conn, dest, claim);
    return true;
}
