/* sleeper.c - threads that sleep inside of our wrappers: nothing that the kernel knows says why, so
 * they write it down, where the command may read it (status --waiting). Only who is about to sleep
 * comes here. A leap out of a signal handler leaves a note behind; the same thread's next one takes
 * its place. */
#include "shearpin/conn.h"

#include <sys/syscall.h>
#include <unistd.h>

struct sp_sleeper sp_sleepers[SP_SLEEPERS];

static struct sp_sleeper *sleeper_place(uint32_t tid)
{
    struct sp_sleeper *all = sp_sleepers;
    for (unsigned i = 0; i < SP_SLEEPERS; i++) {
        if (atomic_load_explicit(&all[i].tid, memory_order_relaxed) == tid)
            return &all[i];
    }
    for (unsigned i = 0; i < SP_SLEEPERS; i++) {
        uint32_t none = 0;
        if (atomic_compare_exchange_strong(&all[i].tid, &none, tid))
            return &all[i];
    }
    return NULL;
}

struct sp_sleeper *sp_sleeper_enter(enum sp_asleep why, uint32_t dest, int fd, uint64_t since)
{
    struct sp_sleeper *s = sleeper_place((uint32_t)syscall(SYS_gettid));
    if (!s)
        return NULL;
    s->dest = dest;
    s->fd = fd;
    s->since = since;
    atomic_store(&s->why, why);
    return s;
}

void sp_sleeper_leave(struct sp_sleeper *sleeper)
{
    if (sleeper)
        atomic_store(&sleeper->tid, 0);
}
