/* side.c - a connection is enforced or only observed, as a whole. */
#include "shearpin/conn.h"

#include <string.h>

void sp_conn_side_of(struct sp_conn *conn, const struct sp_call *call, struct sp_guards *guards)
{
    if (guards->mode == SP_MODE_ENFORCE && guards->share != 0) {
        if (conn->drawn == 0)
            conn->drawn = sp_share_draw(call->dest) + 1;
        if (!sp_share_enforces(conn->drawn - 1, guards->share))
            guards->mode = SP_MODE_OBSERVE;
    }
    if (guards->mode == SP_MODE_OBSERVE)
        memset(guards->deadline, 0, sizeof guards->deadline);
}
