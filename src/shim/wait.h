/* wait.h - one wait of the program's, in as many real ones as deadlines ask for (wait.c). */
#ifndef SHEARPIN_SHIM_WAIT_H
#define SHEARPIN_SHIM_WAIT_H

#include <signal.h>

#include "shearpin/conn.h"
#include "shearpin/held.h"
#include "shim/shim.h"

struct wait {
    uint64_t until; /* when the program's own timeout is over, SP_NEVER: it has none */
    uint64_t slice; /* how long the next real wait may take, ns; SP_NEVER: for ever */
    bool last;      /* the slice ends with the program's own timeout */
    bool hidden;    /* all that the last one saw was not to be seen: wait on, however late it is */
    uint32_t rests; /* that were over when it began to look */
    bool masked;    /* between slices, so that no signal is handled where nobody would say EINTR */
    sigset_t mask;  /* the program's own, for the next real wait */
};

/* Is there anything that a wait must not sleep over, or must not see? */
bool sp_waiting_bounded(void);
/* Are there connects that it must not see fail, or other things held from it? */
static inline bool sp_waiting_watches(void)
{
    return SP_UNLIKELY((atomic_load_explicit(&sp_due_watched, memory_order_relaxed) |
                        atomic_load_explicit(&sp_held_count, memory_order_relaxed)) != 0);
}
/* May what it saw be of a rest that another thread has ended meanwhile? */
static inline bool sp_waiting_stale(const struct wait *w)
{
    return SP_UNLIKELY(atomic_load(&sp_rests_ending) != w->rests);
}

void sp_waiting_begin(struct wait *w, bool forever, uint64_t timeout);
/* Before each real wait: what is due is done, and how long it may take is in w->slice. */
void sp_waiting_slice(struct wait *w);
struct timespec *sp_waiting_timespec(const struct wait *w, struct timespec *room);
/* The first slice is over and the program's wait is not. */
void sp_waiting_mask(struct wait *w);
int sp_waiting_end(const struct wait *w, int result);

static inline uint64_t sp_waiting_ns(const struct timespec *t)
{
    return (uint64_t)t->tv_sec * SP_SECOND + (uint64_t)t->tv_nsec;
}

static inline bool sp_waiting_valid(const struct timespec *t)
{
    return !t || (t->tv_sec >= 0 && t->tv_sec < INT32_MAX && t->tv_nsec >= 0 &&
                  t->tv_nsec < (long)SP_SECOND);
}

#endif
