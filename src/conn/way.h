/* way.h - the arm of a connection, where its destination has a split (way.c). */
#ifndef SHEARPIN_CONN_WAY_H
#define SHEARPIN_CONN_WAY_H

#include "shearpin/conn.h"
#include "shearpin/split.h"

/* Where a new connection, or with `sticky process` this process, lies between the arms. */
uint32_t sp_way_point(const struct sp_call *call);
/* The connection goes to `arm` from now on; NULL: to none. */
void sp_way_take(struct sp_conn *conn, struct sp_call *call, struct sp_arm *arm);
/* It begins to stand on its arm, if it has one; it does no more. */
void sp_way_stand(struct sp_conn *conn);
void sp_way_leave(struct sp_conn *conn);

#endif
