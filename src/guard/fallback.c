/* fallback.c - where a connect goes that was refused or has failed, and how often it did. */
#include "guard/breaker.h"

#include <string.h>

/* With a closed breaker a spell is over when nobody needed the fallback for so long. */
#define FALLBACK_PAUSE (60 * SP_SECOND)

bool sp_fallback_next(const struct sp_call *call, enum sp_when when, uint32_t *nth,
                      struct sp_fallback *out)
{
    while (sp_segment_fallback(call->segment, call->index, *nth, out, NULL, 0)) {
        ++*nth;
        if (out->when & when)
            return true;
    }
    return false;
}

/* Its place among the figures of the destination; that of a line which is no longer in the policy
 * may be taken over, the oldest first. */
static struct sp_spill *fallback_spill(struct sp_dest *dest, uint64_t id)
{
    struct sp_spill *oldest = &dest->spills[0];
    for (size_t i = 0; i < SP_SPILLS; i++) {
        struct sp_spill *spill = &dest->spills[i];
        uint64_t of = atomic_load(&spill->of);
        if (of == id || (of == 0 && atomic_compare_exchange_strong(&spill->of, &of, id)) ||
            of == id)
            return spill;
        if (atomic_load(&spill->last) < atomic_load(&oldest->last))
            oldest = spill;
    }
    atomic_store(&oldest->of, id);
    atomic_store(&oldest->total, 0);
    atomic_store(&oldest->last, 0);
    return oldest;
}

/* The first since the breaker left its closed state, or after a pause. */
static bool fallback_first(const struct sp_call *call, uint64_t last)
{
    uint64_t since = atomic_load(&breaker_cell(call)->open_since);
    bool closed =
        sp_breaker_unpack(atomic_load(&breaker_cell(call)->word)).state == SP_STATE_CLOSED;
    return last == 0 || (!closed && last < since) || (closed && call->now > last + FALLBACK_PAUSE);
}

static void fallback_event(const struct sp_call *call, const struct sp_fallback *fallback,
                           uint64_t before)
{
    struct sp_event event = {.kind = SP_EVENT_FALLBACK, .a = before, .b = sp_fallback_id(fallback)};
    struct sp_fallback line;
    memcpy(event.destination, call->dest->name, sizeof event.destination);
    for (uint32_t nth = 0;
         sp_segment_fallback(call->segment, call->index, nth, &line, event.text, sizeof event.text);
         nth++) {
        if (sp_fallback_id(&line) == sp_fallback_id(fallback))
            break;
    }
    sp_event_write(call->segment, &event);
}

void sp_fallback_taken(const struct sp_call *call, const struct sp_fallback *fallback)
{
    struct sp_spill *spill = fallback_spill(call->dest, sp_fallback_id(fallback));
    uint64_t before = atomic_fetch_add(&spill->total, 1);
    uint64_t last = atomic_exchange(&spill->last, call->now);
    if (fallback_first(call, last))
        fallback_event(call, fallback, before);
}
