/* claim.c - the place of a cap that a turn holds: `connecting` from the admission of a connect
 * until its outcome is known (where the peer speaks first, until it has spoken), `inflight` from
 * the beginning of an exchange to its end. It belongs to whoever ends the turn, as the permit does.
 */
#include "shearpin/conn.h"

#include "base/clock.h"

void sp_claim_give(const struct sp_conn *conn, uint32_t dest, enum sp_cap cap, uint32_t index)
{
    sp_claim_give_at(conn, dest, cap, index, sp_now());
}

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
