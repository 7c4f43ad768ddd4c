/* lowat.h - SO_RCVLOWAT, raised so that the kernel itself says that there is no input (lowat.c). */
#ifndef SHEARPIN_SHIM_LOWAT_H
#define SHEARPIN_SHIM_LOWAT_H

#include "shearpin/held.h"
#include "shim/shim.h"

/* Of a TCP socket that does not block, where a wait of ours can put it back; else nothing is done,
 * and h->raised says so. Under the lock of `h`, both. */
void sp_lowat_raise(const struct sp_conn *conn, struct sp_held *h, int fd);
void sp_lowat_lower(struct sp_held *h, int fd);
/* At the start of an image: what the one before it in this process raised. */
void sp_lowat_inherited(void);

/* --- the program's own view --- */

/* It has set SO_RCVLOWAT to `least`; it asks for it; the mode has changed to `nonblocking`. */
void sp_lowat_chosen(struct sp_conn *conn, int fd, int least);
void sp_lowat_own(const struct sp_conn *conn, int *least);
void sp_lowat_mode(struct sp_conn *conn, int fd, bool nonblocking);

/* --- waits --- */

/* Only a wait of ours gives back what it did to a socket. So nothing is done to one but by a thread
 * that waits that way, or while another one does, which then looks every 20 ms. */
bool sp_lowat_watched(void);
extern __attribute__((visibility("hidden"))) sp_half sp_lowat_ready;
/* Something may be held from now on. */
void sp_lowat_prepare(void);
/* A wait of ours sleeps from `now` on. */
void sp_lowat_waits(uint64_t now);
static inline void sp_lowat_waiting(uint64_t now)
{
    if (SP_UNLIKELY(atomic_load_explicit(&sp_lowat_ready, memory_order_relaxed) != 0))
        sp_lowat_waits(now);
}

#endif
