/* push.c - a blocking send to a peer that stops reading. What fits is sent without waiting, and the
 * wait for room is a poll() until something is due: a healthy send is the one call it was. */
#include "shim/harm.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <string.h>

#include "base/clock.h"

#define PUSH_PARTS 64

/* The program's own SO_SNDTIMEO ends it with its own errno. */
static uint64_t push_own(int fd)
{
    uint64_t limit = sp_socket_timeout(fd, SO_SNDTIMEO);
    return limit ? sp_now() + limit : SP_NEVER;
}

static bool push_cut(const struct sp_io *io)
{
    return sp_turn_of(atomic_load(&io->conn->word)) == SP_TURN_CUT;
}

/* Waits for room. False: errno says why there is none. What failed behind the first bytes is told
 * by the next call, as the kernel does; and a number that is no longer ours gets none of them. */
static bool push_wait(struct sp_io *io, uint64_t own, bool begun)
{
    for (;;) {
        uint64_t now = sp_now(), due = sp_due_of(io->conn, atomic_load(&io->conn->word));
        if (now >= due) {
            sp_due_scan(now, sp_cut_expire);
            due = sp_due_of(io->conn, atomic_load(&io->conn->word));
        }
        if (now >= due || now >= own || push_cut(io)) {
            errno = now >= own && !push_cut(io) ? EAGAIN : ETIMEDOUT;
            return false;
        }
        uint64_t until = due < own ? due : own;
        struct pollfd one = {.fd = io->fd, .events = POLLOUT};
        uint64_t left = until > now ? until - now : 0;
        struct timespec rest = {(time_t)(left / SP_SECOND), (long)(left % SP_SECOND)};
        int ready = REAL(ppoll)(&one, 1, &rest, NULL);
        /* What was sent, or has a timer, ends with any signal, as in the kernel; else a call that
         * goes on after one begins anew, with a try. */
        if (ready < 0 && (begun || errno != EINTR || own != SP_NEVER || !sp_socket_restarts()))
            return false;
        if (ready == 0)
            continue;
        errno = EBADF;
        return sp_conn_entry(io->fd) == io->entry && !push_cut(io) &&
               !(begun && (one.revents & (POLLERR | POLLHUP)));
    }
}

static size_t push_whole(const struct msghdr *message)
{
    size_t whole = 0;
    for (size_t i = 0; i < message->msg_iovlen; i++)
        whole += message->msg_iov[i].iov_len;
    return whole;
}

/* The part of a message behind its first `done` bytes, which took the ancillary data with them. */
static void push_rest(const struct msghdr *message, size_t done, struct msghdr *rest,
                      struct iovec *parts)
{
    size_t count = 0;
    for (size_t i = 0; i < message->msg_iovlen && count < PUSH_PARTS; i++) {
        struct iovec part = message->msg_iov[i];
        if (done >= part.iov_len) {
            done -= part.iov_len;
            continue;
        }
        parts[count].iov_base = (char *)part.iov_base + done;
        parts[count++].iov_len = part.iov_len - done;
        done = 0;
    }
    *rest = (struct msghdr){.msg_iov = parts, .msg_iovlen = count};
}

/* Does the kernel go on without a sleep? There may be room, which poll() speaks of only when it is
 * a third (on a unix socket a try says); and no error waits, which a try would take from the next
 * call. */
static bool push_goes_on(int fd)
{
    uint32_t memory[SK_MEMINFO_VARS] = {0};
    socklen_t length = sizeof memory;
    return !(sp_socket_now(fd, POLLOUT) & (POLLERR | POLLHUP)) &&
           REAL(getsockopt)(fd, SOL_SOCKET, SO_MEMINFO, memory, &length) == 0 &&
           memory[SK_MEMINFO_WMEM_QUEUED] < memory[SK_MEMINFO_SNDBUF];
}

/* It is over. What room there is on a unix socket is used even then. */
static ssize_t push_last(const struct sp_io *io, const struct msghdr *next, int flags, size_t done)
{
    int error = errno;
    bool more = done > 0 && error == EAGAIN && (sp_conn_flags(io->conn) & SP_CONN_UNIX) &&
                push_goes_on(io->fd);
    ssize_t sent = more ? REAL(sendmsg)(io->fd, next, flags) : -1;
    errno = error;
    done += sent > 0 ? (size_t)sent : 0;
    return done > 0 ? (ssize_t)done : -1; /* a cut is told by the next call */
}

/* The program's message is followed only when the kernel has taken some of it, or would have. */
ssize_t sp_push_plain(struct sp_io *io, const struct msghdr *message, int flags)
{
    struct iovec parts[PUSH_PARTS];
    struct msghdr rest;
    const struct msghdr *next = message;
    size_t done = 0;
    uint64_t own = 0;
    bool moved = false;
    flags |= MSG_DONTWAIT | MSG_NOSIGNAL; /* what has sent something never raises SIGPIPE */
    for (;;) {
        ssize_t sent = REAL(sendmsg)(io->fd, next, flags);
        if (sent < 0 && errno != EAGAIN)
            return done > 0 ? (ssize_t)done : -1;
        done += sent > 0 ? (size_t)sent : 0;
        if (sent > 0 && own)
            sp_turn_more(io->conn, io->word, sp_now());
        if (sent >= 0 && done >= push_whole(message))
            return (ssize_t)done;
        moved = moved || sent > 0;
        if (done > 0) {
            push_rest(message, done, &rest, parts);
            next = &rest;
        }
        if (sent > 0 && push_goes_on(io->fd)) /* what was acknowledged meanwhile made room */
            continue;
        if (own == 0)
            own = push_own(io->fd);
        if (io->conn->send)
            sp_turn_pushed(io->conn, moved);
        if (!push_wait(io, own, done > 0))
            return push_last(io, next, flags, done);
        moved = false;
    }
}

ssize_t sp_push_message(struct sp_io *io, const struct msghdr *message, int flags)
{
    return SP_UNLIKELY(io->harmed) ? sp_harm_send(io, message, flags)
                                   : sp_push_plain(io, message, flags);
}

ssize_t sp_push(struct sp_io *io, const void *buffer, size_t length, int flags)
{
    struct iovec part = {(void *)(uintptr_t)buffer, length};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    return sp_push_message(io, &message, flags);
}
