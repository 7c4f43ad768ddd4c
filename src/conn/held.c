/* held.c - which connections have something that is not to be seen yet, and until when. */
#include "shearpin/held.h"

#include <sched.h>
#include <string.h>

sp_half sp_held_count;

static sp_table held_table;

struct sp_held *sp_held_of(const struct sp_conn *conn)
{
    return sp_table_row(&held_table, sizeof(struct sp_held), conn);
}

struct sp_held *sp_held_make(struct sp_conn *conn)
{
    if (!sp_table_reserve(&held_table, sizeof(struct sp_held)))
        return NULL;
    struct sp_held *h = sp_held_of(conn);
    if (h->generation != sp_conn_generation(conn)) { /* of another connection */
        memset(h, 0, sizeof *h);
        h->generation = sp_conn_generation(conn);
    }
    return h;
}

/* Not for ever: it may be a signal handler that has interrupted who is about it. */
void sp_held_lock(sp_half *busy)
{
    for (int i = 0; i < 1000 && atomic_exchange(busy, 1); i++)
        sched_yield();
}

void sp_held_unlock(sp_half *busy)
{
    atomic_store(busy, 0);
}

void sp_held_mark(struct sp_conn *conn)
{
    if (!(atomic_fetch_or(&conn->flags, SP_CONN_HELD) & SP_CONN_HELD))
        atomic_fetch_add(&sp_held_count, 1);
}

void sp_held_clear(struct sp_conn *conn)
{
    if (atomic_fetch_and(&conn->flags, ~(uint32_t)SP_CONN_HELD) & SP_CONN_HELD)
        atomic_fetch_sub(&sp_held_count, 1);
}

void sp_held_forked(const struct sp_conn *conn)
{
    if (!(sp_conn_flags(conn) & SP_CONN_HELD))
        return;
    atomic_store(&sp_held_of(conn)->busy, 0);
    atomic_store(&sp_held_of(conn)->mute.busy, 0);
}

uint64_t sp_held_due(const struct sp_conn *conn)
{
    if (!(sp_conn_flags(conn) & SP_CONN_HELD))
        return SP_NEVER;
    const struct sp_held *h = sp_held_of(conn);
    uint64_t in = atomic_load(&h->in), out = atomic_load(&h->out);
    if (in == 0)
        in = SP_NEVER;
    return out != 0 && out < in ? out : in;
}
