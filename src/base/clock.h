/*
 * clock.h - what time it is. Both are vdso calls: no system call, safe in signal handlers.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static inline uint64_t sp_clock_read(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* The same by a system call: for a program's start, which has not touched the vdso's pages yet. */
static inline uint64_t sp_clock_enter(clockid_t clock)
{
    struct timespec now = {0, 0};

    syscall(SYS_clock_gettime, clock, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* CLOCK_MONOTONIC in ns: every deadline, window and hold. The same for all processes of a boot. */
static inline uint64_t sp_now(void)
{
    return sp_clock_read(CLOCK_MONOTONIC);
}

/* CLOCK_REALTIME in ns: only to be shown to people. */
static inline uint64_t sp_wall(void)
{
    return sp_clock_read(CLOCK_REALTIME);
}

#endif
