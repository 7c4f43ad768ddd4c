/* order.c - the order of the guards, and nothing else:  breaker -> rate -> cap
 * A guard that refuses gives back what the ones before it took. */
#include "shearpin/guard.h"

#include "base/probe.h"
#include "shearpin/split.h"

static struct sp_shard *order_shard(const struct sp_call *call)
{
    return sp_segment_shard(call->segment, call->dest);
}

static bool order_observes(const struct sp_call *call)
{
    return call->guards->mode == SP_MODE_OBSERVE;
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

static bool order_scoped(const struct sp_call *call, const struct sp_permit *permit)
{
    return call->endpoint || permit->endpoint;
}

static void order_return(const struct sp_call *call, const struct sp_permit *permit)
{
    if (order_scoped(call, permit))
        sp_scope_return(call, permit);
    else
        sp_breaker_return(call, permit);
}

static void order_tell(const struct sp_call *call, const struct sp_permit *permit,
                       enum sp_outcome outcome, uint64_t duration)
{
    if (order_scoped(call, permit))
        sp_scope_settle(call, permit, outcome, duration);
    else
        sp_breaker_settle(call, permit, outcome, duration);
}

/* In observe mode the call goes on in the shadow: without a vote, and counted as detected by the
 * first guard that would have stopped it. */
static enum sp_verdict order_refuse(const struct sp_call *call, bool connecting,
                                    enum sp_verdict verdict, struct sp_admission *admission)
{
    bool observed = order_observes(call);
    bool again = observed && admission->permit.kind == SP_PERMIT_SHADOW;
    struct sp_shard *shard = order_shard(call);
    order_return(call, &admission->permit);
    unsigned side = order_side_of(call);
    admission->permit =
        (struct sp_permit){.kind = observed ? SP_PERMIT_SHADOW : SP_PERMIT_NONE, .side = side & 3};
    if (!again && call->guards->share != 0)
        sp_count(&order_side(call, side)->refused[verdict - 1], 1);
    if (!again && call->guards->journal && !observed)
        order_write(call, SP_OUTCOME_REJECTED_BREAKER + (verdict - SP_REFUSED_BREAKER), 0,
                    (struct sp_note){.kind = connecting ? SP_ENTRY_CONNECT : SP_ENTRY_EXCHANGE});
    if (!again) {
        SP_PROBE(reject, call->dest->name, verdict, connecting, observed);
        sp_count(observed ? &shard->detected[verdict - 1] : &shard->rejected[verdict - 1], 1);
    }
    return observed ? SP_PASS : verdict;
}

/* --- the guards, in their order --- */

/* It can go to a fallback instead: to the journal it is a refusal, to the program it may be none.
 */
static enum sp_verdict order_divert(const struct sp_call *call, struct sp_admission *admission)
{
    admission->permit = (struct sp_permit){.kind = SP_PERMIT_NONE};
    if (call->guards->journal)
        order_write(call, SP_OUTCOME_REJECTED_BREAKER, 0,
                    (struct sp_note){.kind = SP_ENTRY_CONNECT});
    return SP_ELSEWHERE;
}

static enum sp_verdict order_breaker(const struct sp_call *call, bool connecting,
                                     struct sp_admission *admission)
{
    bool established = call->guards->breaker.established == SP_ESTABLISHED_PASS && !connecting;
    enum sp_verdict verdict = call->endpoint ? sp_scope_admit(call, &admission->permit)
                                             : sp_breaker_admit(call, &admission->permit);
    admission->permit.side = order_side_of(call) & 3;
    if (verdict == SP_PASS)
        return SP_PASS;
    if (connecting && call->others && !call->guards->pass && !order_observes(call)) {
        admission->permit = (struct sp_permit){.kind = SP_PERMIT_NONE};
        return SP_ANOTHER;
    }
    if (connecting && (call->guards->fallback & SP_WHEN_OPEN) && !call->guards->pass &&
        !order_observes(call))
        return order_divert(call, admission);
    if (!call->guards->pass && !established)
        return order_refuse(call, connecting, SP_REFUSED_BREAKER, admission);
    if (call->guards->pass) /* it only reports */
        sp_count(&order_shard(call)->detected[SP_REFUSED_BREAKER - 1], 1);
    admission->permit =
        (struct sp_permit){.kind = SP_PERMIT_SHADOW, .side = order_side_of(call) & 3};
    return SP_PASS;
}

static enum sp_verdict order_rate(const struct sp_call *call, bool connecting, struct sp_wait *wait,
                                  struct sp_admission *admission)
{
    enum sp_verdict verdict = sp_rate_admit(call, wait);
    return verdict == SP_REFUSED_RATE ? order_refuse(call, connecting, verdict, admission)
                                      : verdict;
}

static enum sp_verdict order_cap(const struct sp_call *call, bool connecting, struct sp_wait *wait,
                                 struct sp_admission *admission)
{
    enum sp_verdict verdict = sp_cap_admit(call, connecting, wait, admission);
    return verdict == SP_REFUSED_CAP ? order_refuse(call, connecting, verdict, admission) : verdict;
}

/* --- admission --- */

static void order_nothing(const struct sp_call *call, const struct sp_wait *wait,
                          struct sp_admission *admission)
{
    admission->permit = (struct sp_permit){.kind = SP_PERMIT_NONE};
    admission->began = wait && wait->began ? wait->began : call->now;
    for (int cap = 0; cap < SP_CAP_COUNT; cap++)
        admission->places[cap] = SP_NO_LEASE;
}

static bool order_capped(const struct sp_guards *guards, bool connecting)
{
    return connecting ? (guards->cap[SP_CAP_CONNECTIONS] | guards->cap[SP_CAP_CONNECTING]) != 0
                      : guards->cap[SP_CAP_INFLIGHT] != 0;
}

/* A caller that has waited goes, admitted or not: its turn is the next one's, and with `undone` its
 * token too. */
static void order_end_wait(const struct sp_call *call, bool connecting, struct sp_wait *wait,
                           bool undone)
{
    if (wait->since)
        sp_queue_leave(call, &call->dest->queues[connecting ? SP_LINE_CONNECT : SP_LINE_EXCHANGE],
                       wait);
    if (wait->token && undone)
        sp_rate_give(call);
    if (wait->began)
        sp_count(&call->dest->wait_time[sp_bin_of(call->now - wait->began)], 1);
    sp_wait_none(wait);
}

static enum sp_verdict order_end(const struct sp_call *call, bool connecting, struct sp_wait *wait,
                                 struct sp_admission *admission, enum sp_verdict verdict)
{
    if (verdict ==
        SP_WAIT) { /* nothing is held asleep but a turn: a probe is another's meanwhile */
        order_return(call, &admission->permit);
        admission->permit = (struct sp_permit){.kind = SP_PERMIT_NONE};
    } else if (wait && (wait->began || wait->token)) {
        order_end_wait(call, connecting, wait, verdict != SP_PASS);
    } else if (verdict == SP_REFUSED_CAP) {
        sp_rate_give(call);
    }
    return verdict;
}

enum sp_verdict sp_order_admit(const struct sp_call *call, bool connecting, struct sp_wait *wait,
                               struct sp_admission *admission)
{
    order_nothing(call, wait, admission);
    if (call->guards->mode == SP_MODE_OFF)
        return order_end(call, connecting, wait, admission, SP_PASS);
    struct sp_wait *may = order_observes(call) ? NULL : wait;
    enum sp_verdict verdict = order_breaker(call, connecting, admission);
    if (verdict == SP_PASS && call->guards->limit_rate)
        verdict = order_rate(call, connecting, may, admission);
    if (verdict == SP_PASS && order_capped(call->guards, connecting))
        verdict = order_cap(call, connecting, may, admission);
    if (verdict == SP_PASS && !(wait && (wait->began || wait->token)))
        return SP_PASS;
    return order_end(call, connecting, wait, admission, verdict);
}

enum sp_verdict sp_order_first(const struct sp_call *call, struct sp_wait *wait,
                               struct sp_admission *admission)
{
    order_nothing(call, wait, admission);
    struct sp_wait *may = order_observes(call) ? NULL : wait;
    enum sp_verdict verdict = SP_PASS;
    if (order_capped(call->guards, false))
        verdict = order_cap(call, false, may, admission);
    if (verdict != SP_WAIT && wait && wait->began)
        order_end_wait(call, false, wait, false);
    return verdict;
}

void sp_order_aside(const struct sp_call *call, struct sp_admission *admission)
{
    order_nothing(call, NULL, admission);
    admission->permit.kind = SP_PERMIT_ASIDE;
}

void sp_order_nowhere(const struct sp_call *call)
{
    if (call->guards->share != 0)
        sp_count(&order_side(call, order_side_of(call))->refused[SP_REFUSED_BREAKER - 1], 1);
    sp_count(&order_shard(call)->rejected[SP_REFUSED_BREAKER - 1], 1);
}

void sp_order_leave(const struct sp_call *call, bool connecting, struct sp_wait *wait)
{
    if (call->dest)
        order_end_wait(call, connecting, wait, true);
}

/* --- the end of what was admitted --- */

static void order_count(const struct sp_call *call, const struct sp_permit *permit, bool connecting,
                        enum sp_outcome outcome, uint64_t duration)
{
    struct sp_shard *shard = order_shard(call);
    if (call->guards->moment)
        sp_history_keep(call->segment, call->dest, call->guards, call->now);
    if (connecting || outcome != SP_OUTCOME_OK) /* an answer is counted by its duration alone */
        sp_count(connecting ? &shard->connects[outcome] : &shard->exchanges[outcome], 1);
    if (outcome == SP_OUTCOME_OK)
        sp_count(connecting ? &shard->connect_time[sp_bin_of(duration)]
                            : &shard->answer_time[sp_bin_of(duration)],
                 1);
    else
        SP_PROBE(outcome, call->dest->name, outcome, duration, connecting);
    if (call->arm)
        sp_arm_count(call->arm, call->guards, connecting, outcome, duration);
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

static void order_count_aside(const struct sp_call *call, bool connecting, enum sp_outcome outcome)
{
    if (outcome < SP_OUTCOMES_WIRE)
        sp_count(&order_shard(call)->fallback[connecting][outcome], 1);
}

bool sp_order_settle(const struct sp_call *call, const struct sp_permit *permit, bool connecting,
                     enum sp_outcome outcome, uint64_t duration)
{
    if (permit->kind == SP_PERMIT_ASIDE) {
        order_count_aside(call, connecting, outcome);
        return true;
    }
    enum sp_outcome judged = order_judge(call, permit, connecting, outcome, duration);
    order_count(call, permit, connecting, outcome, duration);
    order_note(call, permit, connecting, outcome, duration);
    if (connecting && outcome == SP_OUTCOME_OK && call->guards->success != SP_SUCCESS_CONNECT)
        return false; /* the first exchange settles it, and tells if it came too late */
    if (outcome == SP_OUTCOME_OK)
        atomic_store_explicit(&order_shard(call)->last_success, call->now, memory_order_relaxed);
    order_tell(call, permit, judged, duration);
    return true;
}

void sp_order_undo(const struct sp_call *call, const struct sp_permit *permit)
{
    order_return(call, permit);
    if (permit->kind != SP_PERMIT_SHADOW && permit->kind != SP_PERMIT_ASIDE) /* may have none */
        sp_rate_give(call);
}

void sp_order_told(const struct sp_call *call, const struct sp_permit *permit,
                   enum sp_outcome outcome)
{
    if (permit->kind == SP_PERMIT_ASIDE) {
        order_count_aside(call, false, outcome);
        return;
    }
    sp_count(&order_shard(call)->exchanges[outcome], 1);
    if (call->arm && outcome < SP_OUTCOMES_WIRE)
        sp_count(&call->arm->exchanges[outcome], 1);
    order_tell(call, permit, outcome, 0);
}

void sp_order_return(const struct sp_call *call, const struct sp_permit *permit)
{
    order_return(call, permit);
}
