/* order.c - the order of the guards, and nothing else:  breaker -> rate -> cap
 * A guard that refuses gives back what the ones before it took. */
#include "shearpin/guard.h"

static struct sp_shard *order_shard(const struct sp_call *call)
{
    return &call->dest->shards[call->segment->self.shard % SP_SHARDS];
}

static unsigned order_side_of(const struct sp_call *call)
{
    const struct sp_guards *g = call->guards;
    return g->mode == SP_MODE_OBSERVE ? SP_SIDE_OBSERVED
           : g->share != 0            ? SP_SIDE_ENFORCED
                                      : SP_SIDE_NONE;
}

/* `side` is not NONE. */
static struct sp_side *order_side(const struct sp_call *call, unsigned side)
{
    return &call->dest->sides[side == SP_SIDE_OBSERVED][call->segment->self.shard % SP_SIDE_SHARDS];
}

static void order_write(const struct sp_call *call, unsigned outcome, uint64_t duration,
                        struct sp_note note)
{
    note.time = call->now;
    note.dest = call->index;
    note.outcome = (uint8_t)outcome;
    note.duration = (uint16_t)sp_bin_of(duration);
    note.slot = (uint16_t)(call->segment->self.slot < SP_PROCESSES ? call->segment->self.slot
                                                                   : SP_PROCESSES);
    note.conn = (uint16_t)(call->conn & SP_JOURNAL_CONN_MASK);
    sp_journal_write(call->segment, &note);
}

/* A line in the journal, where there is one. */
static void order_note(const struct sp_call *call, const struct sp_permit *permit, bool connecting,
                       enum sp_outcome outcome, uint64_t duration)
{
    if (call->guards->journal)
        order_write(call, outcome, duration,
                    (struct sp_note){.kind = connecting ? SP_ENTRY_CONNECT : SP_ENTRY_EXCHANGE,
                                     .observed = permit->side == SP_SIDE_OBSERVED});
}

void sp_order_closed(const struct sp_call *call, uint64_t stood)
{
    if (call->guards->journal)
        order_write(call, SP_OUTCOME_OK, stood, (struct sp_note){.kind = SP_ENTRY_CLOSED});
}

/* In observe mode the call goes on in the shadow: without a vote, and counted as detected by the
 * first guard that would have stopped it. */
static enum sp_verdict order_refuse(const struct sp_call *call, bool connecting,
                                    enum sp_verdict verdict, struct sp_admission *admission)
{
    bool observed = call->guards->mode == SP_MODE_OBSERVE;
    bool again = admission->permit.kind == SP_PERMIT_SHADOW;
    struct sp_shard *shard = order_shard(call);
    sp_breaker_return(call, &admission->permit);
    unsigned side = order_side_of(call);
    admission->permit =
        (struct sp_permit){.kind = observed ? SP_PERMIT_SHADOW : SP_PERMIT_NONE, .side = side & 3};
    if (!again && call->guards->share != 0)
        sp_count(&order_side(call, side)->refused[verdict - 1], 1);
    if (!again && call->guards->journal && !observed)
        order_write(call, SP_OUTCOME_REJECTED_BREAKER + (verdict - SP_REFUSED_BREAKER), 0,
                    (struct sp_note){.kind = connecting ? SP_ENTRY_CONNECT : SP_ENTRY_EXCHANGE});
    if (!again)
        sp_count(observed ? &shard->detected[verdict - 1] : &shard->rejected[verdict - 1], 1);
    return observed ? SP_PASS : verdict;
}

enum sp_verdict sp_order_admit(const struct sp_call *call, bool connecting,
                               struct sp_admission *admission)
{
    *admission = (struct sp_admission){.lease_index = SP_NO_LEASE};
    if (call->guards->mode == SP_MODE_OFF)
        return SP_PASS;
    enum sp_verdict verdict = sp_breaker_admit(call, &admission->permit);
    admission->permit.side = order_side_of(call) & 3;
    if (verdict != SP_PASS) {
        if (!connecting && call->guards->breaker.established == SP_ESTABLISHED_PASS) {
            admission->permit.kind = SP_PERMIT_SHADOW;
            return SP_PASS;
        }
        verdict = order_refuse(call, connecting, verdict, admission);
        if (verdict != SP_PASS)
            return verdict;
    }
    bool capped = connecting && call->guards->cap[SP_CAP_CONNECTIONS] != 0 &&
                  call->segment->self.slot < SP_PROCESSES;
    if (!capped)
        return SP_PASS;
    admission->lease_index = sp_cap_take(call, SP_CAP_CONNECTIONS, &admission->lease);
    if (admission->lease_index != SP_NO_LEASE)
        return SP_PASS;
    admission->lease = 0;
    return order_refuse(call, connecting, SP_REFUSED_CAP, admission);
}

static void order_count(const struct sp_call *call, const struct sp_permit *permit, bool connecting,
                        enum sp_outcome outcome, uint64_t duration)
{
    struct sp_shard *shard = order_shard(call);
    sp_count(connecting ? &shard->connects[outcome] : &shard->exchanges[outcome], 1);
    if (outcome == SP_OUTCOME_OK)
        sp_count(connecting ? &shard->connect_time[sp_bin_of(duration)]
                            : &shard->answer_time[sp_bin_of(duration)],
                 1);
    if (permit->side == SP_SIDE_NONE || call->guards->share == 0)
        return;
    struct sp_side *side = order_side(call, permit->side);
    sp_count(connecting ? &side->connects[outcome] : &side->exchanges[outcome], 1);
    if (outcome == SP_OUTCOME_OK && !connecting)
        sp_count(&side->answer_time[sp_bin_of(duration)], 1);
    if (permit->side == SP_SIDE_ENFORCED && outcome == SP_OUTCOME_RESPONSE_TIMEOUT)
        sp_count(&side->late[SP_DEADLINE_RESPONSE], 1);
}

/* What the breaker is told: a deadline would have ended it, had it been enforced. */
static enum sp_outcome order_judge(const struct sp_call *call, const struct sp_permit *permit,
                                   bool connecting, enum sp_outcome outcome, uint64_t duration)
{
    enum sp_deadline which = connecting ? SP_DEADLINE_CONNECT : SP_DEADLINE_RESPONSE;
    uint64_t limit = call->guards->deadline[which];
    if (permit->side != SP_SIDE_OBSERVED || limit == 0 || duration <= limit)
        return outcome;
    sp_count(&order_side(call, SP_SIDE_OBSERVED)->late[which], 1);
    return connecting ? SP_OUTCOME_CONNECT_TIMEOUT : SP_OUTCOME_RESPONSE_TIMEOUT;
}

bool sp_order_settle(const struct sp_call *call, const struct sp_permit *permit, bool connecting,
                     enum sp_outcome outcome, uint64_t duration)
{
    enum sp_outcome judged = order_judge(call, permit, connecting, outcome, duration);
    order_count(call, permit, connecting, outcome, duration);
    order_note(call, permit, connecting, outcome, duration);
    if (connecting && outcome == SP_OUTCOME_OK && call->guards->success != SP_SUCCESS_CONNECT)
        return false; /* the first exchange settles it, and tells if it came too late */
    sp_breaker_settle(call, permit, judged, duration);
    return true;
}

void sp_order_return(const struct sp_call *call, const struct sp_permit *permit)
{
    sp_breaker_return(call, permit);
}
