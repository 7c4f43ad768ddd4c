/* breaker_move.c - the transitions of a breaker and their times. */
#include "guard/breaker.h"

#include <string.h>

#include "base/addr.h"
#include "base/probe.h"
#include "shearpin/split.h"

#define WAIT_MS_MAX ((int32_t)1 << 30) /* beyond it, differences of 32-bit ms mean nothing */

/* The text of the event is the arm, or the address, where each has a breaker of its own. */
static void breaker_whose(const struct sp_call *call, char *out, size_t size)
{
    struct sp_addr address;
    if (call->arm)
        memcpy(out, call->arm->name, sizeof call->arm->name);
    if (!call->endpoint || call->arm)
        return;
    uint32_t index = (uint32_t)(call->endpoint - call->segment->endpoints);
    if (sp_endpoint_of(call->segment, call->index, index, &address))
        sp_addr_plain(&address, out, size);
}

void breaker_event(const struct sp_call *call, struct sp_breaker from, struct sp_breaker to,
                   enum sp_trip reason, uint64_t a, uint64_t b)
{
    struct sp_event event = {.kind = SP_EVENT_BREAKER,
                             .from = from.state,
                             .to = to.state,
                             .reason = (uint8_t)reason,
                             .arm = call->arm != NULL,
                             .a = a,
                             .b = b};
    SP_PROBE(transition, call->dest->name, from.state, to.state, reason);
    memcpy(event.destination, call->dest->name, sizeof event.destination);
    breaker_whose(call, event.text, sizeof event.text);
    sp_event_write(call->segment, &event);
}

/* How long it was open, and how long it took from leaving closed to being closed again. */
static void breaker_times(const struct sp_call *call, enum sp_state from, enum sp_state to)
{
    struct sp_cell *c = breaker_cell(call);
    uint64_t before = atomic_exchange_explicit(&c->changed, call->now, memory_order_relaxed);
    uint64_t since = atomic_load_explicit(&c->open_since, memory_order_relaxed);
    if (from == SP_STATE_OPEN && before < call->now)
        sp_count(&c->open_time, call->now - before);
    if (from == SP_STATE_CLOSED && to != SP_STATE_CLOSED)
        atomic_store_explicit(&c->open_since, call->now, memory_order_relaxed);
    if (from != SP_STATE_CLOSED && to == SP_STATE_CLOSED && since && since < call->now)
        atomic_store_explicit(&c->recovery, call->now - since, memory_order_relaxed);
}

/* What stands in its windows. */
static void breaker_forget(const struct sp_call *call)
{
    if (!call->endpoint) {
        sp_window_clear(call->dest);
        return;
    }
    sp_window_wipe(call->endpoint->rate);
    sp_window_wipe(call->endpoint->slow);
}

bool breaker_move(const struct sp_call *call, uint64_t word, struct sp_breaker to)
{
    struct sp_cell *c = breaker_cell(call);
    to.epoch = (uint16_t)((to.epoch + 1) & SP_BREAKER_EPOCH_MASK);
    if (!atomic_compare_exchange_strong(&c->word, &word, sp_breaker_pack(to)))
        return false;
    if (to.state == SP_STATE_CLOSED)
        breaker_forget(call);
    sp_count(to.state == SP_STATE_OPEN        ? &c->opened
             : to.state == SP_STATE_HALF_OPEN ? &c->half_opened
                                              : &c->closed,
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
bool breaker_time_over(const struct sp_call *call, struct sp_breaker b)
{
    int32_t left = (int32_t)(b.until - breaker_ms(call->now));
    uint64_t most = call->guards->breaker.open_max / SP_MS;
    return left <= 0 || (most < (uint64_t)WAIT_MS_MAX && left > (int32_t)most + 60000);
}

struct sp_breaker breaker_opened(const struct sp_call *call, struct sp_breaker b)
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

struct sp_breaker breaker_closed(const struct sp_call *call, struct sp_breaker b)
{
    uint64_t stay = call->guards->breaker.open_max / SP_MS;
    if (stay > (uint64_t)WAIT_MS_MAX)
        stay = (uint64_t)WAIT_MS_MAX;
    b.state = SP_STATE_CLOSED;
    b.streak = 0;
    b.until = (breaker_ms(call->now) + (uint32_t)stay) | 1; /* 0 is "never opened" */
    return b;
}

bool breaker_hold_over(const struct sp_call *call)
{
    uint64_t until = atomic_load_explicit(&breaker_cell(call)->hold_until, memory_order_relaxed);
    return until != 0 && call->now >= until;
}
