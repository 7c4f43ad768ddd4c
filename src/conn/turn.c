/* turn.c - request and answer on a connection, told by directions alone. Whoever changes the word
 * from what it saw owns what follows; everything else of the turn is read before that. */
#include "conn/turn.h"
#include "conn/way.h"
#include "shearpin/harm.h"
#include "shearpin/held.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"

/* A turn never lasts beyond the end of the whole program. */
static uint64_t turn_within(uint64_t limit, uint64_t now)
{
    uint64_t left = sp_here.deadline > now ? sp_here.deadline - now : 1;
    if (sp_here.deadline == SP_NEVER)
        return limit;
    return limit && limit < left ? limit : left;
}

/* From `word` to a turn with a limit. The limit stands before the word, since whoever sees the word
 * may ask when it is due; it is armed after the word, or a scan in between would forget it. */
static bool turn_stand(struct sp_conn *conn, uint64_t word, uint64_t to, uint64_t limit)
{
    uint64_t since = to & ~UINT64_C(7);
    limit = turn_within(limit, since);
    if (atomic_load_explicit(&conn->word, memory_order_relaxed) != word)
        return false; /* another's turn, and so another's limit */
    turn_set(&conn->limit, turn_units(limit));
    sp_conn_mark(conn, SP_CONN_LIMITED, sp_turn_of(to) != SP_TURN_EXCHANGE);
    if (!turn_swap(conn, word, to))
        return false;
    if (limit)
        sp_due_arm(sp_turn_since(to) + turn_units(limit) * SP_LIMIT_UNIT, limit);
    return true;
}

static uint32_t turn_least(uint32_t a, uint32_t b)
{
    return a && (b == 0 || a < b) ? a : b;
}

static void turn_limits(struct sp_conn *conn, const struct sp_guards *guards)
{
    turn_set(&conn->idle, turn_units(guards->deadline[SP_DEADLINE_IDLE]));
    turn_set(&conn->send, turn_units(guards->deadline[SP_DEADLINE_SEND]));
    uint32_t least = turn_least(turn_units(guards->deadline[SP_DEADLINE_RESPONSE]),
                                turn_units(guards->deadline[SP_DEADLINE_TOTAL]));
    least = turn_least(least, conn->idle);
    /* An alarm that was set under deadlines that are no more stays, and must be known as ours. */
    turn_set(&conn->least, least || !conn->least ? least : UINT32_MAX);
    sp_conn_mark(conn, SP_CONN_TIMED, conn->least != 0);
}

/* What is left of `total` when that ends before `limit` does. Both are kept for sp_turn_more. */
static uint64_t turn_total(struct sp_conn *conn, const struct sp_guards *guards, uint64_t limit,
                           uint64_t began, uint64_t now)
{
    uint64_t total = guards->deadline[SP_DEADLINE_TOTAL], spent = now - began;
    uint64_t left = total > spent ? total - spent : 1;
    bool binds = total && (limit == 0 || left < limit);
    sp_conn_mark(conn, SP_CONN_TOTAL, binds);
    turn_set(&conn->response, turn_units(limit));
    turn_set(&conn->total, total ? turn_units(left) : 0);
    return binds ? left : limit;
}

/* --- connects --- */

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
               turn_total(conn, call->guards, call->guards->deadline[SP_DEADLINE_CONNECT],
                          conn->began, call->now));
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

void sp_conn_adopt(struct sp_conn *conn)
{
    struct sp_guards room;
    struct sp_call call;
    uint64_t lease;
    if (!(atomic_fetch_and(&conn->flags, ~SP_CONN_INHERITED) & SP_CONN_INHERITED))
        return; /* another thread was faster: it takes the lease */
    bool on = sp_here_call(&call, conn->dest, sp_conn_index(conn), sp_now(), &room);
    if (sp_conn_flags(conn) & SP_CONN_FALLBACK)
        return;
    if (on && call.guards->cap[SP_CAP_CONNECTIONS] && sp_here.segment.self.slot < SP_PROCESSES)
        conn->lease = sp_cap_take(&call, SP_CAP_CONNECTIONS, &lease);
    if (on && call.arm)
        sp_way_stand(conn);
}

/* --- exchanges --- */

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
    uint64_t limit = turn_total(conn, call->guards, call->guards->deadline[SP_DEADLINE_RESPONSE],
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

static void turn_return(const struct sp_conn *conn, uint32_t dest, const struct sp_permit *permit,
                        uint64_t now)
{
    struct sp_guards room;
    struct sp_call call;
    sp_here_call(&call, dest, sp_conn_index(conn), now, &room);
    if (call.dest)
        sp_order_return(&call, permit);
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

void sp_turn_heard(struct sp_conn *conn, uint64_t word, bool more, uint64_t now)
{
    turn_swap(conn, word, more ? sp_turn_word(SP_TURN_QUIET, now) : 0);
}

static void turn_limit(struct sp_conn *conn, uint64_t word, uint32_t limit)
{
    if (atomic_load(&conn->word) != word)
        return;
    turn_set(&conn->limit, limit);
    sp_conn_mark(conn, SP_CONN_LIMITED, true); /* after it, so that no other begins with this one */
}

void sp_turn_more(struct sp_conn *conn, uint64_t word, uint64_t now)
{
    uint32_t limit = turn_units(turn_lasted(word, now)) + conn->response;
    if (sp_turn_of(word) != SP_TURN_EXCHANGE || conn->response == 0)
        return;
    bool binds = conn->total && conn->total <= limit;
    if (binds)
        sp_conn_mark(conn, SP_CONN_TOTAL, true);
    turn_limit(conn, word, binds ? conn->total : limit);
}

void sp_turn_later(struct sp_conn *conn, uint64_t word, uint64_t now, uint64_t ns)
{
    turn_limit(conn, word, ns ? turn_units(turn_lasted(word, now) + ns) : 0);
}

/* A program need not run into EAGAIN: who asks for room first sends only when there is some. So any
 * send may be the last before the peer stops. */
void sp_turn_pushed(struct sp_conn *conn, bool moved)
{
    uint64_t now = sp_now(), none = 0, half = conn->send * SP_LIMIT_UNIT / 2;
    if (!moved && !atomic_compare_exchange_strong(&conn->blocked, &none, now))
        return;
    atomic_store(&conn->blocked, now);
    atomic_store(&conn->queued, 0);
    sp_due_arm(now + half, half);
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

/* --- the end --- */

static void turn_give_lease(struct sp_conn *conn, uint64_t now)
{
    if (conn->lease != SP_NO_LEASE)
        sp_claim_give_at(conn, conn->dest, SP_CAP_CONNECTIONS, conn->lease, now);
    conn->lease = SP_NO_LEASE;
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
    turn_give_lease(conn, now);
    sp_way_leave(conn);
    sp_conn_free(conn);
}
