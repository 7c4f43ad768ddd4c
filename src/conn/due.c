/* due.c - the nearest deadline of the process. `next` may be too early, never too late: turns that
 * end leave it as it is, and whoever wakes at it looks again. So a deadline costs nothing more than
 * one comparison a turn, and one scan a deadline's length. */
#include "shearpin/harm.h"
#include "shearpin/held.h"

/* Of many connections that hang, each is due at a time of its own: they are looked at together. */
#define DUE_APART (4 * SP_MS)

SP_HOT_DATA sp_word sp_due_next = SP_NEVER;
SP_HOT_DATA sp_word sp_due_shortest;
sp_half sp_due_scanning;
sp_half sp_due_watched;

static void due_lower(sp_word *word, uint64_t to)
{
    uint64_t seen = atomic_load_explicit(word, memory_order_relaxed);
    while (to < seen && !atomic_compare_exchange_weak(word, &seen, to))
        ;
}

void sp_due_arm(uint64_t due, uint64_t limit)
{
    if (sp_due_least() > limit)
        due_lower(&sp_due_shortest, limit);
    due_lower(&sp_due_next, due);
}

/* The flag's own change counts, so that whoever ends a turn twice counts once. */
void sp_due_watch(struct sp_conn *conn)
{
    if (!(atomic_fetch_or(&conn->flags, SP_CONN_RETRY) & SP_CONN_RETRY))
        atomic_fetch_add(&sp_due_watched, 1);
    due_lower(&sp_due_next, SP_DUE_WATCH);
}

void sp_due_unwatch_now(struct sp_conn *conn)
{
    if (atomic_fetch_and(&conn->flags, ~(uint32_t)SP_CONN_RETRY) & SP_CONN_RETRY)
        atomic_fetch_sub(&sp_due_watched, 1);
}

void sp_due_relax(void)
{
    uint64_t watch = SP_DUE_WATCH;
    if (atomic_load(&sp_due_watched) == 0)
        atomic_compare_exchange_strong(&sp_due_next, &watch, SP_NEVER);
    if (atomic_load(&sp_due_watched) != 0) /* by a thread that came in between */
        due_lower(&sp_due_next, SP_DUE_WATCH);
}

static void due_least(uint64_t *least, uint64_t limit)
{
    if (limit && limit < *least)
        *least = limit;
}

uint64_t sp_due_learn(void)
{
    uint64_t word, least = SP_NEVER, none = 0;
    const struct sp_policy *policy = sp_segment_policy(&sp_here.segment, &word);
    const struct sp_row *row;
    for (size_t i = 0; policy && (row = sp_policy_row(policy, i)); i++) {
        struct sp_guards guards = row->guards;
        sp_override_apply(sp_here.overrides, sp_here.override_count, row->name, &guards);
        for (int d = 0; guards.mode == SP_MODE_ENFORCE && d < SP_DEADLINE_LOOKUP; d++) {
            uint64_t first = d == SP_DEADLINE_SEND ? guards.deadline[d] / 2 : guards.deadline[d];
            due_least(&least, first);
        }
        if (sp_retry_wanted(&guards)) /* another thread's wait may be the one that sees it fail */
            due_least(&least, SP_DUE_WATCH);
    }
    return atomic_compare_exchange_strong(&sp_due_shortest, &none, least) ? least : none;
}

uint64_t sp_due_send(const struct sp_conn *conn)
{
    uint64_t blocked = atomic_load_explicit(&conn->blocked, memory_order_relaxed);
    uint64_t limit = conn->send * SP_LIMIT_UNIT;
    if (!blocked || !limit)
        return SP_NEVER;
    return blocked +
           (atomic_load_explicit(&conn->queued, memory_order_relaxed) ? limit : limit / 2);
}

uint64_t sp_due_turn(const struct sp_conn *conn, uint64_t word)
{
    enum sp_turn turn = sp_turn_of(word);
    bool limited = turn == SP_TURN_CONNECTING || turn == SP_TURN_EXCHANGE ||
                   turn == SP_TURN_QUIET || turn == SP_TURN_RESTING;
    return limited && conn->limit ? sp_turn_since(word) + conn->limit * SP_LIMIT_UNIT : SP_NEVER;
}

uint64_t sp_due_of(const struct sp_conn *conn, uint64_t word)
{
    uint64_t due = sp_due_turn(conn, word), send = sp_due_send(conn);
    if (sp_turn_of(word) == SP_TURN_CUT)
        return SP_NEVER;
    uint64_t harm = sp_harm_due(conn);
    due = send < due ? send : due;
    due = harm < due ? harm : due;
    return due < sp_here.deadline ? due : sp_here.deadline;
}

/* What is held of a connection is due in a child of fork as well: the socket is one. */
static uint64_t due_any(const struct sp_conn *conn, uint64_t word)
{
    uint64_t held = sp_held_due(conn);
    uint64_t due = sp_conn_flags(conn) & SP_CONN_INHERITED ? SP_NEVER : sp_due_of(conn, word);
    return held < due ? held : due;
}

void sp_due_scan(uint64_t now, sp_due_fn *expire)
{
    uint64_t nearest = SP_NEVER, held = SP_NEVER;
    uint32_t high = atomic_load(&sp_here.conn_high);
    atomic_fetch_add(&sp_due_scanning, 1);
    atomic_exchange(&sp_due_next, SP_NEVER); /* what is armed from here on lowers it again */
    for (uint32_t i = 0; i < high; i++) {
        struct sp_conn *conn = &sp_here.conns[i];
        if (atomic_load_explicit(&conn->references, memory_order_relaxed) == 0)
            continue;
        uint64_t word = atomic_load(&conn->word), due = due_any(conn, word);
        if (due <= now) {
            expire(conn, word);
            due = due_any(conn, atomic_load(&conn->word));
        }
        if (due < nearest && due > now)
            nearest = due;
        if (sp_held_due(conn) < held)
            held = sp_held_due(conn);
    }
    if (sp_here.deadline > now && sp_here.deadline < nearest)
        nearest = sp_here.deadline;
    if (atomic_load(&sp_due_watched) != 0)
        due_lower(&sp_due_next, SP_DUE_WATCH);
    if (nearest != SP_NEVER)
        due_lower(&sp_due_next, nearest > now + DUE_APART ? nearest : now + DUE_APART);
    if (held != SP_NEVER) /* a delay of a few ms is no deadline: it is kept exactly */
        due_lower(&sp_due_next, held > now ? held : now + SP_MS);
    atomic_fetch_sub(&sp_due_scanning, 1);
}
