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

static void origin_fill(struct sp_segment *segment, struct sp_dest *dest, const char *text,
                        uint32_t row, uint64_t word)
{
    struct sp_guards guards;
    char name[SP_NAME_SIZE];
    snprintf(dest->origin.text, sizeof dest->origin.text, "%s", text);
    origin_name(segment, text, name);
    atomic_store(&dest->row[word & 1], row);
    memcpy(dest->name, name, sizeof name);
    if (sp_segment_guards(segment, (uint32_t)(dest - segment->dests), &guards))
        origin_caps(segment, dest, guards.cap[SP_CAP_CONNECTIONS]);
    atomic_fetch_or(&dest->origin.state, SP_ORIGIN_READY);
}

/* Another process or thread is filling it for the same endpoint. That takes a microsecond, unless
 * it sleeps or died there: then the place is good for counting all the same. */
static void origin_filled(struct sp_dest *dest, uint32_t row, uint64_t word)
{
    for (int i = 0; i < 1000000; i++) {
        if (atomic_load_explicit(&dest->origin.state, memory_order_acquire) & SP_ORIGIN_READY)
            return;
    }
    atomic_store(&dest->row[word & 1], row);
}

/* Whose place it is: a free one becomes ours with the hash of our text in one step, so that one
 * endpoint never gets two. */
static bool origin_ours(struct sp_segment *segment, struct sp_dest *dest, const char *text,
                        uint32_t tag, uint32_t row, uint64_t word)
{
    bool named = __atomic_load_n(dest->name, __ATOMIC_ACQUIRE) != 0;
    uint32_t seen = atomic_load(&dest->origin.state); /* after the name: whoever fills it is seen */
    if (seen == 0) {
        if (named || !sp_segment_steady(segment, word))
            return false;
        if (atomic_compare_exchange_strong(&dest->origin.state, &seen, tag)) {
            origin_fill(segment, dest, text, row, word);
            return true;
        }
    }
    if ((seen & ~SP_ORIGIN_READY) != tag)
        return false;
    origin_filled(dest, row, word);
    return !(atomic_load(&dest->origin.state) & SP_ORIGIN_READY) ||
           strncmp(dest->origin.text, text, sizeof dest->origin.text) == 0;
}

int sp_origin_place(struct sp_segment *segment, const char *text, uint32_t row, uint64_t word)
{
    size_t length = strlen(text);
    uint64_t hash = sp_hash(text, length);
    uint32_t tag = (uint32_t)hash << 1 ? (uint32_t)hash << 1 : 2;
    if (length >= sizeof segment->dests->origin.text)
        return -1;
    for (uint32_t i = 0; i < segment->dest_max; i++) {
        uint32_t at = (uint32_t)(((hash >> 32) + i) % segment->dest_max);
        if (origin_ours(segment, &segment->dests[at], text, tag, row, word))
            return (int)at;
    }
    return -1;
}
