/* side.c - a connection is enforced or only observed, as a whole. */
#include "shearpin/conn.h"

#include <string.h>

void sp_conn_side_of(struct sp_conn *conn, struct sp_call *call, struct sp_guards *room)
{
    sp_here_own(call, room);
    if (room->mode == SP_MODE_ENFORCE && room->share != 0) {
        if (conn->drawn == 0)
            conn->drawn = (uint16_t)(sp_share_draw(call->dest) + 1);
        if (!sp_share_enforces(conn->drawn - 1, room->share))
            room->mode = SP_MODE_OBSERVE;
    }
    if (room->mode == SP_MODE_OBSERVE)
        memset(room->deadline, 0, sizeof room->deadline);
}
