/* fresh.c - every call that hands out an fd: what an old owner left behind on the number goes. */
#include "shim/kind.h"
#include "shim/shim.h"

#include <stdarg.h>

#define FRESH(name, parameters, arguments)        \
    SP_EXPORT int name parameters                 \
    {                                             \
        return sp_fd_fresh(REAL(name) arguments); \
    }

FRESH(creat, (const char *path, mode_t mode), (path, mode))
FRESH(creat64, (const char *path, mode_t mode), (path, mode))
FRESH(__open_2, (const char *path, int flags), (path, flags))
FRESH(__open64_2, (const char *path, int flags), (path, flags))
FRESH(__openat_2, (int at, const char *path, int flags), (at, path, flags))
FRESH(__openat64_2, (int at, const char *path, int flags), (at, path, flags))
FRESH(eventfd, (unsigned count, int flags), (count, flags))
FRESH(epoll_create, (int size), (size))
FRESH(epoll_create1, (int flags), (flags))
FRESH(timerfd_create, (int clock, int flags), (clock, flags))
FRESH(signalfd, (int fd, const sigset_t *mask, int flags), (fd, mask, flags))
FRESH(inotify_init, (void), ())
FRESH(inotify_init1, (int flags), (flags))
FRESH(memfd_create, (const char *name, unsigned flags), (name, flags))

/* An accept that waits may be interrupted as well. */
static bool fresh_struck(int fd)
{
    const uint8_t asked = SP_KIND_KNOWN | SP_KIND_NONBLOCK;
    return sp_loose(SP_FAULT_ON_FD) ||
           ((sp_kind_of(fd) & asked) == SP_KIND_KNOWN && sp_loose(SP_FAULT_ON_WAIT));
}

SP_EXPORT int accept(int fd, struct sockaddr *address, socklen_t *length)
{
    return fresh_struck(fd) ? -1 : sp_fd_fresh(REAL(accept)(fd, address, length));
}

SP_EXPORT int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    return fresh_struck(fd) ? -1 : sp_fd_fresh(REAL(accept4)(fd, address, length, flags));
}

/* The mode is read whether it was given or not, as libc's own varargs would: it is passed on. */
#define FRESH_OPEN(name, parameters, arguments)   \
    SP_EXPORT int name parameters                 \
    {                                             \
        va_list args;                             \
        va_start(args, flags);                    \
        mode_t mode = (mode_t)va_arg(args, int);  \
        va_end(args);                             \
        return sp_fd_fresh(REAL(name) arguments); \
    }

FRESH_OPEN(open, (const char *path, int flags, ...), (path, flags, mode))
FRESH_OPEN(open64, (const char *path, int flags, ...), (path, flags, mode))
FRESH_OPEN(openat, (int at, const char *path, int flags, ...), (at, path, flags, mode))
FRESH_OPEN(openat64, (int at, const char *path, int flags, ...), (at, path, flags, mode))

static int fresh_pair(int fds[2], int result)
{
    if (result == 0) {
        sp_fd_fresh(fds[0]);
        sp_fd_fresh(fds[1]);
    }
    return result;
}

SP_EXPORT int socketpair(int domain, int type, int protocol, int fds[2])
{
    return fresh_pair(fds, REAL(socketpair)(domain, type, protocol, fds));
}

SP_EXPORT int pipe(int fds[2])
{
    return fresh_pair(fds, REAL(pipe)(fds));
}

SP_EXPORT int pipe2(int fds[2], int flags)
{
    return fresh_pair(fds, REAL(pipe2)(fds, flags));
}
