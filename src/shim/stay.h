/* stay.h - the kernel's timer of a blocking connect (SO_SNDTIMEO), which stays on the socket until
 * it could matter: to put it back at once is half of what a guarded connect costs. A socket that
 * has sent nothing takes a small send without waiting (quick.h of src/conn). Whatever else might
 * wait, look, or give the socket to code that is not seen here puts the timer back first. */
#ifndef SHEARPIN_SHIM_STAY_H
#define SHEARPIN_SHIM_STAY_H

#include "shim/shim.h"

extern __attribute__((visibility("hidden"))) _Atomic bool sp_stay_used; /* in this process, ever */
static inline void sp_stay_begins(void)
{
    if (SP_UNLIKELY(!atomic_load_explicit(&sp_stay_used, memory_order_relaxed)))
        atomic_store_explicit(&sp_stay_used, true, memory_order_relaxed);
}

/* Puts it back, on any fd of the connection. errno stays. */
void sp_stay_end(int fd, struct sp_conn *conn);
static inline void sp_stay_over(int fd, uint64_t entry)
{
    if (SP_UNLIKELY(sp_conn_flags(sp_conn_at(entry)) & SP_CONN_STAYS))
        sp_stay_end(fd, sp_conn_at(entry));
}
/* The program has set SO_SNDTIMEO itself: it is its own now. */
void sp_stay_replaced(uint64_t entry);

/* The same for all, before another program may have them: it would find our timer. */
void sp_stay_walk(void);
static inline void sp_stay_end_all(void)
{
    if (SP_UNLIKELY(atomic_load_explicit(&sp_stay_used, memory_order_relaxed)))
        sp_stay_walk();
}

#endif
