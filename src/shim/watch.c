/* watch.c - what a wait sees of pending connects: not that one has failed, if it is tried again. */
#include "shim/hold.h"
#include "shim/redial.h"

#include <errno.h>

#define WATCH_LINES 16 /* that fail at once; further ones simply fail */

bool sp_watch_hides(int fd, enum sp_watch seen)
{
    struct sp_conn *conn = sp_pending_at(fd);
    return conn && !sp_hold_hides(conn) &&
           (sp_pending_rests(conn) ||
            (seen != SP_WATCH_ASKED && sp_pending_failed(conn, fd, seen == SP_WATCH_HUNG)));
}

/* A rest that cannot be hidden is over. */
static bool watch_shown(struct sp_conn *conn)
{
    sp_pending_end(conn);
    enum sp_turn turn = sp_turn_of(atomic_load(&conn->word));
    return turn != SP_TURN_CONNECTING && turn != SP_TURN_STARTING;
}

static bool watch_rests(struct sp_conn *conn, int epoll, const struct sp_mute_line *line,
                        const struct wait *w)
{
    bool rests = sp_pending_rests(conn), blind = sp_mute_blind(line);
    if (blind && (sp_waiting_stale(w) || sp_mute_echo(&sp_pending_of(conn)->mute, epoll, line)))
        return true;
    if (blind || line->shared || (line->events & EPOLLEXCLUSIVE))
        return rests && !watch_shown(conn);
    if (!rests && !sp_pending_failed(conn, line->fd, true))
        return false;
    return sp_mute_begin(conn, epoll, line) || !watch_shown(conn);
}

static bool watch_line(int epoll, const struct sp_mute_line *line, const struct wait *w)
{
    uint64_t entry = sp_conn_entry(line->fd);
    struct sp_conn *conn = sp_pending_at(line->fd);
    if (!conn || !sp_conn_hold(conn, (uint32_t)(entry >> 32)))
        return false;
    bool hides = watch_rests(conn, epoll, line, w);
    sp_fd_left(conn);
    return hides;
}

static int watch_drop(struct epoll_event *events, int count, uint64_t data)
{
    int left = 0;
    for (int i = 0; i < count; i++) {
        if (events[i].data.u64 != data)
            events[left++] = events[i];
    }
    return left;
}

/* Those of connects that are pending by now. */
static int watch_pending(int epoll, struct epoll_event *events, int count, const struct wait *w)
{
    struct sp_mute_line lines[WATCH_LINES];
    size_t n = sp_mute_failed(epoll, events, count, lines, WATCH_LINES);
    for (size_t i = 0; i < n; i++) {
        if (watch_line(epoll, &lines[i], w))
            count = watch_drop(events, count, lines[i].data);
    }
    return count;
}

/* --- what was seen of a rest, and is looked at when that is over --- */

static bool watch_hung(const struct sp_mute_line *line)
{
    return line->seen & (EPOLLERR | EPOLLHUP);
}

static bool watch_echo(int epoll, const struct sp_mute_line *line)
{
    uint64_t entry = sp_conn_entry(line->fd);
    return entry && sp_mute_echo(&sp_pending_of(sp_conn_at(entry))->mute, epoll, line);
}

/* What of an event is still so. */
static uint32_t watch_stands(int epoll, const struct epoll_event *event,
                             const struct sp_mute_line *lines, size_t n)
{
    uint32_t now = 0;
    for (size_t i = 0; i < n; i++) {
        if (lines[i].data == event->data.u64 && !watch_echo(epoll, &lines[i]))
            now |= (unsigned short)sp_socket_now(lines[i].fd, (short)(event->events & 0x7fff));
    }
    return now & (EPOLLERR | EPOLLHUP) ? event->events : event->events & now;
}

static bool watch_registered(const struct epoll_event *event, const struct sp_mute_line *lines,
                             size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (lines[i].data == event->data.u64)
            return true;
    }
    return false;
}

/* Its kernel's answer is older than what another thread has made of the connection, which it may
 * have told the program, too: a hang-up that is no more is not shown. A bare one whose registration
 * is gone was one of a rest: the program's own would say more. */
static int watch_stale(int epoll, struct epoll_event *events, int count)
{
    struct sp_mute_line lines[WATCH_LINES];
    int left = 0;
    size_t n = sp_mute_find(epoll, events, count, watch_hung, lines, WATCH_LINES);
    for (int i = 0; i < count; i++) {
        bool hung = events[i].events & (EPOLLERR | EPOLLHUP);
        if (hung && watch_registered(&events[i], lines, n))
            events[i].events = watch_stands(epoll, &events[i], lines, n);
        else if (events[i].events == EPOLLHUP && n < WATCH_LINES)
            events[i].events = 0;
        if (events[i].events != 0)
            events[left++] = events[i];
    }
    return left;
}

/* A connect that failed always shows an error or a hang-up: without one nothing costs anything. */
int sp_watch_epoll(int epoll, struct epoll_event *events, int count, const struct wait *w)
{
    int error = errno;
    bool failed = false;
    for (int i = 0; i < count; i++)
        failed = failed || (events[i].events & (EPOLLERR | EPOLLHUP));
    if (failed && atomic_load_explicit(&sp_due_watched, memory_order_relaxed) != 0)
        count = watch_pending(epoll, events, count, w);
    if (failed && sp_waiting_stale(w)) /* asked last: an event of before is one of before */
        count = watch_stale(epoll, events, count);
    errno = error;
    return count;
}
