/* hold.h - an injected fault keeps something from the program for a while: an answer, room to send,
 * the outcome of a connect. No byte is kept aside; the kernel has them, and the program is not
 * told.
 *
 * Calls that block wait for it (sp_hold_wait). Others get EAGAIN, and a wait does not see it
 * (hide.c), so that an event loop sleeps, or goes on with what else it has. */
#ifndef SHEARPIN_SHIM_HOLD_H
#define SHEARPIN_SHIM_HOLD_H

#include "shearpin/held.h"
#include "shim/io.h"

enum { SP_HOLD_IN = 1, SP_HOLD_OUT = 2 };

/* An exchange begins on `fd` at `since`, whose answer is to be seen `after` later than it comes. */
void sp_hold_answer(struct sp_conn *conn, int fd, uint64_t since, uint64_t after);
/* The same of a connect that does not block. */
void sp_hold_connect(struct sp_conn *conn, uint64_t since, uint64_t after);
/* No input, no room, until then; SP_NEVER: until it is cut, closed, or sp_hold_free(). */
void sp_hold_input(struct sp_conn *conn, int fd, uint64_t until);
void sp_hold_output(struct sp_conn *conn, uint64_t until);
/* Everything is seen again. */
void sp_hold_free(struct sp_conn *conn);
/* At the start of an image: what the one before it in this process held is seen again. */
void sp_hold_inherited(void);
/* `fd`, the last that names it here, is about to be closed: whoever else has the socket sees it. */
void sp_hold_close(struct sp_conn *conn, int fd);

/* Which of the two must not be seen now. */
unsigned sp_hold_hides_now(const struct sp_conn *conn);
static inline unsigned sp_hold_hides(const struct sp_conn *conn)
{
    return SP_UNLIKELY(sp_conn_flags(conn) & SP_CONN_HELD) ? sp_hold_hides_now(conn) : 0;
}
/* What is held was seen to be there by now. */
void sp_hold_came(struct sp_conn *conn);
/* Something of it is due. */
void sp_hold_due(struct sp_conn *conn, uint64_t now);

/* Before a receive. False: errno says why there is nothing yet. */
bool sp_hold_receive(struct sp_io *io, int flags);
/* Bytes have come to a receive that slept in the kernel while another thread asked. False: it was
 * cut meanwhile, errno says why. */
bool sp_hold_received(struct sp_io *io);
/* Before a send that does not block. */
bool sp_hold_send(const struct sp_io *io);

/* --- the program's own view --- */

/* SO_RCVLOWAT is set, or the mode has changed to `nonblocking`. */
void sp_hold_lowat(struct sp_conn *conn, int fd, int least);
void sp_hold_least(const struct sp_conn *conn, int *least);
void sp_hold_mode(struct sp_conn *conn, int fd, bool nonblocking);

/* --- waits: hide.c --- */

/* Only a wait of ours gives back what it did to a socket. So nothing is done to one but by a thread
 * that waits that way, or while another one does, which then looks every 20 ms. */
extern __attribute__((visibility("hidden"))) sp_half sp_hold_ready;
/* Something may be held from now on. */
void sp_hold_prepare(void);
/* A wait of ours sleeps from `now` on. */
void sp_hold_waits(uint64_t now);
static inline void sp_hold_waiting(uint64_t now)
{
    if (SP_UNLIKELY(atomic_load_explicit(&sp_hold_ready, memory_order_relaxed) != 0))
        sp_hold_waits(now);
}

/* Before and after a poll() on a copy. */
void sp_hide_ask(struct pollfd *one);
void sp_hide_seen(struct pollfd *one);
/* Which sets of a select() must not have the fd: bits 0 to 2. */
unsigned sp_hide_sets(int fd, bool seen);
/* Before an epoll_wait, and its events without those that must not be seen. */
void sp_hide_before(int epoll);
int sp_hide_epoll(int epoll, struct epoll_event *events, int count);

#endif
