/* send.c - every call that sends: the first byte sent while nothing is outstanding begins an
 * exchange. */
#include "shim/harm.h"
#include "shim/wrapper.h"

#include <errno.h>
#include <limits.h>

/* A message of several parts, as sendmsg() takes it. */
#define PARTS(parts, count)                                                          \
    &(const struct msghdr)                                                           \
    {                                                                                \
        .msg_iov = (struct iovec *)(uintptr_t)(parts), .msg_iovlen = (size_t)(count) \
    }

SP_WRAPPER_HOT(ssize_t, send, (int fd, const void *buffer, size_t length, int flags),
               (fd, buffer, length, flags), fd,
               SP_QUICK_SENDING(fd, length, SP_STACK_4(fd, buffer, length, flags),
                                guarded_send(fd, buffer, length, flags),
                                REAL_EARLY(send)(fd, buffer, length, flags));
               , SP_PUSHING(fd, length, flags, sp_push(&io, buffer, length, flags),
                            REAL(send)(fd, buffer, length, flags));)

SP_WRAPPER_HOT(ssize_t, sendto,
               (int fd, const void *buffer, size_t length, int flags, const struct sockaddr *to,
                socklen_t to_length),
               (fd, buffer, length, flags, to, to_length), fd,
               SP_QUICK_SENDING(fd, length, SP_STACK_6(fd, buffer, length, flags, to, to_length),
                                guarded_sendto(fd, buffer, length, flags, to, to_length),
                                REAL_EARLY(sendto)(fd, buffer, length, flags, to, to_length));
               , SP_PUSHING(fd, length, flags,
                            to ? REAL(sendto)(fd, buffer, length, flags, to, to_length)
                               : sp_push(&io, buffer, length, flags),
                            REAL(sendto)(fd, buffer, length, flags, to, to_length));)

/* By any socket: it is what goes along that may be one of ours. */
#define SENDS_ALONG(messages, count, size)                                        \
    if (SP_UNLIKELY(atomic_load_explicit(&sp_alarm_used, memory_order_relaxed) || \
                    atomic_load_explicit(&sp_stay_used, memory_order_relaxed)))   \
    sp_lend(messages, count, size)

SP_GUARDED(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags),
           SP_PUSHING(fd, 0, flags, sp_push_message(&io, message, flags),
                      REAL(sendmsg)(fd, message, flags));)
SP_MIDDLE(ssize_t, quick_sendmsg, (int fd, const struct msghdr *message, int flags),
          SP_QUICK_SENDING(fd, 0, SP_STACK_3(fd, message, flags),
                           guarded_sendmsg(fd, message, flags),
                           REAL_EARLY(sendmsg)(fd, message, flags));)
SP_OUTER_AFTER(SENDS_ALONG(message, 1, 0), ssize_t, sendmsg,
               (int fd, const struct msghdr *message, int flags), (fd, message, flags), fd,
               quick_sendmsg(fd, message, flags, mine))

SP_GUARDED(int, sendmmsg, (int fd, struct mmsghdr *messages, unsigned count, int flags),
           SP_SENDING(fd, flags, sp_io_messages(messages, result),
                      REAL(sendmmsg)(fd, messages, count, flags));)
SP_OUTER_AFTER(SENDS_ALONG(messages, count, sizeof *messages), int, sendmmsg,
               (int fd, struct mmsghdr *messages, unsigned count, int flags),
               (fd, messages, count, flags), fd,
               ((void)mine, guarded_sendmmsg(fd, messages, count, flags)))

SP_WRAPPER_HOT(
    ssize_t, write, (int fd, const void *buffer, size_t length), (fd, buffer, length), fd,
    SP_QUICK_SENDING(fd, length, SP_STACK_3(fd, buffer, length), guarded_write(fd, buffer, length),
                     REAL_EARLY(write)(fd, buffer, length));
    , SP_PUSHING(fd, length, 0, sp_push(&io, buffer, length, 0), REAL(write)(fd, buffer, length));)

/* Alone among the sends, writev() of no bytes never reaches the socket. */
static bool send_nothing(const struct iovec *parts, int count)
{
    size_t whole = 0;
    if (count > IOV_MAX || (count > 0 && !sp_socket_readable(parts, (size_t)count * sizeof *parts)))
        return true;
    for (int i = 0; i < count; i++)
        whole += parts[i].iov_len;
    return whole == 0;
}

SP_WRAPPER_HOT(
    ssize_t, writev, (int fd, const struct iovec *parts, int count), (fd, parts, count), fd,
    SP_QUICK_SENDING(fd, 0, SP_STACK_3(fd, parts, count), guarded_writev(fd, parts, count),
                     REAL_EARLY(writev)(fd, parts, count));
    , SP_PUSHING(fd, 0, 0,
                 send_nothing(parts, count) ? REAL(writev)(fd, parts, count)
                                            : sp_push_message(&io, PARTS(parts, count), 0),
                 REAL(writev)(fd, parts, count));)

/* What the kernel moves by itself: under a bandwidth, as much as may go now. */
#define SP_PACED(length, call)                             \
    ({                                                     \
        if (SP_UNLIKELY(io.harmed))                        \
            length = sp_pace_before(&io, length);          \
        ssize_t moved = call;                              \
        if (SP_UNLIKELY(io.harmed) && moved > 0)           \
            sp_pace_moved(&io, (size_t)moved, true, true); \
        moved;                                             \
    })

SP_WRAPPER(ssize_t, sendfile, (int fd, int from, off_t *offset, size_t length),
           (fd, from, offset, length), fd,
           SP_SENDING(fd, 0, result, SP_PACED(length, REAL(sendfile)(fd, from, offset, length)));)

SP_WRAPPER(ssize_t, sendfile64, (int fd, int from, off64_t *offset, size_t length),
           (fd, from, offset, length), fd,
           SP_SENDING(fd, 0, result, SP_PACED(length, REAL(sendfile64)(fd, from, offset, length)));)

/* At the offset -1 they are writev(); a socket has no other. */
SP_WRAPPER(ssize_t, pwritev2,
           (int fd, const struct iovec *parts, int count, off_t offset, int flags),
           (fd, parts, count, offset, flags), fd,
           SP_SENDING(fd, 0, result, REAL(pwritev2)(fd, parts, count, offset, flags));)

SP_WRAPPER(ssize_t, pwritev64v2,
           (int fd, const struct iovec *parts, int count, off64_t offset, int flags),
           (fd, parts, count, offset, flags), fd,
           SP_SENDING(fd, 0, result, REAL(pwritev64v2)(fd, parts, count, offset, flags));)
