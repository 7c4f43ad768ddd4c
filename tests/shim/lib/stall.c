/*
 * stall.c - behind the shim: holds up a thread right after the kernel has told one of its waits
 * something, before the shim hears of it, until the test lets it go.
 */
#include "stall.h"

#include <dlfcn.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <unistd.h>

struct stall stall;

#define REAL(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))

static int told(int result, int seen)
{
    if (result <= 0 || stall.state != STALL_WANTED || stall.thread != gettid() ||
        (stall.seen && stall.seen != seen))
        return result;
    stall.state = STALL_THERE;
    while (stall.state != STALL_OVER)
        sched_yield();
    return result;
}

int epoll_wait(int epoll, struct epoll_event *events, int count, int timeout)
{
    int result = REAL(epoll_wait)(epoll, events, count, timeout);

    return told(result, (int)events->events);
}

int epoll_pwait(int epoll, struct epoll_event *events, int count, int timeout, const sigset_t *mask)
{
    int result = REAL(epoll_pwait)(epoll, events, count, timeout, mask);

    return told(result, (int)events->events);
}

int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    int result = REAL(ppoll)(fds, count, timeout, mask);

    return told(result, result > 0 ? fds->revents : 0);
}

int pselect(int count, fd_set *in, fd_set *out, fd_set *except, const struct timespec *timeout,
            const sigset_t *mask)
{
    return told(REAL(pselect)(count, in, out, except, timeout, mask), 0);
}
