#include "shearpin/segment.h"

/* Who lives costs system calls, and one process may hold every place: it is asked about once. */
struct lease_census {
    sp_alive_fn *alive;
    void *context;
    uint32_t now_ms;
    uint8_t known[SP_PROCESSES]; /* 1 + enum sp_life */
};

static enum sp_life lease_life(struct lease_census *census, uint32_t slot)
{
    if (census->known[slot] == 0)
        census->known[slot] = (uint8_t)(1 + census->alive(census->context, slot, &census->now_ms));
    return (enum sp_life)(census->known[slot] - 1);
}

/* Of the owner of a lease. A slot that was taken over tells nothing of its former owner's sockets;
 * it is asked about all the same, because that brings the time up to date. */
static enum sp_life lease_owner(const struct sp_segment *segment, uint64_t lease,
                                struct lease_census *census)
{
    uint32_t slot = sp_lease_slot(lease);
    if (slot >= SP_PROCESSES)
        return SP_LIFE_DYING;
    uint32_t epoch = atomic_load(&segment->processes[slot].epoch) & 0xfffffu;
    enum sp_life life = lease_life(census, slot);
    return epoch == sp_lease_epoch(lease) ? life : SP_LIFE_DYING;
}

/* A dying process gives up its memory and its lock before its sockets, so its places are marked
 * first and granted again only when the grace is over. */
static bool lease_reclaim(struct sp_segment *segment, sp_word *word, uint64_t lease,
                          struct lease_census *census)
{
    uint64_t seen = atomic_load_explicit(word, memory_order_acquire);
    if (seen & SP_LEASE_DEAD) {
        if (sp_ms_since(census->now_ms, sp_lease_detail(seen)) < SP_LEASE_GRACE_MS)
            return false;
        return atomic_compare_exchange_strong(word, &seen, lease);
    }
    enum sp_life life = seen ? lease_owner(segment, seen, census) : SP_LIFE_GONE;
    if (life == SP_LIFE_GONE)
        return atomic_compare_exchange_strong(word, &seen, lease);
    if (life == SP_LIFE_DYING)
        atomic_compare_exchange_strong(word, &seen, SP_LEASE_DEAD | census->now_ms);
    return false;
}

uint32_t sp_lease_take(struct sp_segment *segment, sp_word *words, uint32_t limit, uint64_t lease,
                       uint32_t now_ms, sp_alive_fn *alive, void *context)
{
    if (limit == 0)
        return SP_NO_LEASE;
    uint32_t start = sp_lease_slot(lease) * 7u % limit; /* neighbours begin at different places */
    for (uint32_t i = 0, at = start; i < limit; i++, at = at + 1 < limit ? at + 1 : 0) {
        uint64_t seen = atomic_load_explicit(&words[at], memory_order_relaxed);
        if (seen == 0 && atomic_compare_exchange_strong(&words[at], &seen, lease))
            return at;
    }
    if (!alive)
        return SP_NO_LEASE;
    struct lease_census census = {.alive = alive, .context = context, .now_ms = now_ms};
    uint32_t taken = SP_NO_LEASE;
    for (uint32_t i = 0; i < limit; i++) {
        if (lease_reclaim(segment, &words[i], taken == SP_NO_LEASE ? lease : 0, &census) &&
            taken == SP_NO_LEASE)
            taken = i;
    }
    return taken;
}

void sp_lease_reap(struct sp_segment *segment, sp_word *words, uint32_t limit, uint32_t now_ms,
                   sp_alive_fn *alive, void *context)
{
    struct lease_census census = {.alive = alive, .context = context, .now_ms = now_ms};
    for (uint32_t i = 0; i < limit; i++) {
        if (atomic_load_explicit(&words[i], memory_order_relaxed) != 0)
            lease_reclaim(segment, &words[i], 0, &census);
    }
}

SP_HOT void sp_lease_give(sp_word *words, uint32_t limit, uint32_t index, uint64_t lease)
{
    if (index < limit)
        atomic_compare_exchange_strong(&words[index], &lease, 0);
}

uint32_t sp_lease_held(const struct sp_segment *segment, const sp_word *words, uint32_t limit)
{
    uint32_t held = 0;
    for (uint32_t i = 0; i < limit; i++) {
        uint64_t w = atomic_load_explicit(&words[i], memory_order_relaxed);
        uint32_t slot = sp_lease_slot(w);
        if (w == 0 || (w & SP_LEASE_DEAD) || slot >= SP_PROCESSES)
            continue;
        if ((atomic_load(&segment->processes[slot].epoch) & 0xfffffu) == sp_lease_epoch(w))
            held++;
    }
    return held;
}

uint32_t sp_lease_living(struct sp_segment *segment, sp_word *words, uint32_t limit,
                         uint32_t now_ms, sp_alive_fn *alive, void *context)
{
    struct lease_census census = {.alive = alive, .context = context, .now_ms = now_ms};
    uint32_t living = 0;
    for (uint32_t i = 0; i < limit; i++) {
        uint64_t seen = atomic_load(&words[i]);
        if (seen == 0 || (seen & SP_LEASE_DEAD))
            continue;
        enum sp_life life = lease_owner(segment, seen, &census);
        living += life == SP_LIFE_ALIVE;
        if (life == SP_LIFE_GONE)
            atomic_compare_exchange_strong(&words[i], &seen, 0);
    }
    return living;
}

sp_word *sp_lease_words(const struct sp_segment *segment, struct sp_dest *dest, enum sp_cap cap,
                        uint32_t *count)
{
    uint32_t n = atomic_load(&dest->caps[cap].count), at = atomic_load(&dest->caps[cap].offset);
    if (n > segment->lease_max || at > segment->lease_max - n)
        n = 0;
    *count = n;
    return n ? segment->leases + at : NULL;
}
