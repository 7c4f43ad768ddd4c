/*
 * ring.c - behind the shim: when the time of its first wait is over, a signal comes before the shim
 * hears of it.
 */
#include <dlfcn.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>

#define REAL(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))

static int rung(int result)
{
    static int done;

    if (result == 0 && done++ == 0)
        raise(SIGALRM);
    return result;
}

int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    return rung(REAL(poll)(fds, count, timeout));
}

int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    return rung(REAL(ppoll)(fds, count, timeout, mask));
}

int pselect(int count, fd_set *in, fd_set *out, fd_set *except, const struct timespec *timeout,
            const sigset_t *mask)
{
    return rung(REAL(pselect)(count, in, out, except, timeout, mask));
}

int epoll_wait(int epoll, struct epoll_event *events, int count, int timeout)
{
    return rung(REAL(epoll_wait)(epoll, events, count, timeout));
}

int epoll_pwait(int epoll, struct epoll_event *events, int count, int timeout, const sigset_t *mask)
{
    return rung(REAL(epoll_pwait)(epoll, events, count, timeout, mask));
}
