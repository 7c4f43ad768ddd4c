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

static bool watch_rests(struct sp_conn *conn, int epoll, const struct sp_mute_line *line)
{
    bool rests = sp_pending_rests(conn);
    if (line->shared || (line->events & EPOLLEXCLUSIVE))
        return rests && !watch_shown(conn);
    if (sp_mute_echo(&sp_pending_of(conn)->mute, epoll, line))
        return true;
    if (!rests && !sp_pending_failed(conn, line->fd, true))
        return false;
    return sp_mute_begin(conn, epoll, line) || !watch_shown(conn);
}

static bool watch_line(int epoll, const struct sp_mute_line *line)
{
    uint64_t entry = sp_conn_entry(line->fd);
    struct sp_conn *conn = sp_pending_at(line->fd);
    if (!conn || !sp_conn_hold(conn, (uint32_t)(entry >> 32)))
        return false;
    bool hides = watch_rests(conn, epoll, line);
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

/* A connect that failed always shows an error or a hang-up: without one nothing costs anything. */
int sp_watch_epoll(int epoll, struct epoll_event *events, int count)
{
    struct sp_mute_line lines[WATCH_LINES];
    int error = errno;
    bool failed = false;
    for (int i = 0; i < count; i++)
        failed = failed || (events[i].events & (EPOLLERR | EPOLLHUP));
    size_t n = failed ? sp_mute_failed(epoll, events, count, lines, WATCH_LINES) : 0;
    for (size_t i = 0; i < n; i++) {
        if (watch_line(epoll, &lines[i]))
            count = watch_drop(events, count, lines[i].data);
    }
    errno = error;
    return count;
}

/* --- what was seen of a rest, and is looked at when that is over --- */

short sp_watch_now(int fd, short events)
{
    struct pollfd one = {.fd = fd, .events = events};
    int error = errno;
    REAL(poll)(&one, 1, 0);
    errno = error;
    return one.revents;
}

static bool watch_hung(const struct sp_mute_line *line)
{
    return line->seen & (EPOLLERR | EPOLLHUP);
}

/* What of an event is still so. A one-shot registration of ours that says no more than a hang-up
 * was muted when it said so. */
static uint32_t watch_stands(const struct epoll_event *event, const struct sp_mute_line *lines,
                             size_t n)
{
    uint32_t now = 0;
    for (size_t i = 0; i < n; i++) {
        bool echo = event->events == EPOLLHUP && (lines[i].events & EPOLLONESHOT) &&
                    sp_conn_entry(lines[i].fd) != 0;
        if (lines[i].data == event->data.u64 && !echo)
            now |= (unsigned short)sp_watch_now(lines[i].fd, (short)(event->events & 0x7fff));
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
int sp_watch_stale(int epoll, struct epoll_event *events, int count)
{
    struct sp_mute_line lines[WATCH_LINES];
    int error = errno, left = 0;
    size_t n = sp_mute_find(epoll, events, count, watch_hung, lines, WATCH_LINES);
    for (int i = 0; i < count; i++) {
        bool hung = events[i].events & (EPOLLERR | EPOLLHUP);
        if (hung && watch_registered(&events[i], lines, n))
            events[i].events = watch_stands(&events[i], lines, n);
        else if (events[i].events == EPOLLHUP && n < WATCH_LINES)
            events[i].events = 0;
        if (events[i].events != 0)
            events[left++] = events[i];
    }
    errno = error;
    return left;
}
