/* hide.c - what waits see of connections of which something is held (hold.c). poll() and select()
 * ask for less; a registration with an epoll is changed for as long as it is held. */
#include "shim/hold.h"
#include "shim/mute.h"

#include <errno.h>

#define HIDE_IN \
    (EPOLLIN | EPOLLPRI | EPOLLRDNORM | EPOLLRDBAND | EPOLLMSG | EPOLLRDHUP | EPOLLERR | EPOLLHUP)
#define HIDE_OUT   (EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND)
#define HIDE_CONNS 64 /* that are looked at at once; of further ones more may be seen */

static uint32_t hide_bits(unsigned hides)
{
    return (hides & SP_HOLD_IN ? HIDE_IN : 0) | (hides & SP_HOLD_OUT ? HIDE_OUT : 0);
}

static struct sp_conn *hide_conn(int fd)
{
    uint64_t entry = sp_conn_entry(fd);
    struct sp_conn *conn = entry ? sp_conn_at(entry) : NULL;
    return conn && (sp_conn_flags(conn) & SP_CONN_HELD) ? conn : NULL;
}

/* --- poll and select --- */

/* As long as it is not known when it came it must be asked for. */
static bool hide_known(const struct sp_conn *conn)
{
    const struct sp_held *h = sp_held_of(conn);
    return h->after == 0 || atomic_load(&h->came) != 0 || atomic_load(&h->raised);
}

void sp_hide_ask(struct pollfd *one)
{
    const struct sp_conn *conn = hide_conn(one->fd);
    unsigned hides = conn ? sp_hold_hides(conn) : 0;
    if (hides == 0 || !hide_known(conn))
        return;
    one->events &= (short)~hide_bits(hides);
    if ((hides & SP_HOLD_IN) && (one->events == 0 || atomic_load(&sp_held_of(conn)->hung)))
        one->fd = -1;
}

void sp_hide_seen(struct pollfd *one)
{
    struct sp_conn *conn = one->revents ? hide_conn(one->fd) : NULL;
    unsigned hides = conn ? sp_hold_hides(conn) : 0;
    if (!(one->revents & (short)hide_bits(hides)))
        return;
    sp_hold_came(conn);
    if (one->revents & (POLLHUP | POLLERR))
        atomic_store(&sp_held_of(conn)->hung, 1);
    one->revents &= (short)~hide_bits(hides);
}

unsigned sp_hide_sets(int fd, bool seen)
{
    struct sp_conn *conn = hide_conn(fd);
    unsigned hides = conn ? sp_hold_hides(conn) : 0;
    if (hides == 0 || (!seen && !hide_known(conn)))
        return 0;
    if (seen)
        sp_hold_came(conn);
    return (hides & SP_HOLD_IN ? 1 | 4 : 0) | (hides & SP_HOLD_OUT ? 2 : 0);
}

/* --- epoll --- */

static bool hide_reported(const struct sp_held *h, const struct epoll_event *events, int count)
{
    for (int i = 0; i < count; i++) {
        if (events[i].data.u64 == h->mute.data)
            return true;
    }
    return false;
}

/* The connections that may be behind some of the events: what is held of them is there. */
static size_t hide_there(int epoll, const struct epoll_event *events, int count,
                         struct pollfd *there)
{
    uint32_t high = atomic_load(&sp_here.conn_high);
    size_t n = 0;
    for (uint32_t i = 0; i < high && n < HIDE_CONNS; i++) {
        const struct sp_conn *conn = &sp_here.conns[i];
        unsigned hides = sp_hold_hides(conn);
        if (hides == 0 || atomic_load(&conn->references) == 0 ||
            (sp_held_of(conn)->mute.epoll == epoll + 1 &&
             !hide_reported(sp_held_of(conn), events, count)))
            continue;
        there[n++] = (struct pollfd){.fd = (int)atomic_load(&conn->fd),
                                     .events = (short)(hide_bits(hides) & 0xffff)};
    }
    return n > 0 && REAL(poll)(there, n, 0) > 0 ? n : 0;
}

static bool hide_wanted(const struct sp_mute_line *line)
{
    const struct sp_conn *conn = hide_conn(line->fd);
    return conn && (line->seen & hide_bits(sp_hold_hides(conn)));
}

static int hide_strip(struct epoll_event *events, int count, uint64_t data, uint32_t bits)
{
    int left = 0;
    for (int i = 0; i < count; i++) {
        if (events[i].data.u64 == data)
            events[i].events &= ~bits;
        if (events[i].events != 0)
            events[left++] = events[i];
    }
    return left;
}

/* A one-shot registration that tells the program something else is over with that. */
static bool hide_mute(struct sp_conn *conn, int epoll, const struct sp_mute_line *line,
                      uint32_t bits)
{
    if (line->shared || (line->events & EPOLLEXCLUSIVE))
        return false;
    if ((line->events & EPOLLONESHOT) && (line->seen & ~bits))
        return true;
    struct sp_mute *mute = &sp_held_of(conn)->mute;
    if (!sp_mute_set(mute, epoll, line, bits))
        return false;
    if ((hide_bits(sp_hold_hides(conn)) & bits) != bits) /* due meanwhile: nobody else lifts it */
        sp_mute_lift(mute, conn);
    return true;
}

static int hide_line(int epoll, const struct sp_mute_line *line, struct epoll_event *events,
                     int count)
{
    uint64_t entry = sp_conn_entry(line->fd);
    struct sp_conn *conn = hide_conn(line->fd);
    if (!conn || !sp_conn_hold(conn, (uint32_t)(entry >> 32)))
        return count;
    uint32_t bits = hide_bits(sp_hold_hides(conn));
    sp_hold_came(conn);
    if (bits && hide_mute(conn, epoll, line, bits))
        count = hide_strip(events, count, line->data, bits);
    else if (bits)
        sp_hold_free(conn); /* it cannot be hidden: then it is seen, and can be had */
    sp_fd_left(conn);
    return count;
}

int sp_hide_epoll(int epoll, struct epoll_event *events, int count)
{
    struct sp_mute_line lines[HIDE_CONNS];
    struct pollfd there[HIDE_CONNS];
    int error = errno;
    size_t n = hide_there(epoll, events, count, there);
    n = n > 0 ? sp_mute_find(epoll, events, count, hide_wanted, lines, HIDE_CONNS) : 0;
    for (size_t i = 0; i < n; i++)
        count = hide_line(epoll, &lines[i], events, count);
    errno = error;
    return count;
}

/* --- before it sleeps --- */

/* What the kernel would go on to report, or, edge-triggered, would not report again. */
static uint32_t hide_ahead(const struct sp_conn *conn, int epoll)
{
    const struct sp_held *h = sp_held_of(conn);
    unsigned hides = sp_hold_hides(conn);
    if (!hide_known(conn) || atomic_load(&h->raised))
        hides &= h->after ? 0 : SP_HOLD_OUT;
    bool done = h->mute.epoll && (h->mute.epoll != epoll + 1 || !(h->mute.set & hide_bits(hides)));
    return done ? 0 : hide_bits(hides);
}

static _Thread_local int hide_epoll;

static bool hide_wanted_ahead(const struct sp_mute_line *line)
{
    const struct sp_conn *conn = hide_conn(line->fd);
    return conn && (line->events & hide_ahead(conn, hide_epoll));
}

void sp_hide_before(int epoll)
{
    struct sp_mute_line lines[HIDE_CONNS];
    uint32_t high = atomic_load(&sp_here.conn_high), bits = 0;
    int error = errno;
    for (uint32_t i = 0; i < high && bits == 0; i++) {
        const struct sp_conn *conn = &sp_here.conns[i];
        if (sp_conn_flags(conn) & SP_CONN_HELD)
            bits = hide_ahead(conn, epoll);
    }
    hide_epoll = epoll;
    size_t n = bits ? sp_mute_find(epoll, NULL, 0, hide_wanted_ahead, lines, HIDE_CONNS) : 0;
    for (size_t i = 0; i < n; i++)
        hide_line(epoll, &lines[i], NULL, 0);
    errno = error;
}
