#include "shim/absent.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* Older headers lack the numbers as well, which are the same on all machines. */
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

#define FDS_MOST (1 << 20)

static int absent_close_range(unsigned first, unsigned last, int flags)
{
    return (int)REAL(syscall)(SYS_close_range, first, last, flags);
}

/* Where the kernel is as old as libc: one by one. */
static void absent_closefrom(int low)
{
    int first = low < 0 ? 0 : low, error = errno;
    struct rlimit limit = {FDS_MOST, FDS_MOST};
    if (absent_close_range((unsigned)first, ~0u, 0) == 0)
        return;
    getrlimit(RLIMIT_NOFILE, &limit);
    for (int fd = first; fd < FDS_MOST && (rlim_t)fd < limit.rlim_max; fd++)
        REAL(syscall)(SYS_close, fd);
    errno = error;
}

static int absent_epoll_pwait2(int epoll, struct epoll_event *events, int count,
                               const struct timespec *timeout, const sigset_t *mask)
{
    return (int)REAL(syscall)(SYS_epoll_pwait2, epoll, events, count, timeout, mask, 8L);
}

static int absent_memfd_create(const char *name, unsigned flags)
{
    return (int)REAL(syscall)(SYS_memfd_create, name, flags);
}

static int absent_fcntl64(int fd, int command, void *argument)
{
    return REAL(fcntl)(fd, command, argument);
}

static int absent_execveat(int at, const char *path, char *const argv[], char *const envp[],
                           int flags)
{
    return (int)REAL(syscall)(SYS_execveat, at, path, argv, envp, flags);
}

/* Errors are what it returns. */
static int absent_spawn(void)
{
    return ENOSYS;
}

static long absent_other(void)
{
    errno = ENOSYS;
    return -1;
}

void *sp_absent(enum sp_symbol symbol)
{
    switch (symbol) {
    case SP_SYMBOL_close_range:
        return (void *)absent_close_range;
    case SP_SYMBOL_closefrom:
        return (void *)absent_closefrom;
    case SP_SYMBOL_epoll_pwait2:
        return (void *)absent_epoll_pwait2;
    case SP_SYMBOL_memfd_create:
        return (void *)absent_memfd_create;
    case SP_SYMBOL_execveat:
        return (void *)absent_execveat;
    case SP_SYMBOL_pidfd_spawn:
    case SP_SYMBOL_pidfd_spawnp:
        return (void *)absent_spawn;
    case SP_SYMBOL_fcntl64:
        return (void *)absent_fcntl64;
    default:
        return (void *)absent_other;
    }
}
