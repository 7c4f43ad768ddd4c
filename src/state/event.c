#include "shearpin/segment.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"

void sp_event_write(struct sp_segment *segment, const struct sp_event *event)
{
    uint64_t sequence = atomic_fetch_add(&segment->head->event_next, 1) + 1;
    struct sp_event *slot = &segment->events[sequence % SP_EVENTS];
    struct sp_event full = *event;
    full.wall = sp_wall();
    full.pid = segment->self.pid ? segment->self.pid : (uint32_t)getpid();
    full.uid = (uint32_t)geteuid();
    memcpy(full.command, segment->self.command, sizeof full.command);

    atomic_store(&slot->sequence, 0);
    atomic_thread_fence(memory_order_release);
    const size_t head = sizeof slot->sequence;
    memcpy((char *)slot + head, (const char *)&full + head, sizeof full - head);
    atomic_store_explicit(&slot->sequence, sequence, memory_order_release);
}

/* A writer that died half way leaves its place empty; later events show that it is not coming. */
static int event_missing(const struct sp_segment *segment, uint64_t *sequence)
{
    uint64_t last = sp_event_last(segment);
    if (last < *sequence + 4)
        return 0;
    *sequence =
        last >= SP_EVENTS && *sequence <= last - SP_EVENTS ? last - SP_EVENTS + 1 : *sequence + 1;
    return -1;
}

int sp_event_read(const struct sp_segment *segment, uint64_t *sequence, struct sp_event *out)
{
    const struct sp_event *slot = &segment->events[*sequence % SP_EVENTS];
    if (atomic_load_explicit(&slot->sequence, memory_order_acquire) != *sequence)
        return event_missing(segment, sequence);
    memcpy(out, slot, sizeof *out);
    atomic_thread_fence(memory_order_acquire);
    if (atomic_load_explicit(&slot->sequence, memory_order_relaxed) != *sequence)
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
        memcpy(out, note, sizeof *out);
        atomic_thread_fence(memory_order_acquire);
        if (!(before & 1) && atomic_load(&note->sequence) == before)
            break;
        memset(out, 0, sizeof *out);
    }
    out->reason[sizeof out->reason - 1] = 0;
}

void sp_steer_write(struct sp_dest *dest, const struct sp_steer *note)
{
    const size_t head = sizeof note->sequence;
    uint32_t before = atomic_load(&dest->steer.sequence);
    atomic_store(&dest->steer.sequence, before | 1);
    atomic_thread_fence(memory_order_release);
    memcpy((char *)&dest->steer + head, (const char *)note + head, sizeof *note - head);
    atomic_store_explicit(&dest->steer.sequence, (before | 1) + 1, memory_order_release);
}
