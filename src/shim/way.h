/* way.h - where a connect goes whose destination has a split (way.c). */
#ifndef SHEARPIN_SHIM_WAY_H
#define SHEARPIN_SHIM_WAY_H

#include "conn/way.h"
#include "shim/shim.h"

/* One try of a connect, over all that it is asked about. Zero-initialise. */
struct sp_way {
    bool drawn;
    uint32_t point;
    int at;          /* the arm that it was sent to */
    uint32_t barred; /* arms that have refused it */
};

/* The arm that it goes to: the connection and the call are that one's from now on, `out` is its
 * address. False: it goes where the program wanted. */
bool sp_way_go(struct sp_way *asked, int fd, struct sp_conn *conn, struct sp_call *call, int family,
               struct sockaddr_storage *out, socklen_t *length);

#endif
