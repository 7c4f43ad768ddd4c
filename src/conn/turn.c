/* turn.c - request and answer on a connection, told by directions alone. Whoever changes the word
 * from what it saw owns what follows; everything else of the turn is read before that. */
#include "shearpin/conn.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"

static uint64_t turn_pack(struct sp_permit permit)
{
    uint64_t word;
    _Static_assert(sizeof permit == sizeof word, "a permit is one word");
    memcpy(&word, &permit, sizeof word);
    return word;
}

static struct sp_permit turn_permit(const struct sp_conn *conn)
{
    struct sp_permit permit;
    uint64_t word = atomic_load_explicit(&conn->permit, memory_order_relaxed);
    memcpy(&permit, &word, sizeof permit);
    return permit;
}

static uint32_t turn_units(uint64_t limit)
{
    uint64_t units = (limit + SP_LIMIT_UNIT - 1) / SP_LIMIT_UNIT;
    return units < UINT32_MAX ? (uint32_t)units : UINT32_MAX;
}

static bool turn_swap(struct sp_conn *conn, uint64_t word, uint64_t to)
{
    return atomic_compare_exchange_strong(&conn->word, &word, to);
}

static uint64_t turn_lasted(uint64_t word, uint64_t now)
{
    uint64_t since = word & ~UINT64_C(7);
    return now > since ? now - since : 0;
}

static void turn_stand(struct sp_conn *conn, enum sp_turn turn, uint64_t now, uint64_t limit)
{
    conn->limit = turn_units(limit);
    atomic_store_explicit(&conn->word, sp_turn_word(turn, now), memory_order_release);
    if (limit)
        sp_due_arm(sp_turn_since(sp_turn_word(turn, now)) + conn->limit * SP_LIMIT_UNIT, limit);
}

/* --- connects --- */

void sp_turn_connect(struct sp_conn *conn, const struct sp_call *call,
                     const struct sp_admission *admission)
{
    conn->dest = call->index;
    conn->lease = admission->lease_index;
    atomic_store(&conn->permit, turn_pack(admission->permit));
    sp_conn_mark(conn, SP_CONN_ONEWAY, call->guards->exchange == SP_EXCHANGE_NONE);
    turn_stand(conn, SP_TURN_CONNECTING, call->now, call->guards->deadline[SP_DEADLINE_CONNECT]);
}

bool sp_turn_connected(struct sp_conn *conn, uint64_t word, enum sp_outcome outcome, uint64_t now)
{
    struct sp_permit permit = turn_permit(conn);
    struct sp_guards guards;
    struct sp_call call;
    sp_here_call(&call, conn->dest, sp_conn_index(conn), now, &guards);
    bool ok = outcome == SP_OUTCOME_OK;
    /* Before the word: who sees the connection idle must see that its first exchange is admitted.
     */
    if (ok && guards.success != SP_SUCCESS_CONNECT)
        sp_conn_mark(conn, SP_CONN_FRESH, true);
    uint64_t to =
        ok && guards.exchange == SP_EXCHANGE_GREETING ? sp_turn_word(SP_TURN_EXCHANGE, now) : 0;
    if (to)
        conn->limit = turn_units(guards.deadline[SP_DEADLINE_RESPONSE]);
    if (!turn_swap(conn, word, to))
        return false;
    if (to && conn->limit)
        sp_due_arm(sp_due_of(conn, to), guards.deadline[SP_DEADLINE_RESPONSE]);
    if (call.dest)
        sp_order_settle(&call, &permit, true, outcome, turn_lasted(word, now));
    return true;
}

void sp_conn_adopt(struct sp_conn *conn)
{
    struct sp_guards guards;
    struct sp_call call;
    uint64_t lease;
    sp_conn_mark(conn, SP_CONN_INHERITED, false);
    bool on = sp_here_call(&call, conn->dest, sp_conn_index(conn), sp_now(), &guards);
    if (on && guards.cap[SP_CAP_CONNECTIONS] && sp_here.segment.self.slot < SP_PROCESSES)
        conn->lease = sp_cap_take(&call, SP_CAP_CONNECTIONS, &lease);
}

/* --- exchanges --- */

/* What an exchange is told when it begins: its permit, its limit, its injected delay. */
static enum sp_verdict turn_admit(struct sp_conn *conn, uint64_t now, bool *tracked)
{
    struct sp_guards guards;
    struct sp_call call;
    struct sp_admission admission;
    struct sp_fault_act act = {0, 0};
    *tracked = sp_here_call(&call, conn->dest, sp_conn_index(conn), now, &guards);
    if (!*tracked)
        return SP_PASS;
    if (!(sp_conn_flags(conn) & SP_CONN_FRESH)) {
        enum sp_verdict verdict = sp_order_admit(&call, false, &admission);
        if (verdict != SP_PASS)
            return verdict;
        atomic_store(&conn->permit, turn_pack(admission.permit));
    }
    if (sp_here.fault_count)
        sp_here_faults(&call, SP_FAULT_ON_REQUEST, &act);
    conn->hold = turn_units(act.delay);
    turn_stand(conn, SP_TURN_EXCHANGE, now, guards.deadline[SP_DEADLINE_RESPONSE]);
    return SP_PASS;
}

enum sp_verdict sp_turn_ask(struct sp_conn *conn, uint64_t now, uint64_t *began)
{
    bool tracked;
    *began = 0;
    if (atomic_load_explicit(&conn->word, memory_order_relaxed) != 0 ||
        (sp_conn_flags(conn) & SP_CONN_ONEWAY) ||
        !turn_swap(conn, 0, sp_turn_word(SP_TURN_STARTING, now)))
        return SP_PASS;
    enum sp_verdict verdict = turn_admit(conn, now, &tracked);
    if (verdict != SP_PASS || !tracked)
        atomic_store(&conn->word, 0);
    else
        *began = sp_turn_word(SP_TURN_EXCHANGE, now);
    return verdict;
}

void sp_turn_unsend(struct sp_conn *conn, uint64_t began)
{
    struct sp_permit permit = turn_permit(conn);
    bool fresh = sp_conn_flags(conn) & SP_CONN_FRESH;
    uint32_t dest = conn->dest;
    struct sp_guards guards;
    struct sp_call call;
    if (!turn_swap(conn, began, 0) || fresh)
        return;
    sp_here_call(&call, dest, sp_conn_index(conn), began, &guards);
    if (call.dest)
        sp_order_return(&call, &permit);
}

static void turn_settle(uint32_t dest, const struct sp_permit *permit, uint64_t word,
                        enum sp_outcome outcome, uint64_t now)
{
    struct sp_guards guards;
    struct sp_call call;
    sp_here_call(&call, dest, 0, now, &guards);
    if (call.dest)
        sp_order_settle(&call, permit, sp_turn_of(word) == SP_TURN_CONNECTING, outcome,
                        turn_lasted(word, now));
}

bool sp_turn_end(struct sp_conn *conn, uint64_t word, enum sp_outcome outcome, uint64_t now)
{
    struct sp_permit permit = turn_permit(conn);
    uint32_t dest = conn->dest;
    if (sp_conn_flags(conn) & SP_CONN_FRESH)
        sp_conn_mark(conn, SP_CONN_FRESH, false);
    if (!turn_swap(conn, word, 0))
        return false;
    turn_settle(dest, &permit, word, outcome, now);
    return true;
}

bool sp_turn_cut_as(struct sp_conn *conn, uint64_t word, enum sp_outcome outcome, int error,
                    uint64_t now)
{
    struct sp_permit permit = turn_permit(conn);
    uint32_t dest = conn->dest;
    if (!turn_swap(conn, word, sp_turn_cut(error)))
        return false;
    sp_conn_mark(conn, SP_CONN_FRESH, false);
    if (word == 0)
        return true;
    struct sp_dest *d = sp_segment_dest(&sp_here.segment, dest);
    enum sp_deadline phase =
        sp_turn_of(word) == SP_TURN_CONNECTING ? SP_DEADLINE_CONNECT : SP_DEADLINE_RESPONSE;
    if (d && error == ETIMEDOUT)
        sp_count(&d->shards[sp_here.segment.self.shard % SP_SHARDS].expired[phase], 1);
    turn_settle(dest, &permit, word, outcome, now);
    return true;
}

/* --- the end --- */

static void turn_give_lease(struct sp_conn *conn)
{
    const struct sp_self *self = &sp_here.segment.self;
    struct sp_dest *dest = sp_segment_dest(&sp_here.segment, conn->dest);
    uint32_t count;
    if (conn->lease == SP_NO_LEASE || !dest)
        return;
    sp_word *words = sp_lease_words(&sp_here.segment, dest, SP_CAP_CONNECTIONS, &count);
    if (words)
        sp_lease_give(words, count, conn->lease,
                      sp_lease_word(self->slot, self->epoch, sp_conn_index(conn)));
    conn->lease = SP_NO_LEASE;
}

void sp_turn_over(struct sp_conn *conn, uint64_t now)
{
    struct sp_permit permit = turn_permit(conn);
    uint64_t word = atomic_load(&conn->word);
    enum sp_turn turn = sp_turn_of(word);
    if (turn == SP_TURN_CONNECTING || turn == SP_TURN_EXCHANGE) {
        if (turn_swap(conn, word, 0))
            turn_settle(conn->dest, &permit, word, SP_OUTCOME_ABANDONED, now);
    } else if (sp_conn_flags(conn) & SP_CONN_FRESH) {
        struct sp_guards guards;
        struct sp_call call;
        sp_here_call(&call, conn->dest, sp_conn_index(conn), now, &guards);
        if (call.dest)
            sp_order_return(&call, &permit);
    }
    turn_give_lease(conn);
    sp_conn_free(conn);
}
