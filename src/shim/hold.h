/* hold.h - an injected fault keeps something from the program for a while: an answer, room to send,
 * the outcome of a connect. No byte is kept aside; the kernel has them, and the program is not
 * told.
 *
 * Calls that block wait for it (hold_calls.c). Others get EAGAIN, and a wait does not see it
 * (hide.c), so that an event loop sleeps, or goes on with what else it has. */
#ifndef SHEARPIN_SHIM_HOLD_H
#define SHEARPIN_SHIM_HOLD_H

#include "shearpin/held.h"
#include "shim/io.h"

enum { SP_HOLD_IN = 1, SP_HOLD_OUT = 2 };

#define HOLD_FIRST (SP_MS / 2) /* the first look whether it has come */

/* An exchange begins on `fd` at `since`, whose answer is to be seen `after` later than it comes. */
void sp_hold_answer(struct sp_conn *conn, int fd, uint64_t since, uint64_t after);
/* The same of a connect that does not block. */
void sp_hold_connect(struct sp_conn *conn, uint64_t since, uint64_t after);
/* No input, no room, until then; SP_NEVER: until it is cut, closed, or sp_hold_free(). */
void sp_hold_input(struct sp_conn *conn, int fd, uint64_t until);
void sp_hold_output(struct sp_conn *conn, uint64_t until);
/* Everything is seen again. */
void sp_hold_free(struct sp_conn *conn);
/* `fd`, the last that names it here, is about to be closed: whoever else has the socket sees it. */
void sp_hold_close(struct sp_conn *conn, int fd);

/* Which of the two must not be seen now. */
unsigned sp_hold_hides_now(const struct sp_conn *conn);
static inline unsigned sp_hold_hides(const struct sp_conn *conn)
{
    return SP_UNLIKELY(sp_conn_flags(conn) & SP_CONN_HELD) ? sp_hold_hides_now(conn) : 0;
}

/* --- when it is due: hold_due.c --- */

/* What is held was seen to be there by now. */
void sp_hold_came(struct sp_conn *conn);
/* Something of it is due. */
void sp_hold_due(struct sp_conn *conn, uint64_t now);

/* --- calls: hold_calls.c --- */

/* Before a receive. False: errno says why there is nothing yet. */
bool sp_hold_receive(struct sp_io *io, int flags);
/* Bytes have come to a receive that slept in the kernel while another thread asked. False: it was
 * cut meanwhile, errno says why. */
bool sp_hold_received(struct sp_io *io);
/* Before a send that does not block. */
bool sp_hold_send(const struct sp_io *io);

/* --- waits: hide.c --- */

/* Before and after a poll() on a copy. */
void sp_hide_ask(struct pollfd *one);
void sp_hide_seen(struct pollfd *one);
/* Which sets of a select() must not have the fd: bits 0 to 2. */
unsigned sp_hide_sets(int fd, bool seen);
/* Before an epoll_wait, and its events without those that must not be seen. */
void sp_hide_before(int epoll);
int sp_hide_epoll(int epoll, struct epoll_event *events, int count);

/* --- between these files --- */

/* `what` of it is seen from now on: first it may be received, then who waits is told. */
void hold_show(struct sp_conn *conn, struct sp_held *h, unsigned what);
/* Does the turn for whose answer it was held still stand? */
bool hold_stands(const struct sp_held *h, enum sp_turn turn);
/* It was there already when the program asked: then it came earlier than it was seen. */
void hold_correct(int fd, struct sp_held *h);

#endif
