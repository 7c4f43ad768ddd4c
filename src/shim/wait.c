/* wait.c - no wait sleeps past the nearest deadline of the process: it wakes, cuts what is due, and
 * sleeps on. A process that never armed a deadline pays one load. */
#include "shim/wait.h"
#include "shim/hold.h"
#include "shim/lowat.h"
#include "shim/redial.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/clock.h"

#define WAIT_SLICE (20 * SP_MS)
#define WAIT_NEAR  (50 * SP_MS)

/* Nothing is due, and no other thread can make it so while we sleep. */
bool sp_waiting_bounded(void)
{
    if (SP_LIKELY(atomic_load_explicit(&sp_due_next, memory_order_relaxed) == SP_NEVER &&
                  (sp_process_single() || !sp_here_awake() || sp_due_least() == SP_NEVER)))
        return false;
    return sp_shim_on() || (sp_waiting_watches() && !sp_process_foreign());
}

void sp_waiting_begin(struct wait *w, bool forever, uint64_t timeout)
{
    w->masked = false;
    w->until = forever ? SP_NEVER : sp_now() + timeout;
    if (!forever && w->until < timeout)
        w->until = SP_NEVER;
}

/* Another thread may arm a deadline while this one sleeps; it cannot be due before the shortest
 * there is has passed, so a process with threads looks again by then. */
static uint64_t wait_nearest(uint64_t now)
{
    uint64_t next = atomic_load(&sp_due_next);
    if (next == SP_DUE_WATCH)
        sp_due_relax();
    if (next <= now) {
        sp_due_scan(now, sp_cut_expire);
        next = atomic_load(&sp_due_next);
    }
    if (!sp_process_single()) {
        uint64_t shortest = sp_due_least();
        uint64_t look = shortest >= SP_DUE_WATCH
                            ? SP_NEVER
                            : now + (shortest > WAIT_SLICE ? shortest : WAIT_SLICE);
        if (atomic_load(&sp_due_scanning)) /* it may go to sleep elsewhere with what it finds */
            look = now + SP_MS;
        if (look < next)
            next = look;
    }
    return next == SP_DUE_WATCH ? SP_NEVER : next;
}

void sp_waiting_slice(struct wait *w)
{
    int error = errno;
    uint64_t now = sp_now();
    sp_lowat_waiting(now);
    uint64_t next = wait_nearest(now);
    w->hidden = false;
    w->last = w->until <= next;
    uint64_t end = w->last ? w->until : next;
    w->slice = end == SP_NEVER ? SP_NEVER : end > now ? end - now : 0;
    w->rests = atomic_load(&sp_rests_ended);
    /* Where a slice ends, a signal may be handled before the next begins: who says EINTR then? So
     * none is handled outside of one that soon ends; to mask all the others would cost too much. */
    if (!w->last && w->slice < WAIT_NEAR)
        sp_waiting_mask(w);
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

struct timespec *sp_waiting_timespec(const struct wait *w, struct timespec *room)
{
    if (w->slice == SP_NEVER)
        return NULL;
    room->tv_sec = (time_t)(w->slice / SP_SECOND);
    room->tv_nsec = (long)(w->slice % SP_SECOND);
    return room;
}

void sp_waiting_mask(struct wait *w)
{
    sigset_t all;
    sigfillset(&all);
    if (!w->masked)
        w->masked = sigprocmask(SIG_BLOCK, &all, &w->mask) == 0;
}

int sp_waiting_end(const struct wait *w, int result)
{
    int error = errno;
    if (w->masked)
        sigprocmask(SIG_SETMASK, &w->mask, NULL);
    errno = error;
    return result;
}

/* Does a fault end it before it waits? One that does not wait knows no EINTR. */
static bool wait_struck(const struct timespec *timeout)
{
    return SP_UNLIKELY(sp_here_loose(SP_FAULT_ON_WAIT)) &&
           (!timeout || (sp_socket_readable(timeout, sizeof *timeout) &&
                         (timeout->tv_sec != 0 || timeout->tv_nsec != 0))) &&
           sp_loose_strikes(SP_FAULT_ON_WAIT);
}

/* --- poll --- */

/* `later`: the same call, taking the program's mask. `seen`: what the program may see of the
 * result.
 */
#define WAITING(w, before, first, later, seen)                                \
    sp_waiting_slice(&(w));                                                   \
    before;                                                                   \
    int result = (w).masked ? (later) : (first);                              \
    for (;;) {                                                                \
        if (result > 0 && (sp_waiting_watches() || sp_waiting_stale(&(w)))) { \
            result = (seen);                                                  \
            (w).hidden = result == 0;                                         \
        }                                                                     \
        if (result != 0 || ((w).last && !(w).hidden))                         \
            return sp_waiting_end(&(w), result);                              \
        sp_waiting_mask(&(w));                                                \
        sp_waiting_slice(&(w));                                               \
        before;                                                               \
        result = (later);                                                     \
    }

/* --- poll: fds that must not be seen are left out of a copy --- */

#define POLL_FDS 1024 /* in a longer list a rest is seen, and so is over */

static bool poll_fits(const struct pollfd *fds, nfds_t count)
{
    const size_t page = 4096 / sizeof *fds;
    for (nfds_t i = 0; i < count && count <= POLL_FDS; i += page) {
        if (!sp_socket_readable(&fds[i], (count - i < page ? count - i : page) * sizeof *fds))
            return false;
    }
    return count <= POLL_FDS;
}

static void poll_hide(struct pollfd *copy, const struct pollfd *fds, nfds_t count)
{
    for (nfds_t i = 0; i < count; i++) {
        copy[i] = fds[i];
        copy[i].revents = 0;
        sp_hide_ask(&copy[i]);
        if (sp_watch_hides(fds[i].fd, SP_WATCH_ASKED))
            copy[i].fd = -1;
    }
}

/* How many are left that have something to say. */
static int poll_show(struct pollfd *copy, struct pollfd *fds, nfds_t count, const struct wait *w)
{
    int shown = 0;
    for (nfds_t i = 0; i < count; i++) {
        sp_hide_seen(&copy[i]);
        short seen = copy[i].fd < 0 ? 0 : copy[i].revents;
        if ((seen & (POLLERR | POLLHUP)) && sp_watch_hides(copy[i].fd, SP_WATCH_HUNG))
            seen = 0;
        if ((seen & (POLLERR | POLLHUP)) && sp_waiting_stale(w))
            seen &= sp_socket_now(copy[i].fd, seen);
        fds[i].revents = seen;
        shown += seen != 0;
    }
    return shown;
}

static int poll_watched(struct wait *w, struct pollfd *fds, nfds_t count, const sigset_t *mask)
{
    struct pollfd copy[POLL_FDS];
    for (;;) {
        struct timespec room;
        sp_waiting_slice(w);
        poll_hide(copy, fds, count);
        int result = REAL(ppoll)(copy, count, sp_waiting_timespec(w, &room),
                                 mask || !w->masked ? mask : &w->mask);
        int error = errno, shown = poll_show(copy, fds, count, w);
        w->hidden = result > 0 && shown == 0;
        errno = error;
        if (result < 0 || shown > 0 || (w->last && !w->hidden))
            return sp_waiting_end(w, result < 0 ? -1 : shown);
        sp_waiting_mask(w);
    }
}

SP_EXPORT int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    if (timeout != 0 && sp_loose(SP_FAULT_ON_WAIT))
        return -1;
    if (SP_LIKELY(!sp_waiting_bounded()))
        return REAL(poll)(fds, count, timeout);
    struct wait w;
    sp_waiting_begin(&w, timeout < 0, (uint64_t)timeout * SP_MS);
    if (sp_waiting_watches() && poll_fits(fds, count))
        return poll_watched(&w, fds, count, NULL);
    struct timespec room;
    WAITING(w, , REAL(poll)(fds, count, wait_ms(&w)),
            REAL(ppoll)(fds, count, sp_waiting_timespec(&w, &room), &w.mask), result);
}

SP_EXPORT int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t size)
{
    if (timeout != 0 && sp_loose(SP_FAULT_ON_WAIT))
        return -1;
    if (SP_LIKELY(!sp_waiting_bounded()) || count > size / sizeof *fds)
        return REAL(__poll_chk)(fds, count, timeout, size);
    struct wait w;
    sp_waiting_begin(&w, timeout < 0, (uint64_t)timeout * SP_MS);
    if (sp_waiting_watches() && poll_fits(fds, count))
        return poll_watched(&w, fds, count, NULL);
    struct timespec room;
    WAITING(w, , REAL(__poll_chk)(fds, count, wait_ms(&w), size),
            REAL(ppoll)(fds, count, sp_waiting_timespec(&w, &room), &w.mask), result);
}

SP_EXPORT int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                    const sigset_t *mask)
{
    if (wait_struck(timeout))
        return -1;
    if (SP_LIKELY(!sp_waiting_bounded()) || !sp_waiting_valid(timeout))
        return REAL(ppoll)(fds, count, timeout, mask);
    struct wait w;
    struct timespec room;
    sp_waiting_begin(&w, !timeout, timeout ? sp_waiting_ns(timeout) : 0);
    if (sp_waiting_watches() && poll_fits(fds, count))
        return poll_watched(&w, fds, count, mask);
    WAITING(w, , REAL(ppoll)(fds, count, sp_waiting_timespec(&w, &room), mask),
            REAL(ppoll)(fds, count, sp_waiting_timespec(&w, &room), mask ? mask : &w.mask), result);
}

SP_EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                          const sigset_t *mask, size_t size)
{
    if (wait_struck(timeout))
        return -1;
    if (SP_LIKELY(!sp_waiting_bounded()) || count > size / sizeof *fds ||
        !sp_waiting_valid(timeout))
        return REAL(__ppoll_chk)(fds, count, timeout, mask, size);
    struct wait w;
    struct timespec room;
    sp_waiting_begin(&w, !timeout, timeout ? sp_waiting_ns(timeout) : 0);
    if (sp_waiting_watches() && poll_fits(fds, count))
        return poll_watched(&w, fds, count, mask);
    WAITING(w, , REAL(__ppoll_chk)(fds, count, sp_waiting_timespec(&w, &room), mask, size),
            REAL(ppoll)(fds, count, sp_waiting_timespec(&w, &room), mask ? mask : &w.mask), result);
}

/* --- epoll --- */

static int epoll_seen(int epoll, struct epoll_event *events, int count, const struct wait *w)
{
    if (atomic_load_explicit(&sp_held_count, memory_order_relaxed) != 0)
        count = sp_hide_epoll(epoll, events, count);
    return sp_watch_epoll(epoll, events, count, w);
}

/* Deadlines have time for whole milliseconds, what is held back has not. */
static __attribute__((cold, noinline)) int epoll_held(int epoll, struct epoll_event *events,
                                                      int count, const struct wait *w,
                                                      const sigset_t *mask)
{
    struct timespec room;
    sp_hide_before(epoll);
    int result = REAL(epoll_pwait2)(epoll, events, count, sp_waiting_timespec(w, &room), mask);
    return result >= 0 || errno != ENOSYS
               ? result
               : REAL(epoll_pwait)(epoll, events, count, wait_ms(w), mask);
}

static bool epoll_holds(void)
{
    return SP_UNLIKELY(atomic_load_explicit(&sp_held_count, memory_order_relaxed) != 0);
}

static int epoll_sleep(int epoll, struct epoll_event *events, int count, const struct wait *w,
                       const sigset_t *mask)
{
    return epoll_holds() ? epoll_held(epoll, events, count, w, mask)
                         : REAL(epoll_pwait)(epoll, events, count, wait_ms(w), mask);
}

SP_EXPORT int epoll_wait(int epoll, struct epoll_event *events, int count, int timeout)
{
    if (timeout != 0 && sp_loose(SP_FAULT_ON_WAIT))
        return -1;
    if (SP_LIKELY(!sp_waiting_bounded()))
        return REAL(epoll_wait)(epoll, events, count, timeout);
    struct wait w;
    sp_waiting_begin(&w, timeout < 0, (uint64_t)timeout * SP_MS);
    WAITING(w, ,
            epoll_holds() ? epoll_held(epoll, events, count, &w, NULL)
                          : REAL(epoll_wait)(epoll, events, count, wait_ms(&w)),
            epoll_sleep(epoll, events, count, &w, &w.mask), epoll_seen(epoll, events, result, &w));
}

SP_EXPORT int epoll_pwait(int epoll, struct epoll_event *events, int count, int timeout,
                          const sigset_t *mask)
{
    if (timeout != 0 && sp_loose(SP_FAULT_ON_WAIT))
        return -1;
    if (SP_LIKELY(!sp_waiting_bounded()))
        return REAL(epoll_pwait)(epoll, events, count, timeout, mask);
    struct wait w;
    sp_waiting_begin(&w, timeout < 0, (uint64_t)timeout * SP_MS);
    WAITING(w, , epoll_sleep(epoll, events, count, &w, mask),
            epoll_sleep(epoll, events, count, &w, mask ? mask : &w.mask),
            epoll_seen(epoll, events, result, &w));
}

SP_EXPORT int epoll_pwait2(int epoll, struct epoll_event *events, int count,
                           const struct timespec *timeout, const sigset_t *mask)
{
    if (wait_struck(timeout))
        return -1;
    /* Here libc leaves the timeout to the kernel, elsewhere it reads it itself. */
    if (SP_LIKELY(!sp_waiting_bounded()) ||
        (timeout && !sp_socket_readable(timeout, sizeof *timeout)) || !sp_waiting_valid(timeout))
        return REAL(epoll_pwait2)(epoll, events, count, timeout, mask);
    struct wait w;
    struct timespec room;
    sp_waiting_begin(&w, !timeout, timeout ? sp_waiting_ns(timeout) : 0);
    WAITING(w, epoll_holds() ? sp_hide_before(epoll) : (void)0,
            REAL(epoll_pwait2)(epoll, events, count, sp_waiting_timespec(&w, &room), mask),
            REAL(epoll_pwait2)(epoll, events, count, sp_waiting_timespec(&w, &room),
                               mask ? mask : &w.mask),
            epoll_seen(epoll, events, result, &w));
}
