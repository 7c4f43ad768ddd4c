/* fd.c - where fds come from, are copied, and end. Numbers are reused, often behind our back. */
#include "conn/dial.h"
#include "shim/harm.h"
#include "shim/hold.h"
#include "shim/kind.h"
#include "shim/lowat.h"
#include "shim/pin.h"
#include "shim/stay.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>

#include "base/clock.h"

#ifndef CLOSE_RANGE_CLOEXEC /* an older libc's headers */
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

void sp_fd_clear(int fd);
void sp_fd_clear(int fd)
{
    uint64_t entry = sp_conn_entry(fd);
    int error = errno;
    sp_kind_forget(fd);
    if (entry && !sp_process_foreign())
        sp_cut_forget(fd, entry);
    errno = error;
}

/* --- ending --- */

/* A connect whose result nobody asked for: the last chance to hear it. */
static void fd_hear(int fd, uint64_t entry)
{
    struct sp_conn *conn = sp_conn_at(entry);
    int failed = 0;
    socklen_t length = sizeof failed;
    if (SP_UNLIKELY(sp_conn_flags(conn) & SP_CONN_HARMED))
        sp_harm_close(conn, fd);
    if (sp_turn_of(atomic_load(&conn->word)) != SP_TURN_CONNECTING || !sp_socket_is(fd, conn) ||
        REAL(getsockopt)(fd, SOL_SOCKET, SO_ERROR, &failed, &length) != 0)
        return;
    if (failed || sp_socket_connected(fd))
        sp_connect_learnt(fd, entry, failed);
}

/* The kernel says it once: who has a copy is to hear it from there. */
static bool fd_last(uint64_t entry)
{
    return atomic_load(&sp_conn_at(entry)->references) == 1;
}
static void fd_hear_last(int fd, uint64_t entry)
{
    if (fd_last(entry))
        fd_hear(fd, entry);
}

struct sp_conn *sp_fd_leave(int fd, uint64_t entry)
{
    int error = errno;
    if (fd_last(entry)) {
        fd_hear(fd, entry);
        if (SP_UNLIKELY(sp_conn_flags(sp_conn_at(entry)) & SP_CONN_HELD))
            sp_hold_close(sp_conn_at(entry), fd);
    }
    struct sp_conn *conn = sp_conn_remove(fd, entry) ? sp_conn_at(entry) : NULL;
    if (conn && SP_UNLIKELY(sp_conn_flags(conn) & SP_CONN_PINNED))
        sp_pin_wait(conn);
    errno = error;
    return conn;
}

static __attribute__((noinline, cold)) void fd_over(struct sp_conn *conn)
{
    int error = errno;
    sp_turn_over(conn, sp_now());
    errno = error;
}

void sp_fd_left(struct sp_conn *conn)
{
    if (sp_conn_drop(conn) && !sp_quick_dial_over(conn))
        fd_over(conn);
}

static __attribute__((noinline, cold)) int fd_close(int fd, uint64_t entry)
{
    struct sp_conn *conn = sp_fd_leave(fd, entry);
    int result = REAL(close)(fd);
    if (conn)
        sp_fd_left(conn);
    return result;
}

/* Nothing is to be heard of it before. */
static __attribute__((noinline)) int fd_close_idle(int fd, uint64_t entry)
{
    struct sp_conn *conn = sp_conn_at(entry);
    if (SP_UNLIKELY(!sp_quick_dial_idle(conn)))
        return fd_close(fd, entry);
    bool mine = sp_conn_remove(fd, entry);
    if (SP_UNLIKELY(mine && (sp_conn_flags(conn) & SP_CONN_PINNED))) /* by another thread */
        sp_pin_wait(conn);
    int result = REAL_EARLY(close)(fd);
    if (SP_LIKELY(mine) && SP_LIKELY(sp_conn_drop(conn)) && SP_UNLIKELY(!sp_quick_dial_over(conn)))
        fd_over(conn);
    return result;
}

SP_EXPORT int close(int fd)
{
    uint64_t entry = sp_conn_entry(fd);
    sp_kind_forget(fd);
    if (SP_LIKELY(entry == 0) || sp_process_foreign())
        return REAL(close)(fd);
    return fd_close_idle(fd, entry);
}

void sp_fd_each(unsigned first, unsigned last, void (*what)(int fd, uint64_t entry))
{
    uint32_t high = atomic_load(&sp_here.fd_high);
    for (unsigned fd = first; fd <= last && fd < high; fd++) {
        uint64_t entry = sp_conn_entry((int)fd);
        if (entry)
            what((int)fd, entry);
    }
}

static void fd_forget_kinds(unsigned first, unsigned last)
{
    uint32_t high = atomic_load_explicit(&sp_here.kind_high, memory_order_relaxed);
    for (unsigned fd = first; fd <= last && fd < high; fd++)
        sp_kind_forget((int)fd);
}

static bool fd_range_guarded(unsigned first)
{
    return first < atomic_load_explicit(&sp_here.fd_high, memory_order_relaxed) &&
           !sp_process_foreign();
}

SP_EXPORT int close_range(unsigned first, unsigned last, int flags)
{
    if (!(flags & CLOSE_RANGE_CLOEXEC))
        fd_forget_kinds(first, last);
    if ((flags & CLOSE_RANGE_CLOEXEC) || !fd_range_guarded(first))
        return REAL(close_range)(first, last, flags);
    sp_fd_each(first, last, fd_hear_last);
    int result = REAL(close_range)(first, last, flags);
    if (result == 0)
        sp_fd_each(first, last, sp_cut_forget);
    return result;
}

SP_EXPORT void closefrom(int low)
{
    bool guarded = fd_range_guarded(low < 0 ? 0 : (unsigned)low);
    fd_forget_kinds(low < 0 ? 0 : (unsigned)low, UINT_MAX);
    if (guarded)
        sp_fd_each(low < 0 ? 0 : (unsigned)low, UINT_MAX, fd_hear_last);
    REAL(closefrom)(low);
    if (guarded)
        sp_fd_each(low < 0 ? 0 : (unsigned)low, UINT_MAX, sp_cut_forget);
}

SP_EXPORT int shutdown(int fd, int how)
{
    uint64_t entry = sp_conn_entry(fd);
    int result = REAL(shutdown)(fd, how);
    if (SP_LIKELY(entry == 0) || result != 0 || how == SHUT_WR || !sp_shim_on())
        return result;
    /* The program will hear no answer any more: nothing of it is due. */
    struct sp_conn *conn = sp_conn_at(entry);
    uint64_t word = atomic_load(&conn->word);
    if (sp_turn_of(word) == SP_TURN_EXCHANGE)
        sp_turn_end(conn, word, SP_OUTCOME_ABANDONED, sp_now());
    return result;
}

/* --- copying --- */

/* `copy` names what `entry` named; a connection that is over meanwhile is left unguarded. */
static int fd_copied(uint64_t entry, int copy)
{
    if (copy >= 0)
        sp_kind_forget(copy);
    if (copy < 0 || SP_LIKELY(entry == 0 && sp_conn_entry(copy) == 0) || sp_process_foreign())
        return copy;
    if (entry && sp_conn_entry(copy) == entry)
        return copy; /* dup2(fd, fd) */
    sp_fd_fresh(copy);
    if (entry) {
        sp_stay_over(copy, entry); /* who gets the copy may not be seen */
        sp_conn_install(copy, sp_conn_at(entry), (uint32_t)(entry >> 32));
    }
    return copy;
}

SP_EXPORT int dup(int fd)
{
    uint64_t entry = sp_conn_entry(fd);
    sp_kind_forget(fd); /* from here on two numbers change one mode */
    return fd_copied(entry, REAL(dup)(fd));
}

SP_EXPORT int dup2(int fd, int to)
{
    uint64_t entry = sp_conn_entry(fd);
    sp_kind_forget(fd);
    return fd_copied(entry, REAL(dup2)(fd, to));
}

SP_EXPORT int dup3(int fd, int to, int flags)
{
    uint64_t entry = sp_conn_entry(fd);
    sp_kind_forget(fd);
    return fd_copied(entry, REAL(dup3)(fd, to, flags));
}

/* --- modes: learnt, never changed --- */

static void fd_mode(int fd, uint64_t entry, bool nonblocking)
{
    struct sp_conn *conn = sp_conn_at(entry);
    if (sp_process_foreign())
        return;
    sp_conn_mark(conn, SP_CONN_NONBLOCK, nonblocking);
    sp_lowat_mode(conn, fd, nonblocking);
    if (nonblocking && conn->alarm != 0) /* the way back may be a raw system call */
        sp_alarm_lift(fd, conn);
}

static int fd_control(int fd, int command, void *argument, int result)
{
    uint64_t entry = sp_conn_entry(fd);
    if (command == F_SETFL && result == 0)
        sp_kind_mode(fd, (uintptr_t)argument & O_NONBLOCK);
    if (command == F_DUPFD || command == F_DUPFD_CLOEXEC)
        sp_kind_forget(fd);
    if (command == F_DUPFD || command == F_DUPFD_CLOEXEC)
        return fd_copied(entry, result);
    if (command == F_SETFL && result == 0 && SP_UNLIKELY(entry != 0))
        fd_mode(fd, entry, (uintptr_t)argument & O_NONBLOCK);
    return result;
}

SP_EXPORT int fcntl(int fd, int command, ...)
{
    va_list args;
    va_start(args, command);
    void *argument = va_arg(args, void *);
    va_end(args);
    return fd_control(fd, command, argument, REAL(fcntl)(fd, command, argument));
}

SP_EXPORT int fcntl64(int fd, int command, ...)
{
    va_list args;
    va_start(args, command);
    void *argument = va_arg(args, void *);
    va_end(args);
    return fd_control(fd, command, argument, REAL(fcntl64)(fd, command, argument));
}

SP_EXPORT int ioctl(int fd, unsigned long request, ...)
{
    va_list args;
    va_start(args, request);
    void *argument = va_arg(args, void *);
    va_end(args);
    int result = REAL(ioctl)(fd, request, argument);
    uint64_t entry = sp_conn_entry(fd);
    if (SP_UNLIKELY(request == FIONREAD && result == 0 && entry != 0) &&
        (sp_hold_hides(sp_conn_at(entry)) & SP_HOLD_IN))
        *(int *)argument = 0;
    if (SP_LIKELY(request != FIONBIO || result != 0))
        return result;
    sp_kind_mode(fd, *(const int *)argument != 0);
    if (SP_UNLIKELY(entry != 0))
        fd_mode(fd, entry, *(const int *)argument != 0);
    return result;
}
