/* route.h - which destination an address was found to belong to, under the policy in force and by
 * the names that are known: most connects ask what an earlier one has asked. */
#ifndef SHEARPIN_CONN_ROUTE_H
#define SHEARPIN_CONN_ROUTE_H

#include "base/random.h"
#include "conn/names.h"
#include "shearpin/conn.h"

#define ROUTE_PLACES  64u
#define ROUTE_UNKNOWN (-2)

/* An address of IPv4 or IPv6 in three words, equal if the addresses are. */
struct sp_peer {
    uint64_t word[3]; /* family and port, then the address as in struct sp_addr */
};

/* One line. Whoever writes makes the sequence odd; who meets an odd one knows nothing. */
struct route {
    _Alignas(SP_CACHELINE) sp_half sequence;
    sp_half dest; /* + 1; 0: none takes it */
    sp_word policy;
    sp_word names;
    sp_word peer[3];
    sp_half told; /* the sequence at which the kernel was asked, + 1: it named another peer */
};
extern __attribute__((visibility("hidden"))) struct route sp_routes[ROUTE_PLACES];

static inline struct sp_peer sp_peer_of(uint8_t family, uint16_t port, const uint8_t ip[16])
{
    struct sp_peer peer = {{(uint64_t)port << 8 | family}};
    memcpy(&peer.word[1], ip, 16);
    return peer;
}

static inline struct route *route_place(const struct sp_peer *peer)
{
    uint64_t all = peer->word[0] ^ peer->word[1] ^ peer->word[2] >> 7;
    uint64_t hash = all * UINT64_C(0x9e3779b97f4a7c15);
    return &sp_routes[hash >> 58];
}

/* The destination, -1: none takes it, ROUTE_UNKNOWN: nobody has asked. `policy` is the word in
 * force. */
static inline int sp_route_known(const struct sp_peer *peer, uint64_t policy)
{
    const struct route *r = route_place(peer);
    uint32_t before = atomic_load_explicit(&r->sequence, memory_order_acquire);
    uint64_t other = atomic_load_explicit(&r->policy, memory_order_acquire) ^ policy;
    other |= atomic_load_explicit(&r->names, memory_order_acquire) ^ sp_names_state();
    for (int i = 0; i < 3; i++)
        other |= atomic_load_explicit(&r->peer[i], memory_order_acquire) ^ peer->word[i];
    uint32_t dest = atomic_load_explicit(&r->dest, memory_order_acquire);
    bool whole = atomic_load_explicit(&r->sequence, memory_order_relaxed) == before;
    return other == 0 && whole && before != 0 && !(before & 1) ? (int)dest - 1 : ROUTE_UNKNOWN;
}

/* Does a connect to it end there, or is it turned aside by somebody else on its way? The kernel
 * names the peer. Asked of what is known. */
enum sp_straight { SP_STRAIGHT_UNKNOWN, SP_STRAIGHT, SP_STRAIGHT_NOT };
static inline enum sp_straight sp_route_straight(const struct sp_peer *peer)
{
    const struct route *r = route_place(peer);
    uint32_t told = atomic_load_explicit(&r->told, memory_order_relaxed);
    uint32_t since = told - atomic_load_explicit(&r->sequence, memory_order_relaxed);
    return since > 1 ? SP_STRAIGHT_UNKNOWN : since == 1 ? SP_STRAIGHT_NOT : SP_STRAIGHT;
}
void sp_route_told(const struct sp_peer *peer, bool straight);

/* What was found under that policy and with those names; both were read before it was asked. */
void sp_route_keep(const struct sp_peer *peer, uint64_t policy, uint64_t names, int dest);

#endif
