/* table.c - fd -> connection. An entry carries the generation of its connection, so that a number
 * or a connection that was reused is never taken for what it was before. */
#include "shearpin/conn.h"

#define TABLE_ENDING UINT32_MAX /* references of a connection whose last holder is ending it */

static void table_raise(sp_half *high, uint32_t to)
{
    uint32_t seen = atomic_load_explicit(high, memory_order_relaxed);
    while (seen < to && !atomic_compare_exchange_weak(high, &seen, to))
        ;
}

struct sp_conn *sp_conn_new(void)
{
    static sp_half hint;
    uint32_t start = atomic_load_explicit(&hint, memory_order_relaxed);
    uint32_t high = atomic_load(&sp_here.conn_high);
    /* Low numbers first: scans go over [0, conn_high). Once round, then on above it: of threads
     * that come at once others may have been faster. */
    for (uint32_t i = 0; i < SP_CONNS_MAX; i++) {
        uint32_t at = i > high ? i : (start + i) % (high + 1), none = 0;
        struct sp_conn *conn = &sp_here.conns[at];
        if (at >= SP_CONNS_MAX || atomic_load(&conn->references) != 0)
            continue;
        if (!atomic_compare_exchange_strong(&conn->references, &none, 1))
            continue;
        table_raise(&sp_here.conn_high, at + 1);
        atomic_store_explicit(&hint, at + 1, memory_order_relaxed);
        conn->generation++;
        atomic_store(&conn->word, 0);
        atomic_store(&conn->permit, 0);
        atomic_store(&conn->flags, 0);
        atomic_store(&conn->fd, UINT32_MAX);
        conn->cookie = 0;
        conn->lease = SP_NO_LEASE;
        conn->limit = conn->hold = conn->idle = conn->least = conn->send = 0;
        atomic_store(&conn->blocked, 0);
        atomic_store(&conn->alarm, 0);
        atomic_store(&conn->own_receive, 0);
        return conn;
    }
    return NULL;
}

void sp_conn_free(struct sp_conn *conn)
{
    atomic_store_explicit(&conn->references, 0, memory_order_release);
}

static uint64_t table_entry(const struct sp_conn *conn)
{
    return (uint64_t)conn->generation << 32 | (sp_conn_index(conn) + 1);
}

bool sp_conn_install(int fd, struct sp_conn *conn, uint32_t generation)
{
    uint32_t seen = atomic_load(&conn->references);
    if ((uint32_t)fd >= sp_here.fd_max)
        return false;
    do {
        if (seen == 0 || seen == TABLE_ENDING)
            return false;
    } while (!atomic_compare_exchange_weak(&conn->references, &seen, seen + 1));
    if (conn->generation != generation) { /* it became another's between look and touch */
        if (sp_conn_drop(conn))
            sp_turn_over(conn, 0);
        return false;
    }
    atomic_store(&conn->fd, (uint32_t)fd);
    table_raise(&sp_here.fd_high, (uint32_t)fd + 1);
    atomic_store_explicit(&sp_here.fds[fd], table_entry(conn), memory_order_release);
    return true;
}

bool sp_conn_remove(int fd, uint64_t entry)
{
    return atomic_compare_exchange_strong(&sp_here.fds[fd], &entry, 0);
}

/* Another fd that still names it, for whoever has to cut it later. */
static void table_refind(struct sp_conn *conn)
{
    uint64_t entry = table_entry(conn);
    uint32_t high = atomic_load(&sp_here.fd_high);
    for (uint32_t fd = 0; fd < high && fd < sp_here.fd_max; fd++) {
        if (atomic_load_explicit(&sp_here.fds[fd], memory_order_relaxed) == entry) {
            atomic_store(&conn->fd, fd);
            return;
        }
    }
}

bool sp_conn_drop(struct sp_conn *conn)
{
    uint32_t seen = atomic_load(&conn->references), next;
    do {
        next = seen == 1 ? TABLE_ENDING : seen - 1;
    } while (!atomic_compare_exchange_weak(&conn->references, &seen, next));
    if (next == TABLE_ENDING)
        return true;
    uint32_t fd = atomic_load(&conn->fd);
    if (fd >= sp_here.fd_max || sp_conn_entry((int)fd) != table_entry(conn))
        table_refind(conn);
    return false;
}
