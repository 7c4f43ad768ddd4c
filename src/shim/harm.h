/* harm.h - carrying out what injected faults do to a connection: its silence and its ends (harm.c),
 * its data (harm_data.c). */
#ifndef SHEARPIN_SHIM_HARM_H
#define SHEARPIN_SHIM_HARM_H

#include "shearpin/harm.h"
#include "shim/connect.h"
#include "shim/io.h"

/* --- connects --- */

/* A socket that was deaf may be used anew. */
void sp_harm_afresh(int fd);
/* Where a connect goes from which no answer ever comes; the destination hears nothing of it. */
const struct sockaddr *sp_harm_nowhere(int fd, const struct sockaddr *to, socklen_t *length);
/* The same of a unix socket that blocks: as if its backlog were full. */
int sp_harm_wait(const struct attempt *a);
/* The connection stands. */
void sp_harm_stands(struct sp_conn *conn, int fd);

/* --- transfers --- */

/* An exchange has begun; the bytes that began it are out. */
void sp_harm_began(const struct sp_io *io);
void sp_harm_sent(const struct sp_io *io);
/* After a receive, and when something is due: is this the end? */
void sp_harm_look(struct sp_conn *conn, uint64_t now);
/* The last fd of it here is about to be closed. */
void sp_harm_close(const struct sp_conn *conn, int fd);

/* In the place of recvmsg(), and of sendmsg() by whatever name. */
ssize_t sp_harm_receive(struct sp_io *io, struct msghdr *message, int flags);
ssize_t sp_harm_recv(struct sp_io *io, void *buffer, size_t length, int flags);
ssize_t sp_harm_recvfrom(struct sp_io *io, void *buffer, size_t length, int flags,
                         struct sockaddr *from, socklen_t *from_length);
ssize_t sp_harm_readv(struct sp_io *io, const struct iovec *parts, size_t count);
ssize_t sp_harm_send(struct sp_io *io, const struct msghdr *message, int flags);
/* What the kernel moves by itself: how much of it, and that it did. */
size_t sp_harm_room(const struct sp_io *io, size_t length);
ssize_t sp_harm_moved(const struct sp_io *io, ssize_t result);

/* --- bandwidth: pace.c --- */

/* How many bytes the next transfer may move; SIZE_MAX: any number. */
size_t sp_pace_room(const struct sp_harm *harm);
/* Waits, if this call does, until it may. False: errno says why it may not. */
bool sp_pace_wait(const struct sp_io *io, const sp_word *next);
/* Before the kernel sends a part of a file; how much of it. */
size_t sp_pace_before(const struct sp_io *io, size_t length);
/* `more`: there are more than the transfer was let to move, and who waits for an edge must get one.
 * True: it will, when the next may move. */
bool sp_pace_moved(const struct sp_io *io, size_t bytes, bool more, bool sent);

#endif
