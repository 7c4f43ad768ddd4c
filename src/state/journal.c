/* journal.c - the calls as they came out, for `whatif`: a ring in the segment, appended to by every
 * process without waiting for any other. */
#include "shearpin/segment.h"

#define LAP_MASK UINT64_C(0xffff)

/* Never 0, so that an entry that nobody wrote has no lap. */
static uint64_t journal_lap(const struct sp_segment *segment, uint64_t number)
{
    return number / segment->journal_max % LAP_MASK + 1;
}

static uint64_t journal_what(const struct sp_note *note)
{
    return (uint64_t)(note->dest & 1023) | (uint64_t)(note->outcome & 15) << 10 |
           (uint64_t)(note->kind & 3) << 14 | (uint64_t)(note->duration & 511) << 16 |
           (uint64_t)(note->slot & 2047) << 25 | (uint64_t)(note->conn & 2047) << 36 |
           (uint64_t)note->observed << 47;
}

void sp_journal_write(struct sp_segment *segment, const struct sp_note *note)
{
    if (segment->journal_max == 0)
        return;
    uint64_t number =
        atomic_fetch_add_explicit(&segment->head->journal_next, 1, memory_order_relaxed);
    struct sp_entry *entry = &segment->journal[number % segment->journal_max];
    uint64_t lap = journal_lap(segment, number);
    atomic_store_explicit(&entry->what, journal_what(note) | lap << 48, memory_order_relaxed);
    atomic_store_explicit(&entry->time, note->time / SP_US << 16 | lap, memory_order_release);
}

/* A writer that was overtaken by the whole ring mixes two entries, whose laps then differ. */
int sp_journal_read(const struct sp_segment *segment, uint64_t number, struct sp_note *out)
{
    const struct sp_entry *entry = &segment->journal[number % segment->journal_max];
    uint64_t time = atomic_load_explicit(&entry->time, memory_order_acquire);
    uint64_t what = atomic_load_explicit(&entry->what, memory_order_acquire);
    uint64_t lap = journal_lap(segment, number);
    bool steady = atomic_load_explicit(&entry->time, memory_order_relaxed) == time;
    if (!steady || (time & LAP_MASK) != lap || what >> 48 != lap)
        return number < atomic_load(&segment->head->journal_next) ? -1 : 0;
    *out = (struct sp_note){.time = (time >> 16) * SP_US,
                            .dest = what & 1023,
                            .outcome = what >> 10 & 15,
                            .kind = what >> 14 & 3,
                            .duration = what >> 16 & 511,
                            .slot = what >> 25 & 2047,
                            .conn = what >> 36 & 2047,
                            .observed = what >> 47 & 1};
    bool sound = out->outcome < SP_OUTCOME_COUNT && out->duration < SP_BINS &&
                 out->kind <= SP_ENTRY_CLOSED && out->slot <= SP_PROCESSES;
    return sound ? 1 : -1;
}

uint64_t sp_journal_count(const struct sp_segment *segment, uint64_t *oldest)
{
    uint64_t count = segment->journal_max ? atomic_load(&segment->head->journal_next) : 0;
    *oldest = count > segment->journal_max ? count - segment->journal_max : 0;
    return count;
}
