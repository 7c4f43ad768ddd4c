/* select.c - select and pselect: the sets are overwritten by each real call, so those get copies.
 */
#include "shim/hold.h"
#include "shim/redial.h"
#include "shim/wait.h"

#include <string.h>

#include "base/clock.h"

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

/* Which sets it is in by now. */
static unsigned sets_now(int fd)
{
    short now = sp_socket_now(fd, POLLIN | POLLOUT | POLLPRI);
    return (now & (POLLIN | POLLHUP | POLLERR | POLLNVAL) ? 1 : 0) |
           (now & (POLLOUT | POLLERR | POLLNVAL) ? 2 : 0) | (now & (POLLPRI | POLLNVAL) ? 4 : 0);
}

/* Takes connects that rest out of what is asked or, when some are ready, out of what was got.
 * Returns how many bits went. */
static int sets_hide(struct sets *s, enum sp_watch seen, const struct wait *w)
{
    int gone = 0;
    for (size_t fd = 0; fd < s->words * SETS_WORD; fd++) {
        if (!sets_has(s, s->got, fd))
            continue;
        unsigned held = sp_hide_sets((int)fd, seen != SP_WATCH_ASKED);
        unsigned hides = sp_watch_hides((int)fd, seen) ? 7 : held;
        if (seen != SP_WATCH_ASKED && sp_waiting_stale(w))
            hides |= ~sets_now((int)fd);
        for (unsigned i = 0; i < 3; i++) {
            unsigned long *word = &s->got[i][fd / SETS_WORD], bit = 1ul << fd % SETS_WORD;
            if (!(hides >> i & 1))
                continue;
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
        sp_waiting_slice(w);
        fd_set *sets[3] = {sets_copy(s, 0), sets_copy(s, 1), sets_copy(s, 2)};
        if (sp_waiting_watches())
            sets_hide(s, SP_WATCH_ASKED, w);
        int result = REAL(pselect)(count, sets[0], sets[1], sets[2], sp_waiting_timespec(w, &room),
                                   mask || !w->masked ? mask : &w->mask);
        if (result > 0 && (sp_waiting_watches() || sp_waiting_stale(w))) {
            result -= sets_hide(s, SP_WATCH_READY, w);
            w->hidden = result == 0;
        }
        bool over = result != 0 || (w->last && !w->hidden);
        if (result >= 0 && over)
            sets_give(s);
        if (over)
            return sp_waiting_end(w, result);
        sp_waiting_mask(w);
    }
}

SP_EXPORT int select(int count, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout)
{
    struct sets sets;
    struct wait w;
    if (sp_here_loose(SP_FAULT_ON_WAIT) &&
        (!timeout || timeout->tv_sec != 0 || timeout->tv_usec != 0) &&
        sp_loose_strikes(SP_FAULT_ON_WAIT))
        return -1;
    if (SP_LIKELY(!sp_waiting_bounded()))
        return REAL(select)(count, in, out, except, timeout);
    bool odd = timeout && (timeout->tv_sec < 0 || timeout->tv_sec >= INT32_MAX ||
                           timeout->tv_usec < 0 || timeout->tv_usec >= 1000000);
    if (odd || !sets_keep(&sets, count, in, out, except))
        return REAL(select)(count, in, out, except, timeout);
    sp_waiting_begin(
        &w, !timeout,
        timeout ? (uint64_t)timeout->tv_sec * SP_SECOND + (uint64_t)timeout->tv_usec * 1000 : 0);
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
    if (sp_here_loose(SP_FAULT_ON_WAIT) &&
        (!timeout || timeout->tv_sec != 0 || timeout->tv_nsec != 0) &&
        sp_loose_strikes(SP_FAULT_ON_WAIT))
        return -1;
    if (SP_LIKELY(!sp_waiting_bounded()) || !sp_waiting_valid(timeout) ||
        !sets_keep(&sets, count, in, out, except))
        return REAL(pselect)(count, in, out, except, timeout, mask);
    sp_waiting_begin(&w, !timeout, timeout ? sp_waiting_ns(timeout) : 0);
    return sets_wait(&sets, count, &w, mask);
}
