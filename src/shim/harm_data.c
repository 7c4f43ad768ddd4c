/* harm_data.c - injected faults on what is received and sent: short transfers, flipped bits, an end
 * after so many bytes. Nothing is kept aside, and nothing of the program's is written to but where
 * it receives: what goes out changed goes out of a copy. */
#include "shim/await.h"
#include "shim/harm.h"
#include "shim/hold.h"

#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <string.h>

#include "base/clock.h"

#define DATA_PARTS 64
#define DATA_COPY  4096u

/* --- parts --- */

static size_t data_whole(const struct msghdr *message)
{
    size_t whole = 0;
    for (size_t i = 0; i < message->msg_iovlen; i++)
        whole += message->msg_iov[i].iov_len;
    return whole;
}

/* `length` bytes of a message from `from` on, or as many as fit. */
static size_t data_cut(const struct msghdr *message, size_t from, size_t length,
                       struct iovec *parts, size_t *count)
{
    size_t whole = 0;
    *count = 0;
    for (size_t i = 0; i < message->msg_iovlen && *count < DATA_PARTS && whole < length; i++) {
        struct iovec part = message->msg_iov[i];
        size_t skip = from < part.iov_len ? from : part.iov_len;
        from -= skip;
        part.iov_base = (char *)part.iov_base + skip;
        part.iov_len -= skip;
        if (part.iov_len > length - whole)
            part.iov_len = length - whole;
        whole += part.iov_len;
        if (part.iov_len)
            parts[(*count)++] = part;
    }
    return whole;
}

static uint32_t data_each(const sp_half *of)
{
    uint32_t own = atomic_load(&of[SP_HARM_EXCHANGE]);
    return own ? own : atomic_load(&of[SP_HARM_CONNECTION]);
}

/* The first `length` bytes in the parts are those of the stream from `at` on. */
static void data_hurt(const struct sp_harm *harm, uint32_t each, uint64_t at,
                      const struct iovec *parts, size_t length)
{
    uint64_t random = atomic_load(&harm->random);
    for (size_t i = 0; length > 0; i++) {
        unsigned char *bytes = parts[i].iov_base;
        for (size_t j = 0; j < parts[i].iov_len && length > 0; j++, length--)
            bytes[j] ^= sp_harm_flip(random, each, at++);
    }
}

/* A unix socket has no way to wake who waits for an edge: who does not block gets all there is. */
static bool data_slices(const struct sp_io *io, const struct sp_harm *harm)
{
    return atomic_load(&harm->slice) && (io->blocking || !(sp_conn_flags(io->conn) & SP_CONN_UNIX));
}

/* Set to what it is already, an option tells the waiters of its side that there is more, as the
 * kernel would: a program may take a short transfer for the last one. */
static void data_edge(int fd, int level, int option)
{
    int value = 0, error = errno;
    socklen_t length = sizeof value;
    if (REAL(getsockopt)(fd, level, option, &value, &length) == 0)
        REAL(setsockopt)(fd, level, option, &value, sizeof value);
    errno = error;
}

/* --- receiving --- */

/* The peer has closed; the program is to see it later. False: not yet, errno says why. */
static bool data_closed(const struct sp_io *io, struct sp_harm *harm)
{
    uint64_t none = 0, now = sp_now();
    atomic_compare_exchange_strong(&harm->closed, &none, now);
    uint64_t until = atomic_load(&harm->closed) + harm->close;
    if (now >= until)
        return true;
    if (!io->blocking) {
        sp_hold_input(io->conn, io->fd, until);
        errno = EAGAIN;
        return false;
    }
    return sp_await_pause(SP_ASLEEP_INJECTED, io->conn->dest, io->fd, until);
}

/* `sliced`: there may be more than the program was given, or the end, which who waits for an edge
 * has been told of. */
static void data_received(const struct sp_io *io, struct sp_harm *harm, size_t got, bool sliced)
{
    bool pauses = sliced && harm->pause;
    uint64_t next = sp_now() + harm->pause;
    atomic_fetch_add(&harm->in, got);
    if (pauses && io->blocking)
        atomic_store(&harm->next_in, next);
    if (sp_pace_moved(io, got, sliced, false) || io->blocking)
        return;
    if (pauses)
        sp_hold_input(io->conn, io->fd, next);
    else if (sliced || data_slices(io, harm) || sp_pace_room(harm) != SIZE_MAX)
        data_edge(io->fd, SOL_SOCKET, SO_RCVLOWAT);
}

/* On TCP such bytes are taken out of the queue and given to nobody. */
static bool data_dropped(const struct sp_io *io, int flags)
{
    return (flags & MSG_TRUNC) && !(sp_conn_flags(io->conn) & SP_CONN_UNIX);
}

static ssize_t data_receive(struct sp_io *io, struct msghdr *message, size_t room, int flags)
{
    struct sp_harm *harm = sp_harm_of(io->conn);
    struct iovec parts[DATA_PARTS];
    struct msghdr part = *message;
    uint64_t at = atomic_load(&harm->in);
    uint32_t each = data_each(harm->corrupt_in);
    size_t asked = data_cut(message, 0, room, parts, &part.msg_iovlen);
    if (asked < data_whole(message))
        room = asked;
    part.msg_iov = parts;
    ssize_t got = REAL(recvmsg)(io->fd, &part, flags);
    message->msg_namelen = part.msg_namelen;
    message->msg_controllen = part.msg_controllen;
    message->msg_flags = part.msg_flags;
    if (got == 0 && harm->close && !data_closed(io, harm))
        return -1;
    if (got <= 0)
        return got;
    if (each && !data_dropped(io, flags))
        data_hurt(harm, each, at, parts, (size_t)got);
    if (!(flags & MSG_PEEK))
        data_received(io, harm, (size_t)got, (size_t)got == room);
    return got;
}

ssize_t sp_harm_receive(struct sp_io *io, struct msghdr *message, int flags)
{
    struct sp_harm *harm = sp_harm_of(io->conn);
    size_t room = SIZE_MAX;
    uint64_t left = sp_harm_left(harm);
    if ((flags & (MSG_OOB | MSG_ERRQUEUE)) || data_whole(message) == 0)
        return REAL(recvmsg)(io->fd, message, flags);
    if (atomic_load(&harm->over)) {
        message->msg_namelen = 0;
        message->msg_controllen = 0;
        message->msg_flags = 0;
        return 0;
    }
    if (!sp_pace_wait(io, &harm->next_in))
        return -1;
    if (!(flags & MSG_WAITALL)) {
        size_t slice =
            data_slices(io, harm) ? sp_harm_slice(harm, atomic_load(&harm->in)) : SIZE_MAX;
        room = sp_pace_room(harm);
        room = slice < room ? slice : room;
    }
    return data_receive(io, message, left && left < room ? (size_t)left : room, flags);
}

ssize_t sp_harm_readv(struct sp_io *io, const struct iovec *parts, size_t count)
{
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = count};
    return sp_harm_receive(io, &message, 0);
}

ssize_t sp_harm_recv(struct sp_io *io, void *buffer, size_t length, int flags)
{
    struct iovec part = {buffer, length};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    return sp_harm_receive(io, &message, flags);
}

ssize_t sp_harm_recvfrom(struct sp_io *io, void *buffer, size_t length, int flags,
                         struct sockaddr *from, socklen_t *from_length)
{
    struct iovec part = {buffer, length};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    bool named = from && from_length && sp_socket_readable(from_length, sizeof *from_length);
    if (from && (!named || (int)*from_length < 0)) /* libc's own answer, which is none of data */
        return REAL(recvfrom)(io->fd, buffer, length, flags, from, from_length);
    if (named) {
        message.msg_name = from;
        message.msg_namelen = *from_length;
    }
    ssize_t got = sp_harm_receive(io, &message, flags);
    if (got >= 0 && named)
        *from_length = message.msg_namelen;
    return got;
}

size_t sp_harm_room(const struct sp_io *io, size_t length)
{
    const struct sp_harm *harm = sp_harm_of(io->conn);
    uint64_t left = atomic_load(&harm->over) ? 0 : sp_harm_left(harm);
    return left < length ? (size_t)left : length;
}

ssize_t sp_harm_moved(const struct sp_io *io, ssize_t result)
{
    if (result > 0)
        atomic_fetch_add(&sp_harm_of(io->conn)->in, (uint64_t)result);
    return result;
}

/* --- sending --- */

/* As far as it can be read: to what cannot, the kernel has the answer. */
static size_t data_copy(char *to, const struct iovec *parts, size_t count)
{
    size_t length = 0;
    for (size_t i = 0; i < count && sp_socket_readable(parts[i].iov_base, parts[i].iov_len); i++) {
        memcpy(to + length, parts[i].iov_base, parts[i].iov_len);
        length += parts[i].iov_len;
    }
    return length;
}

/* As the program's call would have been: within `deadline send`, if there is one. */
static ssize_t data_push(struct sp_io *io, const struct msghdr *part, size_t length, int flags)
{
    ssize_t sent = sp_push_bounded(io, length, flags) ? sp_push_plain(io, part, flags)
                                                      : REAL(sendmsg)(io->fd, part, flags);
    if (sent > 0)
        atomic_fetch_add(&sp_harm_of(io->conn)->out, (uint64_t)sent);
    return sent;
}

/* At most `room` bytes of the message from `done` on, hurt if they are to be. `asked`: how many. */
static ssize_t data_send(struct sp_io *io, const struct msghdr *message, size_t done, size_t room,
                         int flags, size_t *asked)
{
    const struct sp_harm *harm = sp_harm_of(io->conn);
    struct iovec parts[DATA_PARTS], copied;
    struct msghdr part = {.msg_iov = parts};
    char copy[DATA_COPY];
    uint32_t each = data_each(harm->corrupt_out);
    size_t length = data_cut(message, done, each && room > sizeof copy ? sizeof copy : room, parts,
                             &part.msg_iovlen);
    *asked = length;
    if (done == 0) { /* the ancillary data go with the first byte */
        part.msg_control = message->msg_control;
        part.msg_controllen = message->msg_controllen;
    }
    if (each && data_copy(copy, parts, part.msg_iovlen) == length) {
        copied = (struct iovec){copy, length};
        part.msg_iov = &copied;
        part.msg_iovlen = 1;
        data_hurt(harm, each, atomic_load(&harm->out), &copied, length);
    }
    return data_push(io, &part, length, flags);
}

/* One slice, which is all that the program is told of. */
static ssize_t data_send_slice(struct sp_io *io, const struct msghdr *message, size_t whole,
                               int flags)
{
    struct sp_harm *harm = sp_harm_of(io->conn);
    if (!sp_pace_wait(io, &harm->next_out))
        return -1;
    size_t slice = sp_harm_slice(harm, atomic_load(&harm->out)), room = sp_pace_room(harm), asked;
    ssize_t sent = data_send(io, message, 0, slice < room ? slice : room, flags, &asked);
    uint64_t next = sp_now() + harm->pause;
    if (sent <= 0)
        return sent;
    if (io->blocking && harm->pause)
        atomic_store(&harm->next_out, next);
    if (sp_pace_moved(io, (size_t)sent, (size_t)sent < whole, true) || io->blocking)
        return sent;
    if (harm->pause)
        sp_hold_output(io->conn, next);
    else if ((size_t)sent < whole)
        data_edge(io->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT);
    return sent;
}

static bool data_silent(const struct sp_io *io, const struct sp_harm *harm)
{
    return (sp_conn_flags(io->conn) & SP_CONN_UNIX) &&
           (atomic_load(&harm->silent[SP_HARM_CONNECTION]) ||
            atomic_load(&harm->silent[SP_HARM_EXCHANGE]));
}

/* Piece by piece: between the ends of a long vector there may be nothing. */
static bool data_readable(const struct msghdr *message)
{
    if (!sp_socket_readable(message, sizeof *message) || message->msg_iovlen > IOV_MAX)
        return false;
    const struct iovec *parts = message->msg_iov;
    for (size_t i = 0; i < message->msg_iovlen; i += DATA_PARTS) {
        size_t count = message->msg_iovlen - i;
        if (!sp_socket_readable(&parts[i],
                                (count < DATA_PARTS ? count : DATA_PARTS) * sizeof *parts))
            return false;
    }
    return true;
}

ssize_t sp_harm_send(struct sp_io *io, const struct msghdr *message, int flags)
{
    const struct sp_harm *harm = sp_harm_of(io->conn);
    if (!data_readable(message))
        return REAL(sendmsg)(io->fd, message, flags);
    size_t whole = data_whole(message), done = 0;
    if (data_silent(io, harm))
        return (ssize_t)whole;
    if (whole > 0 && data_slices(io, harm))
        return data_send_slice(io, message, whole, flags);
    size_t room = sp_pace_room(harm), asked;
    do {
        if (!sp_pace_wait(io, &harm->next_out))
            return done > 0 ? (ssize_t)done : -1;
        ssize_t sent = data_send(io, message, done, room, flags, &asked);
        if (sent <= 0)
            return done > 0 ? (ssize_t)done : sent;
        done += (size_t)sent;
        if (!sp_pace_moved(io, (size_t)sent, done < whole, true) && room != SIZE_MAX &&
            !io->blocking && done < whole)
            data_edge(io->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT);
        if (io->blocking && (size_t)sent < asked)
            break;             /* by a signal, or it has failed, which the next call is told */
        flags |= MSG_NOSIGNAL; /* what has sent something never raises SIGPIPE */
    } while (done < whole && (io->blocking || room == SIZE_MAX));
    return (ssize_t)done;
}
