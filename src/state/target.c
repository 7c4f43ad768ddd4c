/* target.c - what names were looked up as by the command, for who must not look up: a call on its
 * way through the shim. A small table; the oldest makes room. */
#include "shearpin/segment.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "state/shared.h"

/* False while it is being written, which stays so when its writer has died. */
static bool target_copy(const struct sp_target *entry, struct sp_target *out)
{
    uint32_t before = atomic_load_explicit(&entry->sequence, memory_order_acquire);
    if (before & 1)
        return false;
    sp_shared_load(out, entry, sizeof *out);
    out->text[sizeof out->text - 1] = 0;
    return atomic_load(&entry->sequence) == before;
}

/* Where a text goes: its own place, else the oldest. */
static struct sp_target *target_place(struct sp_segment *segment, uint64_t hash, uint32_t *sequence)
{
    struct sp_target *victim = NULL, copy;
    uint64_t oldest = UINT64_MAX;
    for (size_t i = 0; i < SP_TARGETS; i++) {
        struct sp_target *entry = &segment->targets[i];
        if (!target_copy(entry, &copy))
            continue;
        bool same = copy.hash == hash;
        if (!same && victim && copy.when >= oldest)
            continue;
        victim = entry;
        oldest = copy.when;
        *sequence = copy.sequence;
        if (same)
            break;
    }
    return victim;
}

void sp_target_put(struct sp_segment *segment, const char *text, const struct sp_addr *addresses,
                   size_t count)
{
    struct sp_target entry = {.hash = sp_hash(text, strlen(text)), .when = sp_wall()};
    uint32_t before = 0;
    struct sp_target *place = target_place(segment, entry.hash, &before);
    if (strlen(text) >= sizeof entry.text || !place ||
        !atomic_compare_exchange_strong(&place->sequence, &before, before | 1))
        return;
    atomic_store(&entry.sequence, before | 1);
    entry.count = (uint32_t)(count < SP_TARGET_ADDRESSES ? count : SP_TARGET_ADDRESSES);
    for (uint32_t i = 0; i < entry.count; i++) {
        entry.addresses[i].family = addresses[i].family;
        entry.addresses[i].port = addresses[i].port;
        memcpy(entry.addresses[i].ip, addresses[i].ip, sizeof addresses[i].ip);
    }
    snprintf(entry.text, sizeof entry.text, "%s", text);
    sp_shared_store(place, &entry, sizeof entry);
    atomic_store(&place->sequence, before + 2);
}

size_t sp_target_get(const struct sp_segment *segment, uint64_t hash,
                     struct sp_addr out[SP_TARGET_ADDRESSES], uint64_t *when)
{
    struct sp_target copy;
    for (size_t i = 0; hash && i < SP_TARGETS; i++) {
        if (__atomic_load_n(&segment->targets[i].hash, __ATOMIC_RELAXED) != hash || /* all others */
            !target_copy(&segment->targets[i], &copy) || copy.hash != hash)
            continue;
        size_t count = copy.count < SP_TARGET_ADDRESSES ? copy.count : SP_TARGET_ADDRESSES;
        memset(out, 0, SP_TARGET_ADDRESSES * sizeof *out);
        for (size_t a = 0; a < count; a++) {
            out[a].family = copy.addresses[a].family;
            out[a].port = copy.addresses[a].port;
            memcpy(out[a].ip, copy.addresses[a].ip, sizeof out[a].ip);
        }
        if (when)
            *when = copy.when;
        return count;
    }
    return 0;
}
