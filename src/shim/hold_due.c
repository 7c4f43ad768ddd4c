/* hold_due.c - when that which is held came, and so when it is to be seen. */
#include "shim/hold.h"

#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>

#include "base/clock.h"

/* The kernel says in ticks when bytes came: of less than that they tell nothing. */
#define HOLD_TICKS (16 * SP_MS)

void sp_hold_came(struct sp_conn *conn)
{
    struct sp_held *h = sp_held_of(conn);
    uint64_t none = 0, now = sp_now();
    if (h->after == 0 || atomic_load(&h->raised) ||
        !atomic_compare_exchange_strong(&h->came, &none, now))
        return;
    atomic_store(&h->in, now + h->after);
    sp_due_arm(now + h->after, h->after);
}

/* How long ago bytes last came, in ms as the kernel counts them. */
static uint64_t hold_ago(int fd)
{
    struct tcp_info info;
    if (!sp_socket_info(fd, &info))
        info.tcpi_last_data_recv = UINT32_MAX;
    return info.tcpi_last_data_recv * SP_MS;
}

void hold_correct(int fd, struct sp_held *h)
{
    uint64_t ago = hold_ago(fd), came = atomic_load(&h->came);
    if (ago >= HOLD_TICKS)
        atomic_store(&h->in, (came > h->since + ago ? came - ago : h->since) + h->after);
}

static bool hold_there(const struct sp_conn *conn, int fd)
{
    int bytes = 0, error = errno;
    if (sp_turn_of(atomic_load(&conn->word)) == SP_TURN_CONNECTING)
        return sp_socket_ready(fd, POLLOUT);
    REAL(ioctl)(fd, SIOCINQ, &bytes);
    errno = error;
    return bytes > 0 || sp_socket_ready(fd, POLLIN | POLLRDHUP);
}

/* Bytes that the kernel hides are looked for at times that lie further and further apart, so that
 * it is known well enough when they came: to a third, and from 16 ms on as the kernel counts. */
static uint64_t hold_look(const struct sp_held *h, uint64_t now)
{
    uint64_t gone = now - h->since, step = gone < HOLD_TICKS ? gone / 2 : gone;
    step = step < HOLD_FIRST / 2 ? HOLD_FIRST / 2 : step;
    return now + (step < h->after && atomic_load(&h->raised) ? step : h->after);
}

/* The look was to be at `in`; on a busy machine it is late, and what came need not be. */
static uint64_t hold_when(const struct sp_held *h, int fd, uint64_t now)
{
    uint64_t ago = now - h->looked >= HOLD_TICKS ? hold_ago(fd) : (now - atomic_load(&h->in)) / 2;
    return now > h->looked + ago ? now - ago : h->looked;
}

/* It is time to look. True: it is not to be seen yet, `in` says when next. */
static bool hold_later(const struct sp_conn *conn, struct sp_held *h, int fd, uint64_t now)
{
    bool there = hold_there(conn, fd);
    if (there && !atomic_load(&h->raised))
        return false;
    uint64_t came = there ? hold_when(h, fd, now) : 0;
    uint64_t next = there ? came + h->after : hold_look(h, now);
    if (next <= now)
        return false;
    h->looked = now;
    atomic_store(&h->came, came);
    atomic_store(&h->in, next);
    sp_due_arm(next, h->after);
    return true;
}

void sp_hold_due(struct sp_conn *conn, uint64_t now)
{
    struct sp_held *h = sp_held_of(conn);
    uint64_t in = atomic_load(&h->in), out = atomic_load(&h->out);
    int fd = (int)atomic_load(&conn->fd);
    bool shown = in != 0 && now >= in;
    if (shown && h->after && !atomic_load(&h->came) && sp_socket_is(fd, conn) &&
        hold_stands(h, sp_turn_of(atomic_load(&conn->word))) && hold_later(conn, h, fd, now))
        shown = false;
    unsigned what = (shown ? SP_HOLD_IN : 0) | (out != 0 && now >= out ? SP_HOLD_OUT : 0);
    if (what)
        hold_show(conn, h, what);
}
