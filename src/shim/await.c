/* await.c - sleeping before a cap or a rate limit. The guards say until when, and on which bell; a
 * signal ends it as it would end libc's call. */
#include "shim/await.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/clock.h"

/* The futex lies in the segment: not private. */
static long await_futex(sp_half *bell, int operation, uint32_t value, const struct timespec *time,
                        uint32_t bits)
{
    return REAL(syscall)(SYS_futex, bell, operation, value, time, NULL, bits);
}

void sp_await_wake(sp_half *bell, uint32_t bits)
{
    int error = errno;
    await_futex(bell, FUTEX_WAKE_BITSET, INT_MAX, NULL, bits);
    errno = error;
}

/* No wait lasts longer than the program's own timeout for sends and connects, or than itself. */
void sp_await_begin(struct sp_await *sleep, uint32_t dest, int fd, struct sp_wait *wait)
{
    sigset_t all;
    uint64_t limit = sp_socket_timeout(fd, SO_SNDTIMEO);
    if (limit && limit < wait->end - wait->began)
        wait->end = wait->began + limit;
    if (sp_here.deadline < wait->end)
        wait->end = sp_here.deadline;
    sigfillset(&all);
    sleep->noted = sp_sleeper_enter(SP_ASLEEP_PLACE, dest, fd, wait->began);
    sleep->masked = sigprocmask(SIG_BLOCK, &all, &sleep->mask) == 0;
}

static void await_bell(const struct sp_wait *wait)
{
    struct timespec until = {(time_t)(wait->wake / SP_SECOND), (long)(wait->wake % SP_SECOND)};
    if (await_futex(wait->bell, FUTEX_WAIT_BITSET, wait->heard, &until, wait->bits) != 0 &&
        errno != EAGAIN && errno != ETIMEDOUT && errno != EINTR)
        sp_socket_sleep(wait->wake); /* a sandbox without futexes */
}

/* Signals are let in at the end of each slice, where EINTR can be told: none is handled unseen. A
 * ring is heard at once, a signal within a slice. */
bool sp_await(const struct sp_await *sleep, const struct sp_wait *wait)
{
    uint64_t now = sp_now(), slice = now + SP_QUEUE_SLICE;
    struct timespec time = {0, 0};
    if (sleep->noted)
        atomic_store(&sleep->noted->why, wait->bell ? SP_ASLEEP_PLACE : SP_ASLEEP_RATE);
    if (wait->bell)
        await_bell(wait);
    else if (wait->wake > now) /* a token: nobody rings for it */
        time.tv_nsec = (long)((wait->wake < slice ? wait->wake : slice) - now);
    if (REAL(ppoll)(NULL, 0, &time, sleep->masked ? &sleep->mask : NULL) == 0 || errno != EINTR)
        return true;
    return sp_socket_restarts();
}

void sp_await_end(const struct sp_await *sleep)
{
    int error = errno;
    sp_sleeper_leave(sleep->noted);
    if (sleep->masked)
        sigprocmask(SIG_SETMASK, &sleep->mask, NULL);
    errno = error;
}

bool sp_await_pause(enum sp_asleep why, uint32_t dest, int fd, uint64_t until)
{
    struct sp_sleeper *noted = sp_sleeper_enter(why, dest, fd, sp_now());
    bool slept = sp_socket_sleep(until);
    sp_sleeper_leave(noted);
    return slept;
}
