/* pin.h - a duplicate of the fd of a connection, on which something is done to its socket. */
#ifndef SHEARPIN_SHIM_PIN_H
#define SHEARPIN_SHIM_PIN_H

#include "shim/shim.h"

/* The duplicate pins the open file: it cannot become a stranger's meanwhile. -1: the fd is being
 * closed, is a stranger's already, or none is free. The connection is held by the caller. */
int sp_pin(struct sp_conn *conn, int fd);
void sp_unpin(const struct sp_conn *conn, int pinned);
/* Before the program closes its fd: as long as a duplicate stands the registrations of the socket
 * in an epoll live on, and would say something of a number that is another's by then. */
void sp_pin_wait(const struct sp_conn *conn);
/* In a child: who has pinned is in the parent. */
void sp_pin_forked(void);

#endif
