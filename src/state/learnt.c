#include "shearpin/segment.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "state/process.h"
#include "state/shared.h"

#define LEARNT_WAYS 8u

static size_t learnt_home(const struct sp_addr *address)
{
    return (size_t)(sp_hash_ip(address->ip) % SP_LEARNT);
}

static bool learnt_is(const struct sp_segment *segment, const struct sp_learnt *entry,
                      const struct sp_addr *address)
{
    return entry->pid == segment->self.pid && entry->family == address->family &&
           memcmp(entry->ip, address->ip, sizeof entry->ip) == 0;
}

/* Written by this process image, or the one that exec'd it. */
static bool learnt_ours(struct sp_segment *segment, const struct sp_learnt *entry)
{
    uint64_t started = sp_process_started(segment);
    return started != 0 && started <= entry->start;
}

/* False while it is being written, which stays so when its writer has died. */
static bool learnt_copy(const struct sp_learnt *entry, struct sp_learnt *out)
{
    uint32_t before = atomic_load_explicit(&entry->sequence, memory_order_acquire);
    if (before & 1)
        return false;
    sp_shared_load(out, entry, sizeof *out);
    out->name[sizeof out->name - 1] = 0;
    return atomic_load(&entry->sequence) == before;
}

/* Where a name goes: its own place, else the oldest. */
static struct sp_learnt *learnt_place(struct sp_segment *segment, const struct sp_addr *address,
                                      const char *name, uint32_t *sequence)
{
    struct sp_learnt *victim = NULL, copy;
    uint64_t oldest = UINT64_MAX;
    size_t home = learnt_home(address);
    for (size_t i = 0; i < LEARNT_WAYS; i++) {
        struct sp_learnt *e = &segment->learnt[(home + i) % SP_LEARNT];
        if (!learnt_copy(e, &copy))
            continue;
        bool same = learnt_is(segment, &copy, address) && strcmp(copy.name, name) == 0;
        if (!same && victim && copy.stamp >= oldest)
            continue;
        victim = e;
        oldest = copy.stamp;
        *sequence = copy.sequence;
        if (same)
            break;
    }
    return victim;
}

void sp_learnt_put(struct sp_segment *segment, const struct sp_addr *address, const char *name)
{
    struct sp_learnt entry = {.pid = segment->self.pid, .start = sp_process_ticks()};
    uint32_t before = 0;
    if (strlen(name) >= sizeof entry.name)
        return;
    struct sp_learnt *place = learnt_place(segment, address, name, &before);
    if (!place || !atomic_compare_exchange_strong(&place->sequence, &before, before | 1))
        return; /* another is at it: the segment's copy is a convenience only */
    atomic_store(&entry.sequence, before | 1);
    entry.stamp = sp_now();
    entry.family = address->family;
    memcpy(entry.ip, address->ip, sizeof entry.ip);
    snprintf(entry.name, sizeof entry.name, "%s", name);
    sp_shared_store(place, &entry, sizeof entry);
    atomic_store(&place->sequence, before + 2);
}

size_t sp_learnt_get(struct sp_segment *segment, const struct sp_addr *address, char (*names)[208],
                     size_t max)
{
    uint64_t stamps[LEARNT_WAYS] = {0};
    struct sp_learnt copy;
    size_t count = 0, home = learnt_home(address);
    for (size_t i = 0; i < LEARNT_WAYS; i++) {
        const struct sp_learnt *e = &segment->learnt[(home + i) % SP_LEARNT];
        if (__atomic_load_n(&e->pid, __ATOMIC_RELAXED) != segment->self.pid) /* most are others' */
            continue;
        if (!learnt_copy(e, &copy) || !learnt_is(segment, &copy, address) ||
            !learnt_ours(segment, &copy))
            continue;
        size_t at = count < max ? count++ : max;
        while (at > 0 && stamps[at - 1] < copy.stamp) {
            if (at < max) {
                stamps[at] = stamps[at - 1];
                memcpy(names[at], names[at - 1], sizeof *names);
            }
            at--;
        }
        if (at < max) {
            stamps[at] = copy.stamp;
            memcpy(names[at], copy.name, sizeof *names);
        }
    }
    return count;
}
