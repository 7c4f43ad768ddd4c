/* table.c - fd -> connection. An entry carries the generation of its connection, so that a number
 * or a connection that was reused is never taken for what it was before. */
#include "shearpin/conn.h"
#include "shearpin/quick.h"

#include <sys/mman.h>

#include "base/clock.h"

#define TABLE_ENDING UINT32_MAX /* references of a connection whose last holder is ending it */

/* The free connections: a stack in one word, tag << 32 | index + 1. The tag changes with every
 * step, so that a top that went and came back meanwhile is not taken for the one that was seen. */
static SP_HOT_DATA _Alignas(SP_CACHELINE) struct {
    sp_word top;
    char rest[SP_CACHELINE - sizeof(sp_word)];
} table_free; /* on a line of its own: every connect and close of any thread writes it */

static struct sp_conn *table_pop(void)
{
    uint64_t seen = atomic_load(&table_free.top), next;
    struct sp_conn *conn;
    do {
        if ((uint32_t)seen == 0)
            return NULL;
        conn = sp_conn_at(seen);
        next = ((seen >> 32) + 1) << 32 | atomic_load_explicit(&conn->fd, memory_order_relaxed);
    } while (!atomic_compare_exchange_weak(&table_free.top, &seen, next));
    return conn;
}

static void table_push(struct sp_conn *conn)
{
    uint64_t seen = atomic_load(&table_free.top), next;
    do {
        atomic_store_explicit(&conn->fd, (uint32_t)seen, memory_order_relaxed);
        next = ((seen >> 32) + 1) << 32 | (sp_conn_index(conn) + 1);
    } while (!atomic_compare_exchange_weak(&table_free.top, &seen, next));
}

/* Never used so far: the next one above all others. Scans go over [0, conn_high). */
static struct sp_conn *table_rise(void)
{
    uint32_t high = atomic_load(&sp_here.conn_high);
    do {
        if (high >= SP_CONNS_MAX)
            return NULL;
    } while (!atomic_compare_exchange_weak(&sp_here.conn_high, &high, high + 1));
    if (high == 0)
        sp_process_settle(&sp_here.segment);
    return &sp_here.conns[high];
}

SP_HOT struct sp_conn *sp_conn_new(void)
{
    struct sp_conn *conn = table_pop();
    if (!conn && !(conn = table_rise()))
        return NULL;
    atomic_store_explicit(&conn->generation, sp_conn_generation(conn) + 1, memory_order_relaxed);
    /* Not idle: a call that still thinks of the former owner must not begin an exchange here. */
    atomic_store_explicit(&conn->word, SP_TURN_STARTING, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&conn->permit, 0, memory_order_relaxed);
    atomic_store_explicit(&conn->content, SP_QUICK_NEVER, memory_order_relaxed);
    atomic_store_explicit(&conn->flags, 0, memory_order_relaxed);
    atomic_store_explicit(&conn->fd, UINT32_MAX, memory_order_relaxed);
    atomic_store_explicit(&conn->cookie, 0, memory_order_relaxed);
    conn->aim = (struct sp_aim){SP_NO_ENDPOINT, 0};
    conn->lease = SP_NO_LEASE;
#define NONE(half) atomic_store_explicit(&conn->half, 0, memory_order_relaxed)
    NONE(limit), NONE(hold), NONE(idle), NONE(least), NONE(send), NONE(response), NONE(total);
    NONE(queued), NONE(alarm), NONE(own_receive);
#undef NONE
    atomic_store_explicit(&conn->told, 0, memory_order_relaxed);
    conn->drawn = 0;
    conn->began = 0;
    atomic_store_explicit(&conn->blocked, 0, memory_order_relaxed);
    atomic_store_explicit(&conn->references, 1, memory_order_release);
    return conn;
}

SP_HOT void sp_conn_free(struct sp_conn *conn)
{
    atomic_store_explicit(&conn->references, 0, memory_order_release);
    table_push(conn);
}

static uint64_t table_entry(const struct sp_conn *conn)
{
    return (uint64_t)sp_conn_generation(conn) << 32 | (sp_conn_index(conn) + 1);
}

bool sp_conn_hold(struct sp_conn *conn, uint32_t generation)
{
    uint32_t seen = atomic_load(&conn->references);
    do {
        if (seen == 0 || seen == TABLE_ENDING)
            return false;
    } while (!atomic_compare_exchange_weak(&conn->references, &seen, seen + 1));
    if (sp_conn_generation(conn) == generation)
        return true;
    if (sp_conn_drop(conn)) /* it became another's between look and touch */
        sp_turn_over(conn, sp_now());
    return false;
}

bool sp_conn_install(int fd, struct sp_conn *conn, uint32_t generation)
{
    if (!sp_here_has(fd) || !sp_conn_hold(conn, generation))
        return false;
    sp_conn_give(fd, conn);
    return true;
}

SP_HOT void sp_conn_give(int fd, struct sp_conn *conn)
{
    atomic_store_explicit(&conn->fd, (uint32_t)fd, memory_order_release);
    sp_table_raise(&sp_here.fd_high, (uint32_t)fd + 1);
    uint64_t before = atomic_exchange(&sp_here.fds[fd], table_entry(conn));
    if (before && sp_conn_drop(sp_conn_at(before))) /* two threads named one number at once */
        sp_turn_over(sp_conn_at(before), sp_now());
}

SP_HOT bool sp_conn_remove(int fd, uint64_t entry)
{
    return atomic_compare_exchange_strong(&sp_here.fds[fd], &entry, 0);
}

/* Another fd that still names it, for whoever has to cut it later. */
static void table_refind(struct sp_conn *conn)
{
    uint64_t entry = table_entry(conn);
    uint32_t high = atomic_load(&sp_here.fd_high);
    for (uint32_t fd = 0; fd < high && sp_here_has((int)fd); fd++) {
        if (atomic_load_explicit(&sp_here.fds[fd], memory_order_relaxed) == entry) {
            atomic_store(&conn->fd, fd);
            return;
        }
    }
}

SP_HOT bool sp_conn_drop(struct sp_conn *conn)
{
    uint32_t seen = atomic_load(&conn->references), next;
    do {
        next = seen == 1 ? TABLE_ENDING : seen - 1;
    } while (!atomic_compare_exchange_weak(&conn->references, &seen, next));
    if (next == TABLE_ENDING)
        return true;
    uint32_t fd = atomic_load(&conn->fd);
    if (!sp_here_has((int)fd) || sp_conn_entry((int)fd) != table_entry(conn))
        table_refind(conn);
    return false;
}

bool sp_table_reserve(sp_table *table, size_t each)
{
    void *none = NULL;
    size_t size = SP_CONNS_MAX * each;
    if (atomic_load(table))
        return true;
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                    -1, 0);
    if (at == MAP_FAILED)
        return false;
    if (!atomic_compare_exchange_strong(table, &none, at))
        munmap(at, size);
    return true;
}
