/* wait.c - no wait sleeps past the nearest deadline of the process: it wakes, cuts what is due, and
 * sleeps on. A process that never armed a deadline pays one load. */
#include "shim/shim.h"

#include <errno.h>
#include <string.h>
#include <sys/single_threaded.h>

#include "base/clock.h"

#define WAIT_SLICE (20 * SP_MS)

/* One wait of the program's, in as many real ones as deadlines ask for. */
struct wait {
    uint64_t until; /* when the program's own timeout is over, SP_NEVER: it has none */
    uint64_t slice; /* how long the next real wait may take, ns; SP_NEVER: for ever */
    bool last;      /* the slice ends with the program's own timeout */
};

/* Nothing is due, and no other thread can make it so while we sleep. */
static bool wait_bounded(void)
{
    if (SP_LIKELY(atomic_load_explicit(&sp_due_next, memory_order_relaxed) == SP_NEVER &&
                  (__libc_single_threaded || !sp_due_ever())))
        return false;
    return sp_shim_on();
}

static void wait_begin(struct wait *w, bool forever, uint64_t timeout)
{
    w->until = forever ? SP_NEVER : sp_now() + timeout;
    if (!forever && w->until < timeout)
        w->until = SP_NEVER;
}

/* Another thread may arm a deadline while this one sleeps; it cannot be due before the shortest
 * there is has passed, so a process with threads looks again by then. */
static uint64_t wait_nearest(uint64_t now)
{
    uint64_t next = atomic_load(&sp_due_next);
    if (next <= now) {
        sp_due_scan(now, sp_cut_expire);
        next = atomic_load(&sp_due_next);
    }
    if (!__libc_single_threaded) {
        uint64_t shortest = atomic_load(&sp_due_shortest);
        uint64_t look = now + (shortest > WAIT_SLICE ? shortest : WAIT_SLICE);
        if (look < next)
            next = look;
    }
    return next;
}

static void wait_slice(struct wait *w)
{
    int error = errno;
    uint64_t now = sp_now(), next = wait_nearest(now);
    w->last = w->until <= next;
    uint64_t end = w->last ? w->until : next;
    w->slice = end == SP_NEVER ? SP_NEVER : end > now ? end - now : 0;
    errno = error;
}

/* Milliseconds, rounded up: never early. */
static int wait_ms(const struct wait *w)
{
    if (w->slice == SP_NEVER)
        return -1;
    uint64_t ms = (w->slice + SP_MS - 1) / SP_MS;
    return ms < INT32_MAX ? (int)ms : INT32_MAX;
}

static struct timespec *wait_timespec(const struct wait *w, struct timespec *room)
{
    if (w->slice == SP_NEVER)
        return NULL;
    room->tv_sec = (time_t)(w->slice / SP_SECOND);
    room->tv_nsec = (long)(w->slice % SP_SECOND);
    return room;
}

static uint64_t wait_ns(const struct timespec *t)
{
    return (uint64_t)t->tv_sec * SP_SECOND + (uint64_t)t->tv_nsec;
}

static bool wait_valid(const struct timespec *t)
{
    return !t || (t->tv_sec >= 0 && t->tv_sec < INT32_MAX && t->tv_nsec >= 0 &&
                  t->tv_nsec < (long)SP_SECOND);
}

/* --- poll --- */

#define WAITING(w, call)                \
    int result;                         \
    do {                                \
        wait_slice(&(w));               \
        result = (call);                \
    } while (result == 0 && !(w).last); \
    return result

SP_EXPORT int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    if (SP_LIKELY(!wait_bounded()))
        return REAL(poll)(fds, count, timeout);
    struct wait w;
    wait_begin(&w, timeout < 0, (uint64_t)timeout * SP_MS);
    WAITING(w, REAL(poll)(fds, count, wait_ms(&w)));
}

SP_EXPORT int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t size)
{
    if (SP_LIKELY(!wait_bounded()))
        return REAL(__poll_chk)(fds, count, timeout, size);
    struct wait w;
    wait_begin(&w, timeout < 0, (uint64_t)timeout * SP_MS);
    WAITING(w, REAL(__poll_chk)(fds, count, wait_ms(&w), size));
}

SP_EXPORT int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                    const sigset_t *mask)
{
    if (SP_LIKELY(!wait_bounded()) || !wait_valid(timeout))
        return REAL(ppoll)(fds, count, timeout, mask);
    struct wait w;
    struct timespec room;
    wait_begin(&w, !timeout, timeout ? wait_ns(timeout) : 0);
    WAITING(w, REAL(ppoll)(fds, count, wait_timespec(&w, &room), mask));
}

SP_EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                          const sigset_t *mask, size_t size)
{
    if (SP_LIKELY(!wait_bounded()) || !wait_valid(timeout))
        return REAL(__ppoll_chk)(fds, count, timeout, mask, size);
    struct wait w;
    struct timespec room;
    wait_begin(&w, !timeout, timeout ? wait_ns(timeout) : 0);
    WAITING(w, REAL(__ppoll_chk)(fds, count, wait_timespec(&w, &room), mask, size));
}

/* --- epoll --- */

SP_EXPORT int epoll_wait(int epoll, struct epoll_event *events, int count, int timeout)
{
    if (SP_LIKELY(!wait_bounded()))
        return REAL(epoll_wait)(epoll, events, count, timeout);
    struct wait w;
    wait_begin(&w, timeout < 0, (uint64_t)timeout * SP_MS);
    WAITING(w, REAL(epoll_wait)(epoll, events, count, wait_ms(&w)));
}

SP_EXPORT int epoll_pwait(int epoll, struct epoll_event *events, int count, int timeout,
                          const sigset_t *mask)
{
    if (SP_LIKELY(!wait_bounded()))
        return REAL(epoll_pwait)(epoll, events, count, timeout, mask);
    struct wait w;
    wait_begin(&w, timeout < 0, (uint64_t)timeout * SP_MS);
    WAITING(w, REAL(epoll_pwait)(epoll, events, count, wait_ms(&w), mask));
}

SP_EXPORT int epoll_pwait2(int epoll, struct epoll_event *events, int count,
                           const struct timespec *timeout, const sigset_t *mask)
{
    if (SP_LIKELY(!wait_bounded()) || !wait_valid(timeout))
        return REAL(epoll_pwait2)(epoll, events, count, timeout, mask);
    struct wait w;
    struct timespec room;
    wait_begin(&w, !timeout, timeout ? wait_ns(timeout) : 0);
    WAITING(w, REAL(epoll_pwait2)(epoll, events, count, wait_timespec(&w, &room), mask));
}

/* --- select: the sets are overwritten by each real call, so what was asked is kept --- */

#define SETS_FDS 16384 /* more than FD_SETSIZE: programs that allocate their own sets */

struct sets {
    fd_set *set[3];
    size_t size;
    unsigned char asked[3][SETS_FDS / 8];
};

/* False: more fds than we keep; the call then waits as it would without us. */
static bool sets_keep(struct sets *s, int count, fd_set *in, fd_set *out, fd_set *except)
{
    fd_set *given[3] = {in, out, except};
    if (count < 0 || count > SETS_FDS)
        return false;
    s->size = ((size_t)count + 8 * sizeof(long) - 1) / (8 * sizeof(long)) * sizeof(long);
    for (int i = 0; i < 3; i++) {
        s->set[i] = given[i];
        if (given[i])
            memcpy(s->asked[i], given[i], s->size);
    }
    return true;
}

static void sets_again(struct sets *s)
{
    for (int i = 0; i < 3; i++) {
        if (s->set[i])
            memcpy(s->set[i], s->asked[i], s->size);
    }
}

SP_EXPORT int select(int count, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout)
{
    struct sets sets;
    bool odd = timeout && (timeout->tv_sec < 0 || timeout->tv_sec >= INT32_MAX ||
                           timeout->tv_usec < 0 || timeout->tv_usec >= 1000000);
    if (SP_LIKELY(!wait_bounded()) || odd || !sets_keep(&sets, count, in, out, except))
        return REAL(select)(count, in, out, except, timeout);
    struct wait w;
    int result;
    wait_begin(&w, !timeout,
               timeout ? (uint64_t)timeout->tv_sec * SP_SECOND + (uint64_t)timeout->tv_usec * 1000
                       : 0);
    for (;;) {
        wait_slice(&w);
        uint64_t us = (w.slice + 999) / 1000;
        struct timeval slice = {(time_t)(us / 1000000), (suseconds_t)(us % 1000000)};
        result = REAL(select)(count, in, out, except, w.slice == SP_NEVER ? NULL : &slice);
        if (result != 0 || w.last)
            break;
        sets_again(&sets);
    }
    if (timeout) { /* Linux leaves what was not slept */
        uint64_t now = sp_now(), rest = w.until > now ? w.until - now : 0;
        timeout->tv_sec = (time_t)(rest / SP_SECOND);
        timeout->tv_usec = (suseconds_t)(rest % SP_SECOND / 1000);
    }
    return result;
}

SP_EXPORT int pselect(int count, fd_set *in, fd_set *out, fd_set *except,
                      const struct timespec *timeout, const sigset_t *mask)
{
    struct sets sets;
    if (SP_LIKELY(!wait_bounded()) || !wait_valid(timeout) ||
        !sets_keep(&sets, count, in, out, except))
        return REAL(pselect)(count, in, out, except, timeout, mask);
    struct wait w;
    struct timespec room;
    wait_begin(&w, !timeout, timeout ? wait_ns(timeout) : 0);
    for (;;) {
        wait_slice(&w);
        int result = REAL(pselect)(count, in, out, except, wait_timespec(&w, &room), mask);
        if (result != 0 || w.last)
            return result;
        sets_again(&sets);
    }
}
