/* breaker.c - closed -> open -> half-open -> closed. One word, and every transition is one
 * compare-and-swap on it: exactly one process wins it, and that one writes the event. */
#include "guard/breaker.h"

/* --- admission --- */

static void breaker_end_hold(const struct sp_call *call, uint64_t word, struct sp_breaker b)
{
    struct sp_breaker to = b;
    to.state = b.hold == SP_HOLD_OPEN ? SP_STATE_OPEN : SP_STATE_CLOSED;
    to.hold = SP_HOLD_NONE;
    to.streak = 0;
    to.until = to.state == SP_STATE_OPEN ? breaker_ms(call->now) : 0;
    if (breaker_move(call, word, to))
        breaker_event(call, b, to, SP_TRIP_TIME, 0, 0);
}

static void breaker_half_open(const struct sp_call *call, uint64_t word, struct sp_breaker b)
{
    struct sp_breaker to = b;
    to.state = SP_STATE_HALF_OPEN;
    to.streak = 0;
    if (breaker_move(call, word, to))
        breaker_event(call, b, to, SP_TRIP_TIME, 0, 0);
}

/* A state that does not exist admits: then nobody was told to refuse. */
static bool breaker_is_closed(struct sp_breaker b)
{
    return b.state != SP_STATE_OPEN && b.state != SP_STATE_HALF_OPEN;
}

enum sp_verdict sp_breaker_admit(const struct sp_call *call, struct sp_permit *permit)
{
    for (int turn = 0; turn < 16; turn++) {
        uint64_t word = atomic_load_explicit(&breaker_cell(call)->word, memory_order_acquire);
        struct sp_breaker b = sp_breaker_unpack(word);
        *permit = (struct sp_permit){.kind = SP_PERMIT_NONE, .epoch = b.epoch};
        if (b.hold != SP_HOLD_NONE && breaker_hold_over(call)) {
            breaker_end_hold(call, word, b);
        } else if (b.hold == SP_HOLD_OPEN) {
            return SP_REFUSED_BREAKER;
        } else if (b.hold != SP_HOLD_NONE || breaker_is_closed(b)) {
            permit->kind = SP_PERMIT_CALL;
            return SP_PASS;
        } else if (b.state == SP_STATE_HALF_OPEN) {
            if (breaker_probe(call, word, permit))
                return permit->kind == SP_PERMIT_PROBE ? SP_PASS : SP_REFUSED_BREAKER;
        } else if (breaker_time_over(call, b)) {
            breaker_half_open(call, word, b);
        } else {
            return SP_REFUSED_BREAKER;
        }
    }
    return SP_REFUSED_BREAKER;
}

/* --- settling --- */

enum window { RATE, SLOW };

/* The one that this process adds to. */
static sp_word *breaker_buckets(const struct sp_call *call, enum window which)
{
    struct sp_shard *shard = sp_segment_shard(call->segment, call->dest);
    if (call->endpoint)
        return which == RATE ? call->endpoint->rate : call->endpoint->slow;
    return which == RATE ? shard->rate : shard->slow;
}

/* Does a window say that it is time to trip? Summed only by who has just added something bad. */
static bool breaker_window(const struct sp_call *call, enum window which, uint64_t window,
                           uint32_t share, uint32_t least, struct sp_window_sum *sum)
{
    const struct sp_endpoint *e = call->endpoint;
    if (share == 0)
        return false;
    if (e)
        *sum = sp_window_of(which == RATE ? e->rate : e->slow, window, call->now);
    else
        *sum = sp_window_sum(call->dest,
                             which == RATE ? offsetof(struct sp_shard, rate)
                                           : offsetof(struct sp_shard, slow),
                             window, call->now);
    return sum->calls >= least && sum->calls > 0 && sum->bad * SP_SHARE_ALL >= share * sum->calls;
}

/* Why a breaker with this streak trips; what the event shows as a and b goes into `why`. */
static enum sp_trip breaker_reason(const struct sp_call *call, uint16_t streak, bool bad, bool slow,
                                   struct sp_window_sum *why)
{
    const struct sp_breaker_policy *p = &call->guards->breaker;
    if (bad && p->streak && streak >= p->streak)
        return SP_TRIP_STREAK;
    if (bad && breaker_window(call, RATE, p->rate_window, p->rate, p->rate_min, why))
        return SP_TRIP_RATE;
    if (slow && breaker_window(call, SLOW, p->slow_window, p->slow, p->slow_min, why))
        return SP_TRIP_SLOW;
    return SP_TRIP_NONE;
}

/* Closed, and still in the epoch in which the call was admitted. */
static bool breaker_votes(struct sp_breaker b, uint16_t epoch)
{
    return b.epoch == epoch && b.hold == SP_HOLD_NONE && b.state == SP_STATE_CLOSED;
}

/* Others write the streak meanwhile; a trip that is due must not be lost to them. */
static void breaker_trip_if(const struct sp_call *call, uint16_t epoch, bool bad, bool slow,
                            enum sp_outcome outcome)
{
    for (;;) {
        struct sp_window_sum why = {0, 0};
        uint64_t word = atomic_load(&breaker_cell(call)->word);
        struct sp_breaker b = sp_breaker_unpack(word), to;
        if (!breaker_votes(b, epoch))
            return;
        enum sp_trip reason = breaker_reason(call, b.streak, bad, slow, &why);
        if (reason == SP_TRIP_NONE)
            return;
        to = breaker_opened(call, b);
        if (!breaker_move(call, word, to))
            continue;
        if (reason == SP_TRIP_STREAK)
            breaker_event(call, b, to, reason, b.streak, outcome);
        else
            breaker_event(call, b, to, reason, why.bad, why.calls);
        return;
    }
}

static void breaker_settle_streak(const struct sp_call *call, uint16_t epoch, bool bad)
{
    uint64_t word = atomic_load_explicit(&breaker_cell(call)->word, memory_order_relaxed);
    for (;;) {
        struct sp_breaker b = sp_breaker_unpack(word);
        uint16_t streak = !bad ? 0 : b.streak < SP_BREAKER_STREAK_MAX ? b.streak + 1 : b.streak;
        if (!breaker_votes(b, epoch) || streak == b.streak)
            return;
        b.streak = streak;
        if (atomic_compare_exchange_weak(&breaker_cell(call)->word, &word, sp_breaker_pack(b)))
            return;
    }
}

static void breaker_settle_call(const struct sp_call *call, uint16_t epoch, bool bad, bool slow,
                                enum sp_outcome outcome)
{
    const struct sp_breaker_policy *p = &call->guards->breaker;
    uint64_t word = atomic_load_explicit(&breaker_cell(call)->word, memory_order_relaxed);
    if (!breaker_votes(sp_breaker_unpack(word), epoch))
        return;
    if (p->rate)
        sp_window_add(breaker_buckets(call, RATE), p->rate_window, call->now, bad);
    if (p->slow)
        sp_window_add(breaker_buckets(call, SLOW), p->slow_window, call->now, slow);
    breaker_settle_streak(call, epoch, bad);
    if (bad || slow)
        breaker_trip_if(call, epoch, bad, slow, outcome);
}

static void breaker_settle_probe(const struct sp_call *call, const struct sp_permit *permit,
                                 bool bad, enum sp_outcome outcome)
{
    for (;;) {
        uint64_t word = atomic_load(&breaker_cell(call)->word);
        struct sp_breaker b = sp_breaker_unpack(word), to = b;
        if (b.epoch != permit->epoch || b.hold != SP_HOLD_NONE || b.state != SP_STATE_HALF_OPEN)
            break;
        uint16_t proved = b.streak + 1;
        if (bad) {
            to = breaker_opened(call, b);
            if (!breaker_move(call, word, to))
                continue;
            breaker_event(call, b, to, SP_TRIP_PROBE, 0, outcome);
        } else if (proved >= call->guards->breaker.close) {
            to = breaker_closed(call, b);
            if (!breaker_move(call, word, to))
                continue;
            breaker_event(call, b, to, SP_TRIP_PROVED, proved, 0);
        } else {
            to.streak = proved;
            if (!atomic_compare_exchange_strong(&breaker_cell(call)->word, &word,
                                                sp_breaker_pack(to)))
                continue;
        }
        break;
    }
    sp_breaker_return(call, permit);
}

void sp_breaker_settle(const struct sp_call *call, const struct sp_permit *permit,
                       enum sp_outcome outcome, uint64_t duration)
{
    const struct sp_breaker_policy *p = &call->guards->breaker;
    bool bad = (p->on >> outcome & 1) != 0;
    bool slow = p->slow && duration > p->slow_over;
    if (bad) {
        atomic_store_explicit(&breaker_cell(call)->last_failure, call->now, memory_order_relaxed);
        atomic_store_explicit(&breaker_cell(call)->last_outcome, outcome, memory_order_relaxed);
    }
    if (permit->kind == SP_PERMIT_NONE || permit->kind == SP_PERMIT_SHADOW)
        return;
    if (!bad && outcome != SP_OUTCOME_OK) { /* blames nobody */
        sp_breaker_return(call, permit);
        return;
    }
    if (permit->kind == SP_PERMIT_PROBE) {
        breaker_settle_probe(call, permit, bad || slow, outcome);
        return;
    }
    breaker_settle_call(call, permit->epoch, bad, slow, outcome);
}
