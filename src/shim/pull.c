/* pull.c - a receive with MSG_WAITALL. Under a timer the kernel would end it with less than all,
 * and until it returns nobody knows that the answer has begun: so it is made of pieces. */
#include "shim/io.h"

/* What failed behind the first bytes is told by the next call, as the kernel does, which does not
 * go on over urgent data either. */
static bool pull_ends(int fd)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};
    int mark = 0;
    REAL(ioctl)(fd, SIOCATMARK, &mark);
    return mark || (REAL(poll)(&one, 1, 0) > 0 && (one.revents & (POLLERR | POLLNVAL)));
}

ssize_t sp_pull(struct sp_io *io, void *buffer, size_t length, int flags)
{
    size_t done = 0;
    flags = (flags & ~MSG_WAITALL) | MSG_DONTWAIT;
    for (;;) {
        ssize_t got = REAL(recv)(io->fd, (char *)buffer + done, length - done, flags);
        if (got < 0 && errno != EAGAIN)
            return done > 0 ? (ssize_t)done : -1;
        if (got > 0)
            done += (size_t)got;
        if (got == 0 || done >= length)
            return (ssize_t)done;
        if (got > 0) {
            sp_io_heard(io);
            io->brittle = true;
        }
        if (done > 0 && pull_ends(io->fd))
            return (ssize_t)done;
        if (!sp_alarm_whole(io))
            return done > 0 ? (ssize_t)done : -1;
    }
}
