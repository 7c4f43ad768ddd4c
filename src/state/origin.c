/* origin.c - `run --observe` without a policy: every endpoint gets figures of its own, as long as
 * there are places. A place is found by the hash of its text, and never given back. */
#include "shearpin/segment.h"

#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "state/apply.h"

/* A name for it, by the rules of names. */
static void origin_name(const struct sp_segment *segment, const char *text, char *name)
{
    size_t length = 0;
    char number[8];
    if (strncmp(text, "unix:", 5) == 0)
        text += 5;
    for (; *text && length < SP_NAME_SIZE - sizeof number; text++) {
        bool letter = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
                      (*text >= '0' && *text <= '9');
        if (letter || (length > 0 && (*text == '.' || *text == '_' || *text == '-')))
            name[length++] = *text;
        else if (length > 0 && name[length - 1] != '-')
            name[length++] = '-';
    }
    if (length == 0)
        name[length++] = 'x';
    name[length] = 0;
    for (unsigned i = 2; sp_segment_dest_named(segment, name, NULL) && i < 1000; i++)
        snprintf(name + length, sizeof number, "-%u", i);
}

static void origin_caps(struct sp_segment *segment, struct sp_dest *dest, uint32_t limit)
{
    uint32_t want = sp_apply_extent(limit);
    if (want == 0 || atomic_load(&dest->caps[SP_CAP_CONNECTIONS].count) != 0)
        return;
    uint32_t at = atomic_fetch_add(&segment->head->lease_used, want);
    if (at > segment->lease_max || want > segment->lease_max - at)
        return;
    atomic_store(&dest->caps[SP_CAP_CONNECTIONS].offset, at);
    atomic_store(&dest->caps[SP_CAP_CONNECTIONS].count, want);
}

/* False: another was faster, or a policy has the place. */
static bool origin_take(struct sp_segment *segment, struct sp_dest *dest, const char *text,
                        uint32_t row, uint64_t word)
{
    struct sp_guards guards;
    char name[SP_NAME_SIZE];
    uint32_t none = SP_ORIGIN_NONE;
    if (dest->name[0] != 0 || !sp_segment_steady(segment, word) ||
        !atomic_compare_exchange_strong(&dest->origin.state, &none, SP_ORIGIN_BUSY))
        return false;
    snprintf(dest->origin.text, sizeof dest->origin.text, "%s", text);
    origin_name(segment, text, name);
    atomic_store(&dest->row[word & 1], row);
    memcpy(dest->name, name, sizeof name);
    uint32_t index = (uint32_t)(dest - segment->dests);
    if (sp_segment_guards(segment, index, &guards))
        origin_caps(segment, dest, guards.cap[SP_CAP_CONNECTIONS]);
    atomic_store(&dest->origin.state, SP_ORIGIN_READY);
    return true;
}

/* Whoever takes a place needs a microsecond for it, unless it died there. */
static uint32_t origin_settled(const struct sp_dest *dest)
{
    uint32_t state = atomic_load(&dest->origin.state);
    for (int i = 0; i < 100000 && state == SP_ORIGIN_BUSY; i++)
        state = atomic_load(&dest->origin.state);
    return state;
}

int sp_origin_place(struct sp_segment *segment, const char *text, uint32_t row, uint64_t word)
{
    size_t length = strlen(text);
    if (length >= sizeof segment->dests->origin.text)
        return -1;
    uint32_t home = (uint32_t)(sp_hash(text, length) % segment->dest_max);
    for (uint32_t i = 0; i < segment->dest_max; i++) {
        uint32_t at = (home + i) % segment->dest_max;
        struct sp_dest *dest = &segment->dests[at];
        if (atomic_load(&dest->origin.state) == SP_ORIGIN_READY) {
            if (strncmp(dest->origin.text, text, sizeof dest->origin.text) == 0)
                return (int)at;
            continue;
        }
        if (origin_take(segment, dest, text, row, word))
            return (int)at;
        if (origin_settled(dest) == SP_ORIGIN_READY)
            i--; /* another has taken it, perhaps for the same endpoint: look again */
    }
    return -1;
}
