/* claim.c - the place of a cap that a turn holds: `connecting` from the admission of a connect
 * until its outcome is known (where the peer speaks first, until it has spoken), `inflight` from
 * the beginning of an exchange to its end. It belongs to whoever ends the turn, as the permit does.
 */
#include "shearpin/conn.h"

#include "base/clock.h"

#define CLAIM_INDEX 0xffffffu /* below it in the word: the place; above: which cap */

void sp_claim_keep(struct sp_conn *conn, struct sp_permit *permit, enum sp_cap cap,
                   const struct sp_admission *admission)
{
    permit->leased = admission->places[cap] != SP_NO_LEASE;
    if (permit->leased)
        conn->claim = (uint32_t)cap << 24 | (admission->places[cap] & CLAIM_INDEX);
}

void sp_claim_give(const struct sp_conn *conn, uint32_t dest, enum sp_cap cap, uint32_t index)
{
    const struct sp_self *self = &sp_here.segment.self;
    struct sp_call call = {.segment = &sp_here.segment,
                           .dest = sp_segment_dest(&sp_here.segment, dest),
                           .wake = sp_here.wake,
                           .now = sp_now()};
    if (call.dest && cap < SP_CAP_COUNT)
        sp_cap_give(&call, cap, index, sp_lease_word(self->slot, self->epoch, sp_conn_index(conn)));
}

void sp_claim_end(const struct sp_conn *conn, uint32_t dest, uint32_t claim)
{
    if (claim != SP_NO_LEASE)
        sp_claim_give(conn, dest, (enum sp_cap)(claim >> 24), claim & CLAIM_INDEX);
}
