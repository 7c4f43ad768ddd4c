/* turn_limit.c - how long a turn may last, and what makes that begin anew. */
#include "conn/turn.h"

#include "base/clock.h"

/* A turn never lasts beyond the end of the whole program. */
static uint64_t turn_within(uint64_t limit, uint64_t now)
{
    uint64_t left = sp_here.deadline > now ? sp_here.deadline - now : 1;
    if (sp_here.deadline == SP_NEVER)
        return limit;
    return limit && limit < left ? limit : left;
}

/* The limit stands before the word, since whoever sees the word may ask when it is due; it is armed
 * after the word, or a scan in between would forget it. */
bool turn_stand(struct sp_conn *conn, uint64_t word, uint64_t to, uint64_t limit)
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

void turn_limits(struct sp_conn *conn, const struct sp_guards *guards)
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

uint64_t turn_total(struct sp_conn *conn, uint64_t total, uint64_t limit, uint64_t began,
                    uint64_t now)
{
    uint64_t spent = now - began;
    uint64_t left = total > spent ? total - spent : 1;
    bool binds = total && (limit == 0 || left < limit);
    sp_conn_mark(conn, SP_CONN_TOTAL, binds);
    turn_set(&conn->response, turn_units(limit));
    turn_set(&conn->total, total ? turn_units(left) : 0);
    return binds ? left : limit;
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
