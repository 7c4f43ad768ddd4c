/* alarm.c - response deadlines of blocking receives. The kernel's timer is only an alarm: set once
 * a connection, at 7/8, because it is late by up to an eighth and counts from the receive instead
 * of the send. When it goes, what is left is waited for in poll(), which is precise. A healthy
 * exchange makes no system call for it. */
#include "shim/io.h"

#include <errno.h>
#include <sys/time.h>

#include "base/clock.h"

static void alarm_kernel(int fd, uint64_t ns)
{
    struct timeval time = {(time_t)(ns / SP_SECOND), (suseconds_t)(ns % SP_SECOND / 1000)};
    REAL(setsockopt)(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
}

static uint64_t alarm_own(const struct sp_conn *conn)
{
    return atomic_load_explicit(&conn->own_receive, memory_order_relaxed) * SP_MS;
}

/* What the program has set is kept aside before it is overwritten. */
static void alarm_keep(struct sp_io *io)
{
    struct timeval own = {0, 0};
    socklen_t length = sizeof own;
    REAL(getsockopt)(io->fd, SOL_SOCKET, SO_RCVTIMEO, &own, &length);
    uint64_t ms = (uint64_t)own.tv_sec * 1000 + ((uint64_t)own.tv_usec + 999) / 1000;
    atomic_store(&io->conn->own_receive, ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX);
}

void sp_alarm_set(struct sp_io *io)
{
    struct sp_conn *conn = io->conn;
    uint64_t limit = conn->least ? conn->least * SP_LIMIT_UNIT : SP_NEVER;
    io->started = sp_now();
    if (sp_here.deadline != SP_NEVER) {
        uint64_t left = sp_here.deadline > io->started ? sp_here.deadline - io->started : SP_MS;
        limit = left < limit ? left : limit;
    }
    uint64_t want = limit - limit / 8, own = alarm_own(conn);
    uint32_t set = atomic_load_explicit(&conn->alarm, memory_order_relaxed);
    if (SP_LIKELY(set && set * SP_LIMIT_UNIT <= want + SP_LIMIT_UNIT))
        return;
    int error = errno;
    if (set == 0) {
        alarm_keep(io);
        own = alarm_own(conn);
    }
    uint64_t units = want / SP_LIMIT_UNIT;
    atomic_store(&conn->alarm, units < 10 ? 10 : units < UINT32_MAX ? (uint32_t)units : UINT32_MAX);
    want = atomic_load(&conn->alarm) * SP_LIMIT_UNIT;
    alarm_kernel(io->fd, own && own < want ? own : want);
    errno = error;
}

/* Waits for input until `until`; false: a signal whose handler wants EINTR. */
static bool alarm_poll(int fd, uint64_t until)
{
    for (uint64_t now = sp_now(); now < until; now = sp_now()) {
        struct pollfd one = {.fd = fd, .events = POLLIN};
        struct timespec rest = {(time_t)((until - now) / SP_SECOND),
                                (long)((until - now) % SP_SECOND)};
        int ready = REAL(ppoll)(&one, 1, &rest, NULL);
        if (ready > 0)
            return true;
        if (ready < 0 && (errno != EINTR || !sp_socket_restarts())) {
            errno = EINTR;
            return false;
        }
    }
    return true;
}

bool sp_alarm_over(struct sp_io *io)
{
    uint64_t own = alarm_own(io->conn), now = sp_now();
    uint64_t own_due = own ? io->started + own : SP_NEVER;
    if (errno == EINTR) /* a timed receive does not restart by itself, a plain one would */
        return own == 0 && sp_socket_restarts();
    for (;;) {
        uint64_t word = atomic_load(&io->conn->word);
        uint64_t due = sp_due_of(io->conn, word), end = due < own_due ? due : own_due;
        if (sp_turn_of(word) == SP_TURN_CUT)
            return false;
        if (end == SP_NEVER)
            return true; /* nothing is outstanding: go on waiting */
        if (now >= end)
            break;
        if (!alarm_poll(io->fd, end))
            return false;
        struct pollfd one = {.fd = io->fd, .events = POLLIN};
        if (REAL(poll)(&one, 1, 0) > 0)
            return true;
        now = sp_now();
    }
    if (now >= own_due) {
        errno = EAGAIN;
        return false;
    }
    sp_due_scan(now, sp_cut_expire);
    errno = ETIMEDOUT;
    return sp_turn_of(atomic_load(&io->conn->word)) != SP_TURN_CUT;
}

void sp_alarm_stdio(int fd, struct sp_conn *conn)
{
    struct timeval own = {0, 0};
    socklen_t length = sizeof own;
    int error = errno;
    sp_conn_mark(conn, SP_CONN_STDIO, true);
    REAL(getsockopt)(fd, SOL_SOCKET, SO_RCVTIMEO, &own, &length);
    if (conn->least && own.tv_sec == 0 && own.tv_usec == 0)
        alarm_kernel(fd, conn->least * SP_LIMIT_UNIT);
    REAL(getsockopt)(fd, SOL_SOCKET, SO_SNDTIMEO, &own, &length);
    if (conn->send && own.tv_sec == 0 && own.tv_usec == 0) {
        uint64_t ns = conn->send * SP_LIMIT_UNIT;
        struct timeval time = {(time_t)(ns / SP_SECOND), (suseconds_t)(ns % SP_SECOND / 1000)};
        REAL(setsockopt)(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
    }
    errno = error;
}
