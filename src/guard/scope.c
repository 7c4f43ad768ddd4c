/* scope.c - `scope endpoint`: whose breaker is asked, and how many addresses may be out at once. */
#include "guard/breaker.h"

/* The same question about the destination as a whole. */
static struct sp_call scope_whole(const struct sp_call *call)
{
    struct sp_call whole = *call;
    whole.endpoint = NULL;
    return whole;
}

static bool scope_is_whole(const struct sp_call *call)
{
    uint64_t word = atomic_load_explicit(&call->dest->cell.word, memory_order_relaxed);
    struct sp_breaker b = sp_breaker_unpack(word);
    return !call->endpoint || b.hold != SP_HOLD_NONE || b.state == SP_STATE_OPEN ||
           b.state == SP_STATE_HALF_OPEN;
}

/* --- how many are out --- */

/* Out is who may not be asked freely: half-open counts, until it is closed. */
static bool scope_is_out(const struct sp_endpoint *e)
{
    struct sp_breaker b =
        sp_breaker_unpack(atomic_load_explicit(&e->cell.word, memory_order_relaxed));
    return b.hold == SP_HOLD_OPEN ||
           (b.hold == SP_HOLD_NONE && (b.state == SP_STATE_OPEN || b.state == SP_STATE_HALF_OPEN));
}

static bool scope_is_used(const struct sp_endpoint *e, uint64_t now)
{
    uint32_t used = atomic_load_explicit(&e->used, memory_order_relaxed);
    return sp_ms_since(breaker_ms(now), used) < SP_ENDPOINT_IDLE / SP_MS;
}

struct sp_scope_count sp_scope_count(const struct sp_call *call)
{
    struct sp_scope_count count = {0, 0, 0};
    for (uint32_t i = 0; i < SP_ENDPOINTS; i++) {
        const struct sp_endpoint *e = sp_endpoint_of(call->segment, call->index, i, NULL);
        if (!e || !scope_is_used(e, call->now))
            continue;
        count.known++;
        count.out += scope_is_out(e);
    }
    count.most = (unsigned)((uint64_t)count.known * call->guards->breaker.eject / SP_SHARE_ALL);
    if (count.most == 0)
        count.most = 1;
    return count;
}

/* Counted only by who would be refused. */
static bool scope_panics(const struct sp_call *call)
{
    if (call->guards->breaker.eject >= SP_SHARE_ALL)
        return false;
    struct sp_scope_count count = sp_scope_count(call);
    return count.out > count.most;
}

bool sp_scope_out(const struct sp_call *call)
{
    struct sp_breaker_view view;
    if (scope_is_whole(call))
        return false;
    sp_breaker_look(call, &view);
    bool out = view.hold == SP_HOLD_OPEN ||
               (view.hold == SP_HOLD_NONE && view.state == SP_STATE_OPEN && view.until > 0) ||
               (view.hold == SP_HOLD_NONE && view.state == SP_STATE_HALF_OPEN &&
                view.probes >= call->guards->breaker.probe);
    return out && !scope_panics(call);
}

/* --- a call --- */

static void scope_use(const struct sp_call *call)
{
    uint32_t now = breaker_ms(call->now);
    sp_half *used = &call->endpoint->used;
    if (sp_ms_since(now, atomic_load_explicit(used, memory_order_relaxed)) >= 1000)
        atomic_store_explicit(used, now, memory_order_relaxed);
}

enum sp_verdict sp_scope_admit(const struct sp_call *call, struct sp_permit *permit)
{
    if (scope_is_whole(call)) {
        struct sp_call whole = scope_whole(call);
        return sp_breaker_admit(&whole, permit);
    }
    scope_use(call);
    enum sp_verdict verdict = sp_breaker_admit(call, permit);
    permit->endpoint = 1;
    if (verdict == SP_PASS || !scope_panics(call))
        return verdict;
    sp_count(&sp_segment_shard(call->segment, call->dest)->detected[SP_REFUSED_BREAKER - 1], 1);
    *permit = (struct sp_permit){.kind = SP_PERMIT_SHADOW, .endpoint = 1};
    return SP_PASS;
}

static void scope_count(const struct sp_call *call, enum sp_outcome outcome)
{
    bool bad = (call->guards->breaker.on >> outcome & 1) != 0;
    struct sp_endpoint *e = call->endpoint;
    if (e && (bad || outcome == SP_OUTCOME_OK))
        sp_count(&e->calls, 1);
    if (e && bad)
        sp_count(&e->errors, 1);
    if (!bad)
        return;
    atomic_store_explicit(&call->dest->cell.last_failure, call->now, memory_order_relaxed);
    atomic_store_explicit(&call->dest->cell.last_outcome, outcome, memory_order_relaxed);
}

void sp_scope_settle(const struct sp_call *call, const struct sp_permit *permit,
                     enum sp_outcome outcome, uint64_t duration)
{
    struct sp_call whole = scope_whole(call);
    scope_count(call, outcome);
    if (!permit->endpoint)
        sp_breaker_settle(&whole, permit, outcome, duration);
    else if (call->endpoint) /* else its place is another's now */
        sp_breaker_settle(call, permit, outcome, duration);
}

void sp_scope_return(const struct sp_call *call, const struct sp_permit *permit)
{
    struct sp_call whole = scope_whole(call);
    if (!permit->endpoint)
        sp_breaker_return(&whole, permit);
    else if (call->endpoint)
        sp_breaker_return(call, permit);
}
