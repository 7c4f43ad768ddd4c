/* way.c - the arm of a connection: whose breaker it asks, whose figures it counts in, and that it
 * stands there. */
#include "conn/way.h"

uint32_t sp_way_point(const struct sp_call *call)
{
    if (!(call->guards->split & SP_SPLIT_STICKY))
        return sp_split_draw(call->dest, false);
    /* A child of fork is a process of its own: the word says whose point it is. */
    sp_word *spot = &sp_here.kept[call->index * 2].spot;
    uint64_t seen = atomic_load(spot);
    if (seen >> 32 == sp_here.pid)
        return (uint32_t)seen;
    uint32_t point = sp_split_draw(call->dest, true);
    uint64_t mine = (uint64_t)sp_here.pid << 32 | point;
    return atomic_compare_exchange_strong(spot, &seen, mine) ? point : (uint32_t)seen;
}

void sp_way_take(struct sp_conn *conn, struct sp_call *call, struct sp_arm *arm)
{
    sp_way_leave(conn);
    conn->aim = arm ? sp_arm_aim(call->segment, arm) : (struct sp_aim){SP_NO_ENDPOINT, 0};
    call->arm = arm;
    call->endpoint = arm ? &arm->endpoint : NULL;
}

void sp_way_stand(struct sp_conn *conn)
{
    struct sp_arm *arm = sp_arm_aimed(&sp_here.segment, conn->aim);
    if (arm && !(sp_conn_flags(conn) & (SP_CONN_TALLIED | SP_CONN_FALLBACK)) &&
        sp_arm_stand(&sp_here.segment, arm))
        sp_conn_mark(conn, SP_CONN_TALLIED, true);
}

SP_HOT void sp_way_leave(struct sp_conn *conn)
{
    if (!(sp_conn_flags(conn) & SP_CONN_TALLIED))
        return;
    sp_conn_mark(conn, SP_CONN_TALLIED, false);
    sp_arm_fall(&sp_here.segment, conn->aim);
}
