/* claim.c - the places of caps. A turn holds one, `connecting` from the admission of a connect
 * until its outcome is known (where the peer speaks first, until it has spoken), `inflight` from
 * the beginning of an exchange to its end: it belongs to whoever ends the turn, as the permit does.
 * The connection itself holds another, its lease. */
#include "conn/way.h"

#include "base/clock.h"

void sp_claim_give_at(const struct sp_conn *conn, uint32_t dest, enum sp_cap cap, uint32_t index,
                      uint64_t now)
{
    const struct sp_self *self = &sp_here.segment.self;
    struct sp_call call = {.segment = &sp_here.segment,
                           .dest = sp_segment_dest(&sp_here.segment, dest),
                           .wake = sp_here.wake,
                           .now = now};
    if (call.dest && cap < SP_CAP_COUNT)
        sp_cap_give(&call, cap, index, sp_lease_word(self->slot, self->epoch, sp_conn_index(conn)));
}

void sp_claim_give(const struct sp_conn *conn, uint32_t dest, uint32_t claim)
{
    sp_claim_give_at(conn, dest, (enum sp_cap)(claim >> 24), claim & SP_CLAIM_INDEX, sp_now());
}

void sp_conn_adopt(struct sp_conn *conn)
{
    struct sp_guards room;
    struct sp_call call;
    uint64_t lease;
    if (!(atomic_fetch_and(&conn->flags, ~SP_CONN_INHERITED) & SP_CONN_INHERITED))
        return; /* another thread was faster: it takes the lease */
    bool on = sp_here_call(&call, conn->dest, sp_conn_index(conn), sp_now(), &room);
    if (sp_conn_flags(conn) & SP_CONN_FALLBACK)
        return;
    if (on && call.guards->cap[SP_CAP_CONNECTIONS] && sp_here.segment.self.slot < SP_PROCESSES)
        conn->lease = sp_cap_take(&call, SP_CAP_CONNECTIONS, &lease);
    if (on && call.arm)
        sp_way_stand(conn);
}
