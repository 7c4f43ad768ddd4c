/* receive.c - every call that receives: the first byte of an answer ends the exchange. */
#include "shim/harm.h"
#include "shim/wrapper.h"

#include <errno.h>
#include <limits.h>

/* What is harmed receives its own way; what the _chk twins check stays theirs to refuse. */
#define SP_HARMED(own, call)     (SP_UNLIKELY(io.harmed) ? (own) : (call))
#define SP_HARMED_CHK(own, call) (SP_UNLIKELY(io.harmed) && length <= size ? (own) : (call))

/* To receive nothing is to wait for something: a timer must not end that either. But a read() of
 * nothing never reaches the socket. */
#define FLAGS(flags, length) ((flags) | ((length) == 0 ? MSG_WAITALL : 0))

SP_WRAPPER_RECEIVE(ssize_t, recv, (int fd, void *buffer, size_t length, int flags),
                   (fd, buffer, length, flags), fd,
                   SP_QUICK_RECEIVING(fd, flags, length, guarded_recv(fd, buffer, length, flags),
                                      alarmed_recv(fd, buffer, length, flags, mine, turn),
                                      REAL_EARLY(recv)(fd, buffer, length, flags));
                   , SP_ALARM_RECEIVING(fd, SP_STACK_4(fd, buffer, length, flags),
                                        guarded_recv(fd, buffer, length, flags),
                                        REAL_EARLY(recv)(fd, buffer, length, flags));
                   , SP_RECEIVING(fd, FLAGS(flags, length), length, result,
                                  SP_HARMED(sp_harm_recv(&io, buffer, length, flags),
                                            sp_pull_wanted(&io, flags)
                                                ? sp_pull(&io, buffer, length, flags)
                                                : REAL(recv)(fd, buffer, length, flags)));)

SP_WRAPPER_RECEIVE(
    ssize_t, recvfrom,
    (int fd, void *buffer, size_t length, int flags, struct sockaddr *from, socklen_t *from_length),
    (fd, buffer, length, flags, from, from_length), fd,
    SP_QUICK_RECEIVING(fd, flags, length,
                       guarded_recvfrom(fd, buffer, length, flags, from, from_length),
                       alarmed_recvfrom(fd, buffer, length, flags, from, from_length, mine, turn),
                       REAL_EARLY(recvfrom)(fd, buffer, length, flags, from, from_length));
    , SP_ALARM_RECEIVING(fd, SP_STACK_6(fd, buffer, length, flags, from, from_length),
                         guarded_recvfrom(fd, buffer, length, flags, from, from_length),
                         REAL_EARLY(recvfrom)(fd, buffer, length, flags, from, from_length));
    , SP_RECEIVING(fd, FLAGS(flags, length), length, result,
                   SP_HARMED(sp_harm_recvfrom(&io, buffer, length, flags, from, from_length),
                             REAL(recvfrom)(fd, buffer, length, flags, from, from_length)));)

SP_WRAPPER_RECEIVE(
    ssize_t, read, (int fd, void *buffer, size_t length), (fd, buffer, length), fd,
    SP_QUICK_RECEIVING(fd, 0, length, guarded_read(fd, buffer, length),
                       alarmed_read(fd, buffer, length, mine, turn),
                       REAL_EARLY(read)(fd, buffer, length));
    , SP_ALARM_RECEIVING(fd, SP_STACK_3(fd, buffer, length), guarded_read(fd, buffer, length),
                         REAL_EARLY(read)(fd, buffer, length));
    , if (length == 0) return REAL(read)(fd, buffer, length);
    SP_RECEIVING(fd, 0, length, result,
                 SP_HARMED(sp_harm_recv(&io, buffer, length, 0), REAL(read)(fd, buffer, length)));)

SP_WRAPPER(ssize_t, __recv_chk, (int fd, void *buffer, size_t length, size_t size, int flags),
           (fd, buffer, length, size, flags), fd,
           SP_RECEIVING(fd, flags, length, result,
                        SP_HARMED_CHK(sp_harm_recv(&io, buffer, length, flags),
                                      REAL(__recv_chk)(fd, buffer, length, size, flags)));)

SP_WRAPPER(ssize_t, __recvfrom_chk,
           (int fd, void *buffer, size_t length, size_t size, int flags, struct sockaddr *from,
            socklen_t *from_length),
           (fd, buffer, length, size, flags, from, from_length), fd,
           SP_RECEIVING(fd, flags, length, result,
                        SP_HARMED_CHK(sp_harm_recv(&io, buffer, length, flags),
                                      REAL(__recvfrom_chk)(fd, buffer, length, size, flags, from,
                                                           from_length)));)

SP_WRAPPER(ssize_t, __read_chk, (int fd, void *buffer, size_t length, size_t size),
           (fd, buffer, length, size), fd,
           if (length == 0) return REAL(__read_chk)(fd, buffer, length, size);
           SP_RECEIVING(fd, 0, length, result,
                        SP_HARMED_CHK(sp_harm_recv(&io, buffer, length, 0),
                                      REAL(__read_chk)(fd, buffer, length, size)));)

/* Read only after the kernel has accepted the same vector, and only to tell 0 of 0 from the end. */
static size_t receive_asked(const struct iovec *parts, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += parts[i].iov_len;
    return total;
}

/* Where input is waited for before the call: what the kernel refuses at once must not wait. */
static bool receive_waits(int fd, int flags)
{
    uint64_t entry = sp_conn_entry(fd);
    return entry && ((flags & MSG_WAITALL) || (sp_conn_flags(sp_conn_at(entry)) & SP_CONN_UNTIMED));
}

static bool receive_vector(const struct iovec *parts, size_t count)
{
    return count <= IOV_MAX && (count == 0 || sp_socket_readable(parts, count * sizeof *parts));
}

static bool receive_header(const struct msghdr *message)
{
    return sp_socket_readable(message, sizeof *message) &&
           receive_vector(message->msg_iov, message->msg_iovlen);
}

static ssize_t receive_parts(int fd, const struct iovec *parts, int count)
{
    SP_RECEIVING(fd, 0, receive_asked(parts, (size_t)count), result,
                 SP_UNLIKELY(io.harmed) && receive_vector(parts, (size_t)count)
                     ? sp_harm_readv(&io, parts, (size_t)count)
                     : REAL(readv)(fd, parts, count));
}

SP_WRAPPER(ssize_t, readv, (int fd, const struct iovec *parts, int count), (fd, parts, count), fd,
           if (receive_waits(fd, 0) &&
               !(receive_vector(parts, (size_t)count) &&
                 receive_asked(parts, (size_t)count) > 0)) return REAL(readv)(fd, parts, count);
           return receive_parts(fd, parts, count);)

static void receive_fresh(int fd)
{
    sp_fd_fresh(fd);
}

/* Fds that arrive in a message are new numbers, too. */
static ssize_t receive_fds(struct msghdr *message, ssize_t result)
{
    if (SP_UNLIKELY(result >= 0 && message->msg_controllen != 0))
        sp_rights_each(message->msg_control, message->msg_controllen, receive_fresh);
    return result;
}

static ssize_t receive_message(struct sp_io *io, int fd, struct msghdr *message, int flags)
{
    return receive_fds(message, SP_UNLIKELY(io->harmed) && receive_header(message)
                                    ? sp_harm_receive(io, message, flags)
                                    : REAL(recvmsg)(fd, message, flags));
}

/* Of what is harmed one at a time. */
static int receive_one(struct sp_io *io, struct mmsghdr *message, int flags)
{
    ssize_t got = receive_message(io, io->fd, &message->msg_hdr, flags & ~MSG_WAITFORONE);
    message->msg_len = got > 0 ? (unsigned)got : 0;
    return got < 0 ? -1 : 1;
}

static int receive_messages(struct sp_io *io, int fd, struct mmsghdr *messages, unsigned count,
                            int flags, struct timespec *timeout)
{
    if (SP_UNLIKELY(io->harmed) && count && sp_socket_readable(messages, sizeof *messages))
        return receive_one(io, messages, flags);
    int result = REAL(recvmmsg)(fd, messages, count, flags, timeout);
    for (int i = 0; i < result; i++)
        receive_fds(&messages[i].msg_hdr, 0);
    return result;
}

SP_EXPORT ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    if (SP_UNLIKELY(receive_waits(fd, flags)) && !receive_header(message))
        return REAL(recvmsg)(fd, message, flags);
    SP_RECEIVING(fd, flags, receive_asked(message->msg_iov, message->msg_iovlen), result,
                 receive_message(&io, fd, message, flags));
}

SP_EXPORT int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags,
                       struct timespec *timeout)
{
    int whole = count > 1 && !(flags & MSG_WAITFORONE) ? MSG_WAITALL : 0;
    if (SP_UNLIKELY(receive_waits(fd, flags | whole)) &&
        !(count && sp_socket_readable(messages, sizeof *messages)))
        return REAL(recvmmsg)(fd, messages, count, flags, timeout);
    SP_RECEIVING(fd, flags | whole, count, sp_io_messages(messages, result),
                 receive_messages(&io, fd, messages, count, flags, timeout));
}

static ssize_t splice_harmed(const struct sp_io *io, loff_t *from_at, int to, loff_t *to_at,
                             size_t length, unsigned flags)
{
    length = sp_harm_room(io, length);
    /* cppcheck-suppress uninitvar ; only what was filled is harmed */
    return length ? sp_harm_moved(io, REAL(splice)(io->fd, from_at, to, to_at, length, flags)) : 0;
}

#define SPLICE_FLAGS 15u /* that there are */

/* Would the kernel wait for input? It looks at its arguments and the pipe first. SPLICE_F_NONBLOCK
 * is about the pipe: a TCP socket is waited for all the same. */
static bool splice_waits(int from, const loff_t *from_at, int to, const loff_t *to_at,
                         size_t length, unsigned flags)
{
    bool local = sp_conn_flags(sp_conn_at(sp_conn_entry(from))) & SP_CONN_UNIX;
    int error = errno, mode = REAL(fcntl)(to, F_GETFL), size = REAL(fcntl)(to, F_GETPIPE_SZ);
    bool at_once = (flags & SPLICE_F_NONBLOCK) || (mode & O_NONBLOCK);
    errno = error;
    if (length == 0 || from_at || to_at || (flags & ~SPLICE_FLAGS) || size <= 0)
        return false;
    return !at_once || (!local && sp_socket_ready(to, POLLOUT));
}

/* From or to a pipe, in the kernel: one of the two may be ours. */
static ssize_t splice_in(int from, loff_t *from_at, int to, loff_t *to_at, size_t length,
                         unsigned flags)
{
    bool at_once = receive_waits(from, 0) && !splice_waits(from, from_at, to, to_at, length, flags);
    SP_RECEIVING(from, at_once ? MSG_DONTWAIT : 0, length, result,
                 SP_HARMED(splice_harmed(&io, from_at, to, to_at, length, flags),
                           REAL(splice)(from, from_at, to, to_at, length, flags)));
}

SP_EXPORT ssize_t splice(int from, loff_t *from_at, int to, loff_t *to_at, size_t length,
                         unsigned flags)
{
    SP_SENDING(to, 0, result, splice_in(from, from_at, to, to_at, length, flags));
}
