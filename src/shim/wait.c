/* wait.c - no wait sleeps past the nearest deadline of the process: it wakes, cuts what is due, and
 * sleeps on. A process that never armed a deadline pays one load. */
#include "shim/redial.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/single_threaded.h>

#include "base/clock.h"

#define WAIT_SLICE (20 * SP_MS)

/* One wait of the program's, in as many real ones as deadlines ask for. */
struct wait {
    uint64_t until; /* when the program's own timeout is over, SP_NEVER: it has none */
    uint64_t slice; /* how long the next real wait may take, ns; SP_NEVER: for ever */
    bool last;      /* the slice ends with the program's own timeout */
    bool hidden;    /* all that the last one saw was not to be seen: wait on, however late it is */
    bool masked;    /* between slices, so that no signal is handled where nobody would say EINTR */
    sigset_t mask;  /* the program's own, for the next real wait */
};

/* Nothing is due, and no other thread can make it so while we sleep. */
static bool wait_bounded(void)
{
    if (SP_LIKELY(atomic_load_explicit(&sp_due_next, memory_order_relaxed) == SP_NEVER &&
                  (__libc_single_threaded || !sp_due_ever())))
        return false;
    return sp_shim_on() || (atomic_load(&sp_due_watched) != 0 && !sp_process_foreign());
}

static bool wait_watches(void)
{
    return SP_UNLIKELY(atomic_load_explicit(&sp_due_watched, memory_order_relaxed) != 0);
}

static void wait_begin(struct wait *w, bool forever, uint64_t timeout)
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
    if (!__libc_single_threaded) {
        uint64_t shortest = atomic_load(&sp_due_shortest);
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

static void wait_slice(struct wait *w)
{
    int error = errno;
    uint64_t now = sp_now(), next = wait_nearest(now);
    w->hidden = false;
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

/* The first slice is over and the program's wait is not. */
static void wait_mask(struct wait *w)
{
    sigset_t all;
    sigfillset(&all);
    if (!w->masked)
        w->masked = sigprocmask(SIG_BLOCK, &all, &w->mask) == 0;
}

static int wait_end(const struct wait *w, int result)
{
    int error = errno;
    if (w->masked)
        sigprocmask(SIG_SETMASK, &w->mask, NULL);
    errno = error;
    return result;
}

/* --- poll --- */

/* `later`: the same call, taking the program's mask. `seen`: what the program may see of the
 * result.
 */
#define WAITING(w, first, later, seen)                \
    wait_slice(&(w));                                 \
    int result = (first);                             \
    for (;;) {                                        \
        if (result > 0 && wait_watches()) {           \
            result = (seen);                          \
            (w).hidden = result == 0;                 \
        }                                             \
        if (result != 0 || ((w).last && !(w).hidden)) \
            return wait_end(&(w), result);            \
        wait_mask(&(w));                              \
        wait_slice(&(w));                             \
        result = (later);                             \
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
        if (sp_watch_hides(fds[i].fd, false))
            copy[i].fd = -1;
    }
}

/* How many are left that have something to say. */
static int poll_show(const struct pollfd *copy, struct pollfd *fds, nfds_t count)
{
    int shown = 0;
    for (nfds_t i = 0; i < count; i++) {
        short seen = copy[i].fd < 0 ? 0 : copy[i].revents;
        if ((seen & (POLLERR | POLLHUP)) && sp_watch_hides(copy[i].fd, true))
            seen = 0;
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
        wait_slice(w);
        poll_hide(copy, fds, count);
        int result =
            REAL(ppoll)(copy, count, wait_timespec(w, &room), mask || !w->masked ? mask : &w->mask);
        int error = errno, shown = poll_show(copy, fds, count);
        w->hidden = result > 0 && shown == 0;
        errno = error;
        if (result < 0 || shown > 0 || (w->last && !w->hidden))
            return wait_end(w, result < 0 ? -1 : shown);
        wait_mask(w);
    }
}

SP_EXPORT int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    if (SP_LIKELY(!wait_bounded()))
        return REAL(poll)(fds, count, timeout);
    struct wait w;
    wait_begin(&w, timeout < 0, (uint64_t)timeout * SP_MS);
    if (wait_watches() && poll_fits(fds, count))
        return poll_watched(&w, fds, count, NULL);
    struct timespec room;
    WAITING(w, REAL(poll)(fds, count, wait_ms(&w)),
            REAL(ppoll)(fds, count, wait_timespec(&w, &room), &w.mask), result);
}

SP_EXPORT int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t size)
{
    if (SP_LIKELY(!wait_bounded()))
        return REAL(__poll_chk)(fds, count, timeout, size);
    struct wait w;
    wait_begin(&w, timeout < 0, (uint64_t)timeout * SP_MS);
    if (wait_watches() && count <= size / sizeof *fds && poll_fits(fds, count))
        return poll_watched(&w, fds, count, NULL);
    struct timespec room;
    WAITING(w, REAL(__poll_chk)(fds, count, wait_ms(&w), size),
            REAL(ppoll)(fds, count, wait_timespec(&w, &room), &w.mask), result);
}

SP_EXPORT int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                    const sigset_t *mask)
{
    if (SP_LIKELY(!wait_bounded()) || !wait_valid(timeout))
        return REAL(ppoll)(fds, count, timeout, mask);
    struct wait w;
    struct timespec room;
    wait_begin(&w, !timeout, timeout ? wait_ns(timeout) : 0);
    if (wait_watches() && poll_fits(fds, count))
        return poll_watched(&w, fds, count, mask);
    WAITING(w, REAL(ppoll)(fds, count, wait_timespec(&w, &room), mask),
            REAL(ppoll)(fds, count, wait_timespec(&w, &room), mask ? mask : &w.mask), result);
}

SP_EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                          const sigset_t *mask, size_t size)
{
    if (SP_LIKELY(!wait_bounded()) || !wait_valid(timeout))
        return REAL(__ppoll_chk)(fds, count, timeout, mask, size);
    struct wait w;
    struct timespec room;
    wait_begin(&w, !timeout, timeout ? wait_ns(timeout) : 0);
    if (wait_watches() && count <= size / sizeof *fds && poll_fits(fds, count))
        return poll_watched(&w, fds, count, mask);
    WAITING(w, REAL(__ppoll_chk)(fds, count, wait_timespec(&w, &room), mask, size),
            REAL(ppoll)(fds, count, wait_timespec(&w, &room), mask ? mask : &w.mask), result);
}

/* --- epoll --- */

SP_EXPORT int epoll_wait(int epoll, struct epoll_event *events, int count, int timeout)
{
    if (SP_LIKELY(!wait_bounded()))
        return REAL(epoll_wait)(epoll, events, count, timeout);
    struct wait w;
    wait_begin(&w, timeout < 0, (uint64_t)timeout * SP_MS);
    WAITING(w, REAL(epoll_wait)(epoll, events, count, wait_ms(&w)),
            REAL(epoll_pwait)(epoll, events, count, wait_ms(&w), &w.mask),
            sp_watch_epoll(epoll, events, result));
}

SP_EXPORT int epoll_pwait(int epoll, struct epoll_event *events, int count, int timeout,
                          const sigset_t *mask)
{
    if (SP_LIKELY(!wait_bounded()))
        return REAL(epoll_pwait)(epoll, events, count, timeout, mask);
    struct wait w;
    wait_begin(&w, timeout < 0, (uint64_t)timeout * SP_MS);
    WAITING(w, REAL(epoll_pwait)(epoll, events, count, wait_ms(&w), mask),
            REAL(epoll_pwait)(epoll, events, count, wait_ms(&w), mask ? mask : &w.mask),
            sp_watch_epoll(epoll, events, result));
}

SP_EXPORT int epoll_pwait2(int epoll, struct epoll_event *events, int count,
                           const struct timespec *timeout, const sigset_t *mask)
{
    /* Here libc leaves the timeout to the kernel, elsewhere it reads it itself. */
    if (SP_LIKELY(!wait_bounded()) || (timeout && !sp_socket_readable(timeout, sizeof *timeout)) ||
        !wait_valid(timeout))
        return REAL(epoll_pwait2)(epoll, events, count, timeout, mask);
    struct wait w;
    struct timespec room;
    wait_begin(&w, !timeout, timeout ? wait_ns(timeout) : 0);
    WAITING(
        w, REAL(epoll_pwait2)(epoll, events, count, wait_timespec(&w, &room), mask),
        REAL(epoll_pwait2)(epoll, events, count, wait_timespec(&w, &room), mask ? mask : &w.mask),
        sp_watch_epoll(epoll, events, result));
}

/* --- select: the sets are overwritten by each real call, so those get copies --- */

#define SETS_FDS  8192 /* more than FD_SETSIZE: programs that allocate their own sets */
#define SETS_WORD (8 * sizeof(unsigned long))

struct sets {
    unsigned long *set[3];
    size_t words;
    unsigned long asked[3][SETS_FDS / SETS_WORD];
    unsigned long got[3][SETS_FDS / SETS_WORD];
};

/* False: more fds than we keep, or a bad pointer: the call then waits as it would without us. */
static bool sets_keep(struct sets *s, int count, fd_set *in, fd_set *out, fd_set *except)
{
    fd_set *given[3] = {in, out, except};
    if (count < 0 || count > SETS_FDS)
        return false;
    s->words = ((size_t)count + SETS_WORD - 1) / SETS_WORD;
    for (int i = 0; i < 3; i++) {
        size_t size = s->words * sizeof(unsigned long);
        s->set[i] = size ? (unsigned long *)(void *)given[i] : NULL;
        if (s->set[i] && !sp_socket_readable(given[i], size))
            return false;
        if (s->set[i])
            memcpy(s->asked[i], given[i], size);
    }
    return true;
}

static fd_set *sets_copy(struct sets *s, int i)
{
    memcpy(s->got[i], s->asked[i], s->words * sizeof(unsigned long));
    return s->set[i] ? (fd_set *)(void *)s->got[i] : NULL;
}

/* Only what has changed: programs name more fds than their sets hold, where the kernel has none. */
static void sets_give(struct sets *s)
{
    for (int i = 0; i < 3; i++) {
        for (size_t w = 0; s->set[i] && w < s->words; w++) {
            if (s->got[i][w] != s->asked[i][w])
                s->set[i][w] = s->got[i][w];
        }
    }
}

static bool sets_has(const struct sets *s, unsigned long (*sets)[SETS_FDS / SETS_WORD], size_t fd)
{
    bool has = false;
    for (int i = 0; i < 3; i++)
        has = has || (s->set[i] && (sets[i][fd / SETS_WORD] >> fd % SETS_WORD & 1));
    return has;
}

/* Takes connects that rest out of what is asked or, when some have `failed`, of what was got.
 * Returns how many bits went. */
static int sets_hide(struct sets *s, bool failed)
{
    int gone = 0;
    for (size_t fd = 0; fd < s->words * SETS_WORD; fd++) {
        if (!sets_has(s, s->got, fd) || !sp_watch_hides((int)fd, failed))
            continue;
        for (int i = 0; i < 3; i++) {
            unsigned long *word = &s->got[i][fd / SETS_WORD], bit = 1ul << fd % SETS_WORD;
            gone += s->set[i] && (*word & bit);
            *word &= ~bit;
        }
    }
    return gone;
}

static int sets_wait(struct sets *s, int count, struct wait *w, const sigset_t *mask)
{
    for (;;) {
        struct timespec room;
        wait_slice(w);
        fd_set *sets[3] = {sets_copy(s, 0), sets_copy(s, 1), sets_copy(s, 2)};
        if (wait_watches())
            sets_hide(s, false);
        int result = REAL(pselect)(count, sets[0], sets[1], sets[2], wait_timespec(w, &room),
                                   mask || !w->masked ? mask : &w->mask);
        if (result > 0 && wait_watches()) {
            result -= sets_hide(s, true);
            w->hidden = result == 0;
        }
        bool over = result != 0 || (w->last && !w->hidden);
        if (result >= 0 && over)
            sets_give(s);
        if (over)
            return wait_end(w, result);
        wait_mask(w);
    }
}

SP_EXPORT int select(int count, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout)
{
    struct sets sets;
    struct wait w;
    if (SP_LIKELY(!wait_bounded()))
        return REAL(select)(count, in, out, except, timeout);
    bool odd = timeout && (timeout->tv_sec < 0 || timeout->tv_sec >= INT32_MAX ||
                           timeout->tv_usec < 0 || timeout->tv_usec >= 1000000);
    if (odd || !sets_keep(&sets, count, in, out, except))
        return REAL(select)(count, in, out, except, timeout);
    wait_begin(&w, !timeout,
               timeout ? (uint64_t)timeout->tv_sec * SP_SECOND + (uint64_t)timeout->tv_usec * 1000
                       : 0);
    int result = sets_wait(&sets, count, &w, NULL);
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
    struct wait w;
    if (SP_LIKELY(!wait_bounded()) || !wait_valid(timeout) ||
        !sets_keep(&sets, count, in, out, except))
        return REAL(pselect)(count, in, out, except, timeout, mask);
    wait_begin(&w, !timeout, timeout ? wait_ns(timeout) : 0);
    return sets_wait(&sets, count, &w, mask);
}
