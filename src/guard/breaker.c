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

static void breaker_clear_probes(struct sp_dest *dest)
{
    for (unsigned i = 0; i < SP_PROBES; i++)
        atomic_store_explicit(&dest->probes[i], 0, memory_order_relaxed);
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
    breaker_clear_probes(d);
    sp_count(to.state == SP_STATE_OPEN        ? &d->opened
             : to.state == SP_STATE_HALF_OPEN ? &d->half_opened
                                              : &d->closed,
             1);
    atomic_store_explicit(&d->changed, call->now, memory_order_relaxed);
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

static struct sp_breaker breaker_opened(const struct sp_call *call, struct sp_breaker b)
{
    uint32_t now = breaker_ms(call->now);
    bool fresh = b.state == SP_STATE_CLOSED && (b.until == 0 || (int32_t)(now - b.until) >= 0);
    if (fresh)
        b.backoff = 0;
    else if (b.backoff < SP_BREAKER_BACKOFF_MAX)
        b.backoff++;
    b.state = SP_STATE_OPEN;
    b.streak = 0;
    uint64_t time = breaker_open_time(call, b.backoff) / SP_MS;
    b.until = now + (uint32_t)(time < (uint64_t)WAIT_MS_MAX ? time : (uint64_t)WAIT_MS_MAX);
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

/* An open time lies at most open_max ahead; further off is a clock that went round. */
static bool breaker_time_over(const struct sp_call *call, struct sp_breaker b)
{
    int32_t left = (int32_t)(b.until - breaker_ms(call->now));
    uint64_t most = call->guards->breaker.open_max / SP_MS;
    return left <= 0 || (most < (uint64_t)WAIT_MS_MAX && left > (int32_t)most + 60000);
}

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

static bool breaker_probe_free(const struct sp_call *call, uint64_t seen, uint32_t now)
{
    uint32_t slot = sp_lease_slot(seen), age = now - sp_lease_detail(seen);
    if (seen == 0 || age >= call->guards->breaker.giveup / SP_MS)
        return true;
    if (slot >= SP_PROCESSES)
        return slot != PROBE_ANYBODY;
    if ((atomic_load(&call->segment->processes[slot].epoch) & 0xfffffu) != sp_lease_epoch(seen))
        return true;
    return age >= PROBE_CHECK_MS && call->alive && !call->alive(call->alive_context, slot);
}

static uint64_t breaker_probe_lease(const struct sp_call *call, uint32_t since)
{
    const struct sp_self *self = &call->segment->self;
    uint32_t slot = self->slot < SP_PROCESSES ? self->slot : PROBE_ANYBODY;
    return sp_lease_word(slot, self->epoch, since);
}

static enum sp_verdict breaker_probe(const struct sp_call *call, struct sp_breaker b,
                                     struct sp_permit *permit)
{
    uint32_t now = breaker_ms(call->now), places = call->guards->breaker.probe;
    if (places == 0)
        places = 1;
    for (uint32_t i = 0; i < places && i < SP_PROBES; i++) {
        sp_word *word = &call->dest->probes[i];
        uint64_t seen = atomic_load(word);
        if (!breaker_probe_free(call, seen, now) ||
            !atomic_compare_exchange_strong(word, &seen, breaker_probe_lease(call, now)))
            continue;
        *permit = (struct sp_permit){
            .kind = SP_PERMIT_PROBE, .probe = (uint8_t)i, .epoch = b.epoch, .since = now};
        return SP_PASS;
    }
    return SP_REFUSED_BREAKER;
}

enum sp_verdict sp_breaker_admit(const struct sp_call *call, struct sp_permit *permit)
{
    for (int turn = 0; turn < 16; turn++) {
        uint64_t word = atomic_load_explicit(&call->dest->breaker, memory_order_acquire);
        struct sp_breaker b = sp_breaker_unpack(word), to = b;
        *permit = (struct sp_permit){.kind = SP_PERMIT_CALL, .epoch = b.epoch};
        if (b.hold != SP_HOLD_NONE) {
            if (!breaker_hold_over(call))
                return b.hold == SP_HOLD_OPEN ? SP_REFUSED_BREAKER : SP_PASS;
            breaker_end_hold(call, word, b);
        } else if (b.state == SP_STATE_HALF_OPEN) {
            return breaker_probe(call, b, permit);
        } else if (b.state != SP_STATE_OPEN) {
            return SP_PASS;
        } else if (!breaker_time_over(call, b)) {
            return SP_REFUSED_BREAKER;
        } else {
            to.state = SP_STATE_HALF_OPEN;
            to.streak = 0;
            if (breaker_move(call, word, to))
                breaker_event(call, b, to, SP_TRIP_TIME, 0, 0);
        }
    }
    return SP_REFUSED_BREAKER;
}

/* --- settling --- */

void sp_breaker_return(const struct sp_call *call, const struct sp_permit *permit)
{
    if (permit->kind != SP_PERMIT_PROBE || permit->probe >= SP_PROBES)
        return;
    uint64_t lease = breaker_probe_lease(call, permit->since);
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

static void breaker_trip_if(const struct sp_call *call, uint64_t word, struct sp_breaker b,
                            bool bad, bool slow, enum sp_outcome outcome)
{
    const struct sp_breaker_policy *p = &call->guards->breaker;
    struct sp_window_sum sum = {b.streak, outcome};
    enum sp_trip reason = SP_TRIP_NONE;
    if (bad && p->streak && b.streak >= p->streak)
        reason = SP_TRIP_STREAK;
    else if (bad && breaker_window(call, offsetof(struct sp_shard, rate), p->rate_window, p->rate,
                                   p->rate_min, &sum))
        reason = SP_TRIP_RATE;
    else if (slow && breaker_window(call, offsetof(struct sp_shard, slow), p->slow_window, p->slow,
                                    p->slow_min, &sum))
        reason = SP_TRIP_SLOW;
    if (reason == SP_TRIP_NONE)
        return;
    if (!breaker_move(call, word, breaker_opened(call, b)))
        return;
    struct sp_breaker to = {.state = SP_STATE_OPEN};
    if (reason == SP_TRIP_STREAK)
        breaker_event(call, b, to, reason, b.streak, outcome);
    else
        breaker_event(call, b, to, reason, sum.bad, sum.calls);
}

static void breaker_settle_closed(const struct sp_call *call, uint16_t epoch, bool bad, bool slow,
                                  enum sp_outcome outcome)
{
    uint64_t word = atomic_load_explicit(&call->dest->breaker, memory_order_relaxed);
    for (;;) {
        struct sp_breaker b = sp_breaker_unpack(word);
        if (b.epoch != epoch || b.hold != SP_HOLD_NONE || b.state != SP_STATE_CLOSED)
            return;
        uint16_t streak = !bad ? 0 : b.streak < SP_BREAKER_STREAK_MAX ? b.streak + 1 : b.streak;
        if (streak != b.streak) {
            b.streak = streak;
            uint64_t next = sp_breaker_pack(b);
            if (!atomic_compare_exchange_weak(&call->dest->breaker, &word, next))
                continue;
            word = next;
        }
        if (bad || slow)
            breaker_trip_if(call, word, b, bad, slow, outcome);
        return;
    }
}

static void breaker_settle_probe(const struct sp_call *call, const struct sp_permit *permit,
                                 bool bad, enum sp_outcome outcome)
{
    uint64_t word = atomic_load(&call->dest->breaker);
    for (;;) {
        struct sp_breaker b = sp_breaker_unpack(word), to = b;
        if (b.epoch != permit->epoch || b.hold != SP_HOLD_NONE || b.state != SP_STATE_HALF_OPEN)
            break;
        if (bad) {
            if (breaker_move(call, word, breaker_opened(call, b)))
                breaker_event(call, b, (struct sp_breaker){.state = SP_STATE_OPEN}, SP_TRIP_PROBE,
                              0, outcome);
            break;
        }
        to.streak++;
        if (to.streak >= call->guards->breaker.close) {
            if (breaker_move(call, word, breaker_closed(call, b)))
                breaker_event(call, b, (struct sp_breaker){.state = SP_STATE_CLOSED},
                              SP_TRIP_PROVED, to.streak, 0);
            break;
        }
        if (atomic_compare_exchange_weak(&call->dest->breaker, &word, sp_breaker_pack(to)))
            break;
    }
    sp_breaker_return(call, permit);
}

void sp_breaker_settle(const struct sp_call *call, const struct sp_permit *permit,
                       enum sp_outcome outcome, uint64_t duration)
{
    const struct sp_breaker_policy *p = &call->guards->breaker;
    struct sp_shard *shard = &call->dest->shards[call->segment->self.shard % SP_SHARDS];
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
    if (p->rate)
        sp_window_add(shard->rate, p->rate_window, call->now, bad);
    if (p->slow)
        sp_window_add(shard->slow, p->slow_window, call->now, slow);
    breaker_settle_closed(call, permit->epoch, bad, slow, outcome);
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
            break;
    }
    atomic_store(&call->dest->hold_until, 0);
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
    for (unsigned i = 0; i < SP_PROBES; i++)
        view->probes += atomic_load(&call->dest->probes[i]) != 0;
}
