#include "conn/route.h"

_Static_assert(sizeof(struct route) == SP_CACHELINE, "a line each");
_Static_assert(ROUTE_PLACES == 64, "six bits of the hash");

struct route sp_routes[ROUTE_PLACES];

/* Only what is kept costs anything to lose: two that meet here leave it to one of them. */
void sp_route_keep(const struct sp_peer *peer, uint64_t policy, uint64_t names, int dest)
{
    struct route *r = route_place(peer);
    uint32_t before = atomic_load_explicit(&r->sequence, memory_order_relaxed);
    if ((before & 1) || !atomic_compare_exchange_strong(&r->sequence, &before, before + 1))
        return;
    atomic_store_explicit(&r->policy, policy, memory_order_release);
    atomic_store_explicit(&r->names, names, memory_order_release);
    for (int i = 0; i < 3; i++)
        atomic_store_explicit(&r->peer[i], peer->word[i], memory_order_release);
    atomic_store_explicit(&r->dest, (uint32_t)(dest + 1), memory_order_release);
    uint32_t after = before + 2 ? before + 2 : 2; /* 0 is a place that was never used */
    atomic_store_explicit(&r->sequence, after, memory_order_release);
}

void sp_route_told(const struct sp_peer *peer, bool straight)
{
    struct route *r = route_place(peer);
    uint32_t sequence = atomic_load_explicit(&r->sequence, memory_order_acquire);
    uint64_t other = 0;
    for (int i = 0; i < 3; i++)
        other |= atomic_load_explicit(&r->peer[i], memory_order_acquire) ^ peer->word[i];
    if (other == 0 && atomic_load_explicit(&r->sequence, memory_order_relaxed) == sequence)
        atomic_store_explicit(&r->told, sequence + !straight, memory_order_relaxed);
}
