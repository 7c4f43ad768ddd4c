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

uint32_t sp_cap_take(const struct sp_call *call, enum sp_cap cap, uint64_t *lease)
{
    const struct sp_self *self = &call->segment->self;
    uint32_t limit;
    sp_word *words = cap_words(call, cap, &limit);
    *lease = sp_lease_word(self->slot, self->epoch, call->conn);
    if (!words || self->slot >= SP_PROCESSES) /* nobody could tell that its owner has died */
        return SP_NO_LEASE;
    return sp_lease_take(call->segment, words, limit, *lease, (uint32_t)(call->now / SP_MS),
                         call->alive ? call->alive : cap_anybody, call->alive_context);
}

void sp_cap_give(const struct sp_call *call, enum sp_cap cap, uint32_t index, uint64_t lease)
{
    uint32_t count; /* the whole extent: the limit may have been lowered meanwhile */
    sp_word *words = sp_lease_words(call->segment, call->dest, cap, &count);
    if (words)
        sp_lease_give(words, count, index, lease);
}
