/* cap.c - at most N at a time over all processes. Nothing is counted, so nothing drifts. */
#include "shearpin/guard.h"

static enum sp_life cap_anybody(void *context, uint32_t slot, uint32_t *now_ms)
{
    (void)context;
    (void)slot;
    (void)now_ms;
    return SP_LIFE_ALIVE;
}

static sp_word *cap_words(const struct sp_call *call, enum sp_cap cap, uint32_t *limit)
{
    uint32_t count;
    sp_word *words = sp_lease_words(call->segment, call->dest, cap, &count);
    *limit = call->guards->cap[cap] < count ? call->guards->cap[cap] : count;
    return words;
}

/* The most at once so far, where endpoints are learnt. Places of killed processes stand until
 * somebody asks, so only a new peak is looked at closely. */
static void cap_peak(const struct sp_call *call, sp_word *words, uint32_t limit)
{
    sp_half *peak = &call->dest->peak;
    uint32_t seen = atomic_load(peak), held = sp_lease_held(call->segment, words, limit);
    if (held <= seen)
        return;
    if (call->alive)
        held = sp_lease_living(call->segment, words, limit, (uint32_t)(call->now / SP_MS),
                               call->alive, call->alive_context);
    while (held > seen && !atomic_compare_exchange_weak(peak, &seen, held))
        ;
}

uint32_t sp_cap_take(const struct sp_call *call, enum sp_cap cap, uint64_t *lease)
{
    const struct sp_self *self = &call->segment->self;
    uint32_t limit;
    sp_word *words = cap_words(call, cap, &limit);
    *lease = sp_lease_word(self->slot, self->epoch, call->conn);
    if (!words || self->slot >= SP_PROCESSES) /* nobody could tell that its owner has died */
        return SP_NO_LEASE;
    uint32_t index =
        sp_lease_take(call->segment, words, limit, *lease, (uint32_t)(call->now / SP_MS),
                      call->alive ? call->alive : cap_anybody, call->alive_context);
    if (atomic_load_explicit(&call->dest->origin.state, memory_order_relaxed) & SP_ORIGIN_READY)
        cap_peak(call, words, limit);
    return index;
}

void sp_cap_give(const struct sp_call *call, enum sp_cap cap, uint32_t index, uint64_t lease)
{
    uint32_t count; /* the whole extent: the limit may have been lowered meanwhile */
    sp_word *words = sp_lease_words(call->segment, call->dest, cap, &count);
    if (words)
        sp_lease_give(words, count, index, lease);
}
