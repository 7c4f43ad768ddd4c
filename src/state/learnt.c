#include "shearpin/segment.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"

#define LEARNT_WAYS 8u

static size_t learnt_home(const struct sp_addr *address)
{
    return (size_t)(sp_hash(address->ip, sizeof address->ip) % SP_LEARNT);
}

/* Owned: by this process image, or the one that exec'd it. */
static bool learnt_is(const struct sp_segment *segment, const struct sp_learnt *entry,
                      const struct sp_addr *address)
{
    return entry->pid == segment->self.pid && entry->start == segment->self.start &&
           entry->family == address->family &&
           memcmp(entry->ip, address->ip, sizeof entry->ip) == 0;
}

void sp_learnt_put(struct sp_segment *segment, const struct sp_addr *address, const char *name)
{
    struct sp_learnt *victim = NULL;
    size_t home = learnt_home(address);
    if (strlen(name) >= sizeof victim->name)
        return;
    for (size_t i = 0; i < LEARNT_WAYS; i++) {
        struct sp_learnt *e = &segment->learnt[(home + i) % SP_LEARNT];
        if (learnt_is(segment, e, address) && strncmp(e->name, name, sizeof e->name) == 0) {
            victim = e;
            break;
        }
        if (!victim || e->stamp < victim->stamp)
            victim = e;
    }
    uint32_t before = atomic_load(&victim->sequence);
    if ((before & 1) || !atomic_compare_exchange_strong(&victim->sequence, &before, before | 1))
        return; /* another is at it: the segment's copy is a convenience only */
    victim->pid = segment->self.pid;
    victim->start = segment->self.start;
    victim->stamp = sp_now();
    victim->family = address->family;
    memcpy(victim->ip, address->ip, sizeof victim->ip);
    snprintf(victim->name, sizeof victim->name, "%s", name);
    atomic_store_explicit(&victim->sequence, before + 2, memory_order_release);
}

static bool learnt_copy(const struct sp_segment *segment, const struct sp_learnt *entry,
                        const struct sp_addr *address, char *name, uint64_t *stamp)
{
    uint32_t before = atomic_load_explicit(&entry->sequence, memory_order_acquire);
    if ((before & 1) || !learnt_is(segment, entry, address))
        return false;
    *stamp = entry->stamp;
    memcpy(name, entry->name, sizeof entry->name);
    name[sizeof entry->name - 1] = 0;
    atomic_thread_fence(memory_order_acquire);
    return atomic_load(&entry->sequence) == before;
}

size_t sp_learnt_get(const struct sp_segment *segment, const struct sp_addr *address,
                     char (*names)[208], size_t max)
{
    uint64_t stamps[LEARNT_WAYS], stamp;
    char name[208];
    size_t count = 0, home = learnt_home(address);
    for (size_t i = 0; i < LEARNT_WAYS; i++) {
        const struct sp_learnt *e = &segment->learnt[(home + i) % SP_LEARNT];
        if (!learnt_copy(segment, e, address, name, &stamp))
            continue;
        size_t at = count < max ? count++ : max;
        while (at > 0 && stamps[at - 1] < stamp) {
            if (at < max) {
                stamps[at] = stamps[at - 1];
                memcpy(names[at], names[at - 1], sizeof *names);
            }
            at--;
        }
        if (at < max) {
            stamps[at] = stamp;
            memcpy(names[at], name, sizeof *names);
        }
    }
    return count;
}
