/* breaker.c - closed -> open -> half-open -> closed. One word, and every transition is one
 * compare-and-swap on it: exactly one process wins it, and that one writes the event. */
#include "shearpin/guard.h"

#include <stdio.h>
#include <string.h>

#define PROBE_CHECK_MS 1000u              /* a probe this old is asked whether its process lives */
#define PROBE_ANYBODY  SP_PROCESSES       /* the owner when a process has no slot */
#define WAIT_MS_MAX    ((int32_t)1 << 30) /* beyond it, differences of 32-bit ms mean nothing */

static uint32_t breaker_ms(uint64_t now)
{
    return (uint32_t)(now / SP_MS);
}

/* --- transitions --- */

static void breaker_event(const struct sp_call *call, struct sp_breaker from, struct sp_breaker to,
                          enum sp_trip reason, uint64_t a, uint64_t b)
{
    struct sp_event event = {.kind = SP_EVENT_BREAKER,
                             .from = from.state,
                             .to = to.state,
                             .reason = (uint8_t)reason,
                             .a = a,
                             .b = b};
    memcpy(event.destination, call->dest->name, sizeof event.destination);
    sp_event_write(call->segment, &event);
}

/* How long it was open, and how long it took from leaving closed to being closed again. */
static void breaker_times(const struct sp_call *call, enum sp_state from, enum sp_state to)
{
    struct sp_dest *d = call->dest;
    uint64_t before = atomic_exchange_explicit(&d->changed, call->now, memory_order_relaxed);
    uint64_t since = atomic_load_explicit(&d->open_since, memory_order_relaxed);
    if (from == SP_STATE_OPEN && before < call->now)
        sp_count(&d->open_time, call->now - before);
    if (from == SP_STATE_CLOSED && to != SP_STATE_CLOSED)
        atomic_store_explicit(&d->open_since, call->now, memory_order_relaxed);
    if (from != SP_STATE_CLOSED && to == SP_STATE_CLOSED && since && since < call->now)
        atomic_store_explicit(&d->recovery, call->now - since, memory_order_relaxed);
}

/* Every change of state begins a new epoch: permits of an older one only count from there on. */
static bool breaker_move(const struct sp_call *call, uint64_t word, struct sp_breaker to)
{
    struct sp_dest *d = call->dest;
    to.epoch = (uint16_t)((to.epoch + 1) & SP_BREAKER_EPOCH_MASK);
    if (!atomic_compare_exchange_strong(&d->breaker, &word, sp_breaker_pack(to)))
        return false;
    if (to.state == SP_STATE_CLOSED)
        sp_window_clear(d);
    sp_count(to.state == SP_STATE_OPEN        ? &d->opened
             : to.state == SP_STATE_HALF_OPEN ? &d->half_opened
                                              : &d->closed,
             1);
    breaker_times(call, (enum sp_state)(word & 3), to.state);
    return true;
}

/* open_min doubled `backoff` times, at most open_max; up to a quarter is added so that hosts do not
 * probe in step, and nothing where the policy names one time only. */
static uint64_t breaker_open_time(const struct sp_call *call, unsigned backoff)
{
    const struct sp_breaker_policy *p = &call->guards->breaker;
    uint64_t time = p->open_min ? p->open_min : SP_SECOND;
    uint64_t most = p->open_max > time ? p->open_max : time;
    while (backoff-- > 0 && time < most)
        time *= 2;
    if (most > p->open_min)
        time += time / 1024 * (call->random % 256);
    return time < most ? time : most;
}

/* A time of the word lies at most open_max ahead; further off is a clock that went round. */
static bool breaker_time_over(const struct sp_call *call, struct sp_breaker b)
{
    int32_t left = (int32_t)(b.until - breaker_ms(call->now));
    uint64_t most = call->guards->breaker.open_max / SP_MS;
    return left <= 0 || (most < (uint64_t)WAIT_MS_MAX && left > (int32_t)most + 60000);
}

static struct sp_breaker breaker_opened(const struct sp_call *call, struct sp_breaker b)
{
    bool fresh = b.state == SP_STATE_CLOSED && (b.until == 0 || breaker_time_over(call, b));
    if (fresh)
        b.backoff = 0;
    else if (b.backoff < SP_BREAKER_BACKOFF_MAX)
        b.backoff++;
    b.state = SP_STATE_OPEN;
    b.streak = 0;
    uint64_t time = breaker_open_time(call, b.backoff) / SP_MS;
    if (time > (uint64_t)WAIT_MS_MAX)
        time = (uint64_t)WAIT_MS_MAX;
    b.until = breaker_ms(call->now) + (uint32_t)time;
    return b;
}

static struct sp_breaker breaker_closed(const struct sp_call *call, struct sp_breaker b)
{
    uint64_t stay = call->guards->breaker.open_max / SP_MS;
    if (stay > (uint64_t)WAIT_MS_MAX)
        stay = (uint64_t)WAIT_MS_MAX;
    b.state = SP_STATE_CLOSED;
    b.streak = 0;
    b.until = (breaker_ms(call->now) + (uint32_t)stay) | 1; /* 0 is "never opened" */
    return b;
}

/* --- admission --- */

static bool breaker_hold_over(const struct sp_call *call)
{
    uint64_t until = atomic_load_explicit(&call->dest->hold_until, memory_order_relaxed);
    return until != 0 && call->now >= until;
}

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

/* The epoch in a probe's lease is the owner's with the breaker's folded in, so a change of state
 * voids all probes in the same compare-and-swap: clearing them after it would hit new ones. */
static uint64_t breaker_probe_lease(const struct sp_call *call, uint32_t slot, uint16_t epoch,
                                    uint32_t since)
{
    uint32_t owner = 0;
    if (slot < SP_PROCESSES)
        owner = atomic_load(&call->segment->processes[slot].epoch);
    return sp_lease_word(slot, owner ^ (uint32_t)epoch << 6, since);
}

static uint64_t breaker_probe_own(const struct sp_call *call, uint16_t epoch, uint32_t since)
{
    const struct sp_self *self = &call->segment->self;
    if (self->slot >= SP_PROCESSES)
        return breaker_probe_lease(call, PROBE_ANYBODY, epoch, since);
    return sp_lease_word(self->slot, self->epoch ^ (uint32_t)epoch << 6, since);
}

/* Taken in this epoch of the breaker, by a process that has not been replaced? */
static bool breaker_probe_current(const struct sp_call *call, uint64_t seen, uint16_t epoch)
{
    uint32_t slot = sp_lease_slot(seen);
    return slot <= PROBE_ANYBODY &&
           seen == breaker_probe_lease(call, slot, epoch, sp_lease_detail(seen));
}

static bool breaker_probe_free(const struct sp_call *call, uint64_t seen, uint16_t epoch)
{
    uint64_t giveup = call->guards->breaker.giveup;
    uint32_t age = sp_ms_since(breaker_ms(call->now), sp_lease_detail(seen));
    if (!breaker_probe_current(call, seen, epoch) || (giveup && age * SP_MS >= giveup))
        return true;
    uint32_t slot = sp_lease_slot(seen), now;
    return slot != PROBE_ANYBODY && age >= PROBE_CHECK_MS && call->alive &&
           call->alive(call->alive_context, slot, &now) != SP_LIFE_ALIVE;
}

/* False: the state changed meanwhile, and with it what is free; then ask again. The place is read
 * before the breaker, so a compare-and-swap on it never takes one of a later epoch. */
static bool breaker_probe(const struct sp_call *call, uint64_t state, struct sp_permit *permit)
{
    uint32_t now = breaker_ms(call->now), places = call->guards->breaker.probe;
    uint16_t epoch = sp_breaker_unpack(state).epoch;
    uint64_t lease = breaker_probe_own(call, epoch, now);
    for (uint32_t i = 0; i < SP_PROBES && (i == 0 || i < places); i++) {
        sp_word *word = &call->dest->probes[i];
        uint64_t seen = atomic_load(word);
        if (atomic_load(&call->dest->breaker) != state)
            return false;
        if (!breaker_probe_free(call, seen, epoch) ||
            !atomic_compare_exchange_strong(word, &seen, lease))
            continue;
        *permit = (struct sp_permit){
            .kind = SP_PERMIT_PROBE, .probe = (uint8_t)i, .epoch = epoch, .since = now};
        return true;
    }
    return true;
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
        uint64_t word = atomic_load_explicit(&call->dest->breaker, memory_order_acquire);
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

void sp_breaker_return(const struct sp_call *call, const struct sp_permit *permit)
{
    if (permit->kind != SP_PERMIT_PROBE || permit->probe >= SP_PROBES)
        return;
    uint64_t lease = breaker_probe_own(call, permit->epoch, permit->since);
    atomic_compare_exchange_strong(&call->dest->probes[permit->probe], &lease, 0);
}

/* Does a window say that it is time to trip? Summed only by who has just added something bad. */
static bool breaker_window(const struct sp_call *call, size_t offset, uint64_t window,
                           uint32_t share, uint32_t least, struct sp_window_sum *sum)
{
    if (share == 0)
        return false;
    *sum = sp_window_sum(call->dest, offset, window, call->now);
    return sum->calls >= least && sum->calls > 0 && sum->bad * SP_SHARE_ALL >= share * sum->calls;
}

/* Why a breaker with this streak trips; what the event shows as a and b goes into `why`. */
static enum sp_trip breaker_reason(const struct sp_call *call, uint16_t streak, bool bad, bool slow,
                                   struct sp_window_sum *why)
{
    const struct sp_breaker_policy *p = &call->guards->breaker;
    if (bad && p->streak && streak >= p->streak)
        return SP_TRIP_STREAK;
    if (bad && breaker_window(call, offsetof(struct sp_shard, rate), p->rate_window, p->rate,
                              p->rate_min, why))
        return SP_TRIP_RATE;
    if (slow && breaker_window(call, offsetof(struct sp_shard, slow), p->slow_window, p->slow,
                               p->slow_min, why))
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
        uint64_t word = atomic_load(&call->dest->breaker);
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
    uint64_t word = atomic_load_explicit(&call->dest->breaker, memory_order_relaxed);
    for (;;) {
        struct sp_breaker b = sp_breaker_unpack(word);
        uint16_t streak = !bad ? 0 : b.streak < SP_BREAKER_STREAK_MAX ? b.streak + 1 : b.streak;
        if (!breaker_votes(b, epoch) || streak == b.streak)
            return;
        b.streak = streak;
        if (atomic_compare_exchange_weak(&call->dest->breaker, &word, sp_breaker_pack(b)))
            return;
    }
}

static void breaker_settle_call(const struct sp_call *call, uint16_t epoch, bool bad, bool slow,
                                enum sp_outcome outcome)
{
    const struct sp_breaker_policy *p = &call->guards->breaker;
    struct sp_shard *shard = sp_segment_shard(call->segment, call->dest);
    uint64_t word = atomic_load_explicit(&call->dest->breaker, memory_order_relaxed);
    if (!breaker_votes(sp_breaker_unpack(word), epoch))
        return;
    if (p->rate)
        sp_window_add(shard->rate, p->rate_window, call->now, bad);
    if (p->slow)
        sp_window_add(shard->slow, p->slow_window, call->now, slow);
    breaker_settle_streak(call, epoch, bad);
    if (bad || slow)
        breaker_trip_if(call, epoch, bad, slow, outcome);
}

static void breaker_settle_probe(const struct sp_call *call, const struct sp_permit *permit,
                                 bool bad, enum sp_outcome outcome)
{
    for (;;) {
        uint64_t word = atomic_load(&call->dest->breaker);
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
            if (!atomic_compare_exchange_strong(&call->dest->breaker, &word, sp_breaker_pack(to)))
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
        atomic_store_explicit(&call->dest->last_failure, call->now, memory_order_relaxed);
        atomic_store_explicit(&call->dest->last_outcome, outcome, memory_order_relaxed);
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

/* --- steering and looking --- */

void sp_breaker_trip(const struct sp_call *call)
{
    for (;;) {
        uint64_t word = atomic_load(&call->dest->breaker);
        struct sp_breaker b = sp_breaker_unpack(word);
        b.hold = SP_HOLD_NONE;
        if (breaker_move(call, word, breaker_opened(call, b)))
            return;
    }
}

void sp_breaker_hold(const struct sp_call *call, enum sp_hold hold, uint64_t until)
{
    atomic_store(&call->dest->hold_until, until);
    for (;;) {
        uint64_t word = atomic_load(&call->dest->breaker);
        struct sp_breaker b = sp_breaker_unpack(word);
        b.hold = (uint8_t)hold;
        b.state = hold == SP_HOLD_OPEN ? SP_STATE_OPEN : SP_STATE_CLOSED;
        if (breaker_move(call, word, b))
            return;
    }
}

void sp_breaker_reset(const struct sp_call *call)
{
    for (;;) {
        uint64_t word = atomic_load(&call->dest->breaker);
        struct sp_breaker b = {.epoch = sp_breaker_unpack(word).epoch};
        if (breaker_move(call, word, b))
            return;
    }
}

void sp_breaker_look(const struct sp_call *call, struct sp_breaker_view *view)
{
    struct sp_breaker b = sp_breaker_unpack(atomic_load(&call->dest->breaker));
    uint32_t now = breaker_ms(call->now);
    memset(view, 0, sizeof *view);
    view->state = b.state < SP_STATE_COUNT ? b.state : SP_STATE_CLOSED;
    view->hold = b.hold < SP_HOLD_COUNT ? b.hold : SP_HOLD_NONE;
    view->backoff = b.backoff;
    view->needed = call->guards->breaker.close;
    if (view->hold != SP_HOLD_NONE) {
        uint64_t until = atomic_load(&call->dest->hold_until);
        if (breaker_hold_over(call))
            view->hold = SP_HOLD_NONE;
        else
            view->until = until ? until - call->now : 0;
    } else if (view->state == SP_STATE_OPEN && !breaker_time_over(call, b)) {
        view->until = (uint64_t)(b.until - now) * SP_MS;
    }
    if (view->state == SP_STATE_HALF_OPEN)
        view->successes = b.streak;
    else
        view->streak = b.streak;
    for (unsigned i = 0; i < SP_PROBES && view->state == SP_STATE_HALF_OPEN; i++) {
        uint64_t seen = atomic_load(&call->dest->probes[i]);
        view->probes += seen != 0 && breaker_probe_current(call, seen, b.epoch);
    }
}
