/* order.c - the order of the guards, and nothing else:  breaker -> rate -> cap
 * A guard that refuses gives back what the ones before it took. */
#include "shearpin/guard.h"

static struct sp_shard *order_shard(const struct sp_call *call)
{
    return &call->dest->shards[call->segment->self.shard % SP_SHARDS];
}

/* In observe mode the call goes on in the shadow: without a vote, and counted as detected by the
 * first guard that would have stopped it. */
static enum sp_verdict order_refuse(const struct sp_call *call, enum sp_verdict verdict,
                                    struct sp_admission *admission)
{
    bool observed = call->guards->mode == SP_MODE_OBSERVE;
    bool again = admission->permit.kind == SP_PERMIT_SHADOW;
    struct sp_shard *shard = order_shard(call);
    sp_breaker_return(call, &admission->permit);
    admission->permit = (struct sp_permit){.kind = observed ? SP_PERMIT_SHADOW : SP_PERMIT_NONE};
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
    if (verdict != SP_PASS) {
        if (!connecting && call->guards->breaker.established == SP_ESTABLISHED_PASS) {
            admission->permit = (struct sp_permit){.kind = SP_PERMIT_SHADOW};
            return SP_PASS;
        }
        verdict = order_refuse(call, verdict, admission);
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
    return order_refuse(call, SP_REFUSED_CAP, admission);
}

bool sp_order_settle(const struct sp_call *call, const struct sp_permit *permit, bool connecting,
                     enum sp_outcome outcome, uint64_t duration)
{
    struct sp_shard *shard = order_shard(call);
    sp_count(connecting ? &shard->connects[outcome] : &shard->exchanges[outcome], 1);
    if (outcome == SP_OUTCOME_OK)
        sp_count(connecting ? &shard->connect_time[sp_bin_of(duration)]
                            : &shard->answer_time[sp_bin_of(duration)],
                 1);
    if (connecting && outcome == SP_OUTCOME_OK && call->guards->success != SP_SUCCESS_CONNECT)
        return false;
    sp_breaker_settle(call, permit, outcome, duration);
    return true;
}

void sp_order_return(const struct sp_call *call, const struct sp_permit *permit)
{
    sp_breaker_return(call, permit);
}
