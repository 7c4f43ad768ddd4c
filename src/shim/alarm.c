/* alarm.c - response deadlines of blocking receives. The kernel's timer is only an alarm: set once
 * a connection, at 7/8, because it is late by up to an eighth and counts from the receive instead
 * of the send. When it goes, what is left is waited for in poll(), which is precise. For a
 * receive that begins long after its send it is set anew, to less. A healthy exchange makes no
 * system call for it. */
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

static bool alarm_mine(const struct sp_io *io)
{
    return sp_conn_entry(io->fd) == io->entry && sp_socket_is(io->fd, io->conn);
}

/* What the program has set is kept aside before it is overwritten. */
static void alarm_keep(int fd, struct sp_conn *conn)
{
    struct timeval own = {0, 0};
    socklen_t length = sizeof own;
    REAL(getsockopt)(fd, SOL_SOCKET, SO_RCVTIMEO, &own, &length);
    uint64_t ms = (uint64_t)own.tv_sec * 1000 + ((uint64_t)own.tv_usec + 999) / 1000;
    atomic_store(&conn->own_receive, ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX);
    int least = 1;
    atomic_store_explicit(&sp_alarm_used, true, memory_order_relaxed);
    length = sizeof least;
    REAL(getsockopt)(fd, SOL_SOCKET, SO_RCVLOWAT, &least, &length);
    sp_conn_mark(conn, SP_CONN_LOWAT, least > 1);
}

void sp_alarm_lift(int fd, struct sp_conn *conn)
{
    int error = errno;
    if (atomic_exchange(&conn->alarm, 0) != 0)
        alarm_kernel(fd, alarm_own(conn));
    errno = error;
}

static uint64_t alarm_limit(const struct sp_conn *conn, uint64_t now)
{
    uint64_t limit = conn->least ? conn->least * SP_LIMIT_UNIT : SP_NEVER;
    if (sp_here.deadline != SP_NEVER) {
        uint64_t left = sp_here.deadline > now ? sp_here.deadline - now : SP_MS;
        limit = left < limit ? left : limit;
    }
    return limit;
}

static void alarm_write(struct sp_io *io, uint64_t want)
{
    uint64_t units = want / SP_LIMIT_UNIT, own = alarm_own(io->conn);
    units = units < 10 ? 10 : units < UINT32_MAX ? units : UINT32_MAX;
    atomic_store(&io->conn->alarm, (uint32_t)units);
    want = units * SP_LIMIT_UNIT;
    alarm_kernel(io->fd, own && own < want ? own : want);
}

/* 7/8 of the shortest limit, or of what is left of this turn when the alarm would come too late for
 * it. */
static uint64_t alarm_want(const struct sp_io *io, uint64_t set)
{
    uint64_t limit = alarm_limit(io->conn, io->started), due = sp_due_of(io->conn, io->word);
    uint64_t timer = set ? set : limit - limit / 8;
    if (due != SP_NEVER && io->started + timer + timer / 8 > due + SP_ALARM_LATE)
        limit = due > io->started ? due - io->started : 0;
    return limit - limit / 8;
}

void sp_alarm_set(struct sp_io *io)
{
    struct sp_conn *conn = io->conn;
    io->started = io->tried = sp_now();
    uint64_t set = atomic_load_explicit(&conn->alarm, memory_order_relaxed) * SP_LIMIT_UNIT;
    uint64_t want = alarm_want(io, set);
    if (SP_LIKELY(set && set <= want + SP_LIMIT_UNIT) ||
        (sp_conn_flags(conn) & SP_CONN_STDIO)) /* the full limit, as sp_alarm_stdio has set it */
        return;
    int error = errno;
    if (set == 0 && alarm_mine(io))
        alarm_keep(io->fd, conn);
    if (!alarm_mine(io) || (sp_conn_flags(conn) & SP_CONN_UNTIMED))
        io->started = 0; /* a stranger's timer is not ours to set */
    else
        alarm_write(io, want);
    errno = error;
}

/* Is there input before `until`? 1 yes, 0 no, -1: a signal whose handler wants EINTR. */
static int alarm_poll(const struct sp_io *io, uint64_t until)
{
    for (;;) {
        uint64_t now = sp_now(), left = until > now ? until - now : 0;
        struct pollfd one = {.fd = io->fd, .events = POLLIN};
        struct timespec rest = {(time_t)(left / SP_SECOND), (long)(left % SP_SECOND)};
        int ready = REAL(ppoll)(&one, 1, until == SP_NEVER ? NULL : &rest, NULL);
        if (ready >= 0)
            return ready;
        if (io->brittle || errno != EINTR || !sp_socket_restarts()) {
            errno = EINTR;
            return -1;
        }
    }
}

/* It is due. 1: receive all the same, for something has come meanwhile; 0: not yet; -1: it is over.
 */
static int alarm_due(struct sp_io *io, uint64_t now)
{
    sp_due_scan(now, sp_cut_expire);
    uint64_t word = atomic_load(&io->conn->word);
    bool cut = sp_turn_of(word) == SP_TURN_CUT;
    if (!cut && sp_due_of(io->conn, word) > now)
        return 0;
    int result = !cut && alarm_poll(io, now) > 0 ? 1 : -1;
    errno = ETIMEDOUT;
    return result;
}

/* Waits for input as long as nothing is due. True: receive; false: errno says why not. Under an
 * alarm the wait is left to the kernel as soon as nothing is outstanding. */
static bool alarm_wait(struct sp_io *io, uint64_t own_due, bool alarmed)
{
    for (;;) {
        uint64_t now = sp_now(), word = atomic_load(&io->conn->word);
        uint64_t due = sp_due_of(io->conn, word), end = due < own_due ? due : own_due;
        if (sp_turn_of(word) == SP_TURN_CUT)
            return false;
        errno = EAGAIN;
        if (now >= own_due)
            return false;
        if (alarmed && end == SP_NEVER)
            return true;
        /* What another thread sends meanwhile cannot be due earlier. */
        uint64_t look = io->conn->least ? now + io->conn->least * SP_LIMIT_UNIT : SP_NEVER;
        int ready = now >= end ? alarm_due(io, now) : alarm_poll(io, end < look ? end : look);
        if (ready != 0)
            return ready > 0;
        if (!alarm_mine(io)) {
            errno = EBADF;
            return false;
        }
    }
}

/* O_NONBLOCK may have been set behind our back, by a raw system call or through a duplicate. */
static bool alarm_nonblocking(const struct sp_io *io)
{
    int flags = REAL(fcntl)(io->fd, F_GETFL);
    bool nonblocking = flags >= 0 && (flags & O_NONBLOCK);
    if (nonblocking) {
        sp_conn_mark(io->conn, SP_CONN_NONBLOCK, true);
        sp_alarm_lift(io->fd, io->conn);
    }
    return nonblocking;
}

/* EAGAIN came at once: for that reason, or the other side of a splice said it. */
static bool alarm_foreign(const struct sp_io *io)
{
    uint64_t set = atomic_load(&io->conn->alarm) * SP_LIMIT_UNIT, own = alarm_own(io->conn);
    uint64_t timer = own && own < set ? own : set;
    bool nonblocking = alarm_nonblocking(io);
    errno = EAGAIN;
    return nonblocking || (timer >= 20 * SP_MS && sp_now() - io->tried < timer / 2);
}

bool sp_alarm_over(struct sp_io *io)
{
    uint64_t own = alarm_own(io->conn);
    bool interrupted = errno == EINTR; /* a timed receive does not restart by itself */
    if (interrupted && (own != 0 || !sp_socket_restarts()))
        return false;
    if (!alarm_mine(io)) { /* closed by another thread: its number may be a stranger's by now */
        errno = EBADF;
        return false;
    }
    io->brittle = own != 0;
    if ((!interrupted && alarm_foreign(io)) ||
        !alarm_wait(io, own ? io->started + own : SP_NEVER, true))
        return false;
    io->tried = sp_now();
    uint64_t limit = alarm_limit(io->conn, io->tried);
    if (sp_due_of(io->conn, atomic_load(&io->conn->word)) == SP_NEVER &&
        atomic_load(&io->conn->alarm) * SP_LIMIT_UNIT < limit / 2)
        alarm_write(io, limit - limit / 8); /* it was short for a turn that is over */
    return true;
}

bool sp_alarm_whole(struct sp_io *io)
{
    if (!alarm_mine(io))
        return true;
    if (alarm_nonblocking(io)) {
        errno = EAGAIN;
        return false;
    }
    sp_alarm_lift(io->fd, io->conn);
    uint64_t limit = sp_socket_timeout(io->fd, SO_RCVTIMEO);
    io->brittle = io->brittle || limit;
    return alarm_wait(io, limit ? sp_now() + limit : SP_NEVER, false);
}

void sp_alarm_stdio(int fd, struct sp_conn *conn)
{
    struct timeval own = {0, 0};
    socklen_t length = sizeof own;
    int error = errno;
    if (atomic_load(&conn->alarm) == 0)
        alarm_keep(fd, conn);
    sp_conn_mark(conn, SP_CONN_STDIO, true);
    if (sp_socket_recurs()) { /* a timed call would end with EINTR where libc's goes on */
        sp_alarm_lift(fd, conn);
        errno = error;
        return;
    }
    if (conn->least && alarm_own(conn) == 0)
        alarm_kernel(fd, conn->least * SP_LIMIT_UNIT);
    REAL(getsockopt)(fd, SOL_SOCKET, SO_SNDTIMEO, &own, &length);
    if (conn->send && own.tv_sec == 0 && own.tv_usec == 0) {
        uint64_t ns = conn->send * SP_LIMIT_UNIT;
        struct timeval time = {(time_t)(ns / SP_SECOND), (suseconds_t)(ns % SP_SECOND / 1000)};
        REAL(setsockopt)(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
    }
    errno = error;
}
