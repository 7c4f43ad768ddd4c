#include "shearpin/segment.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"
#include "state/shared.h"

#define EVENT_BUSY  (UINT64_C(1) << 63)
#define EVENT_AHEAD (UINT64_C(1) << 20) /* a sequence further ahead than this is nonsense */

/* The place of a sequence, taken over from older events and from writers that died half way. NULL
 * when we were so slow that the ring has gone round and a newer event stands there. */
static struct sp_event *event_claim(struct sp_segment *segment, uint64_t sequence)
{
    struct sp_event *slot = &segment->events[sequence % SP_EVENTS];
    uint64_t seen = atomic_load(&slot->sequence);
    do {
        if ((seen & ~EVENT_BUSY) - sequence - 1 < EVENT_AHEAD)
            return NULL;
    } while (!atomic_compare_exchange_weak(&slot->sequence, &seen, sequence | EVENT_BUSY));
    return slot;
}

/* A writer that slept while the ring went round may still write into what is another's by now. */
static uint16_t event_sum(const struct sp_event *event, uint64_t sequence)
{
    struct sp_event all = *event;
    all.sum = 0;
    atomic_store(&all.sequence, sequence);
    return (uint16_t)sp_hash(&all, sizeof all);
}

void sp_event_write(struct sp_segment *segment, const struct sp_event *event)
{
    uint64_t sequence = (atomic_fetch_add(&segment->head->event_next, 1) + 1) & ~EVENT_BUSY;
    struct sp_event full = *event, *slot = event_claim(segment, sequence);
    if (!slot)
        return;
    full.wall = sp_wall();
    full.pid = segment->self.pid ? segment->self.pid : (uint32_t)getpid();
    full.uid = (uint32_t)geteuid();
    memcpy(full.command, segment->self.command, sizeof full.command);
    full.sum = event_sum(&full, sequence);

    const size_t head = sizeof slot->sequence;
    uint64_t busy = sequence | EVENT_BUSY;
    sp_shared_store((char *)slot + head, (const char *)&full + head, sizeof full - head);
    atomic_compare_exchange_strong(&slot->sequence, &busy, sequence);
}

/* A writer that died half way leaves its place empty; later events show that it is not coming. */
static int event_missing(const struct sp_segment *segment, uint64_t *sequence)
{
    uint64_t last = sp_event_last(segment);
    if (last < *sequence || last - *sequence < 4)
        return 0;
    *sequence = last - *sequence >= SP_EVENTS ? last - SP_EVENTS + 1 : *sequence + 1;
    return -1;
}

int sp_event_read(const struct sp_segment *segment, uint64_t *sequence, struct sp_event *out)
{
    if (*sequence == 0)
        *sequence = 1;
    const struct sp_event *slot = &segment->events[*sequence % SP_EVENTS];
    if (atomic_load_explicit(&slot->sequence, memory_order_acquire) != *sequence)
        return event_missing(segment, sequence);
    sp_shared_load(out, slot, sizeof *out);
    if (atomic_load_explicit(&slot->sequence, memory_order_relaxed) != *sequence ||
        out->sum != event_sum(out, *sequence))
        return event_missing(segment, sequence);
    out->destination[sizeof out->destination - 1] = 0;
    out->command[sizeof out->command - 1] = 0;
    out->text[sizeof out->text - 1] = 0;
    return 1;
}

uint64_t sp_event_last(const struct sp_segment *segment)
{
    return atomic_load(&segment->head->event_next);
}

void sp_steer_read(const struct sp_dest *dest, struct sp_steer *out)
{
    const struct sp_steer *note = &dest->steer;
    for (int i = 0; i < 64; i++) {
        uint32_t before = atomic_load_explicit(&note->sequence, memory_order_acquire);
        sp_shared_load(out, note, sizeof *out);
        if (!(before & 1) && atomic_load(&note->sequence) == before)
            break;
        memset(out, 0, sizeof *out);
    }
    out->reason[sizeof out->reason - 1] = 0;
}

void sp_steer_write(struct sp_dest *dest, const struct sp_steer *note)
{
    struct sp_steer full = *note;
    uint32_t busy = atomic_load(&dest->steer.sequence) | 1;
    atomic_store(&full.sequence, busy);
    atomic_store(&dest->steer.sequence, busy);
    sp_shared_store(&dest->steer, &full, sizeof full);
    atomic_store(&dest->steer.sequence, busy + 1);
}
