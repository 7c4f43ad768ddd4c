/* endpoint.c - which place an address of a destination has. The keys stand apart from what they
 * lead to: to look through all of them touches 16 lines. */
#include "shearpin/segment.h"

#include <string.h>

#include "base/addr.h"
#include "base/random.h"
#include "shearpin/guard.h"
#include "state/shared.h"

#define KEY_BUSY     UINT64_C(1) /* taken, and not made ready yet */
#define KEY_SET      UINT64_C(2) /* so that neither a key nor a tag is ever 0 */
#define KEY_DEST(at) ((uint64_t)(at) << 54)
#define FRESH_MS     1000u

static uint64_t endpoint_key(uint32_t dest, const struct sp_addr *address)
{
    return KEY_DEST(dest) | (((sp_addr_hash(address) >> 10) | KEY_SET) & ~KEY_BUSY);
}

static uint64_t endpoint_load(const struct sp_segment *segment, uint32_t index)
{
    return atomic_load_explicit(&segment->endpoint_keys[index], memory_order_acquire);
}

static uint32_t endpoint_ms(uint64_t now)
{
    return (uint32_t)(now / SP_MS);
}

static uint32_t endpoint_age(const struct sp_endpoint *e, uint64_t now)
{
    return sp_ms_since(endpoint_ms(now), atomic_load_explicit(&e->used, memory_order_relaxed));
}

/* What an operator holds is never idle. */
static uint32_t endpoint_idle(const struct sp_endpoint *e, uint64_t now)
{
    uint64_t word = atomic_load_explicit(&e->cell.word, memory_order_relaxed);
    return sp_breaker_unpack(word).hold == SP_HOLD_NONE ? endpoint_age(e, now) : 0;
}

/* As new, but for the epoch: permits of the former address, or of a former time, count no more. */
static void endpoint_clear(struct sp_endpoint *e)
{
    const size_t behind = offsetof(struct sp_cell, hold_until);
    uint64_t word = atomic_load(&e->cell.word);
    struct sp_breaker fresh;
    do {
        uint16_t epoch = sp_breaker_unpack(word).epoch;
        fresh = (struct sp_breaker){.epoch = (uint16_t)((epoch + 1) & SP_BREAKER_EPOCH_MASK)};
    } while (!atomic_compare_exchange_weak(&e->cell.word, &word, sp_breaker_pack(fresh)));
    for (sp_word *at = (sp_word *)(void *)((char *)e + behind); at <= &e->errors; at++)
        atomic_store_explicit(at, 0, memory_order_relaxed);
}

/* Whoever finds a place of his own address busy does the work as well: the one who took it may be
 * dead. Done twice it is the same. */
static void endpoint_ready(struct sp_segment *segment, uint32_t index, uint64_t key,
                           const struct sp_addr *address, uint64_t now)
{
    struct sp_endpoint *e = &segment->endpoints[index];
    uint64_t busy = key | KEY_BUSY;
    _Alignas(8) struct sp_addr copy = *address;
    endpoint_clear(e);
    sp_shared_store(&e->address, &copy, sizeof copy);
    atomic_store(&e->used, endpoint_ms(now) - FRESH_MS);
    atomic_compare_exchange_strong(&segment->endpoint_keys[index], &busy, key);
}

/* The place of a key, or SP_NO_ENDPOINT; then `*free` is where it may go. */
static uint32_t endpoint_search(const struct sp_segment *segment, uint64_t key, uint64_t now,
                                uint32_t *free)
{
    uint32_t oldest = SP_ENDPOINT_IDLE / SP_MS;
    *free = SP_NO_ENDPOINT;
    for (uint32_t i = 0; i < SP_ENDPOINTS; i++) {
        uint32_t at = (uint32_t)(key / 4 + i) % SP_ENDPOINTS;
        uint64_t seen = endpoint_load(segment, at);
        if ((seen & ~KEY_BUSY) == key)
            return at;
        uint32_t age = seen == 0 ? UINT32_MAX : endpoint_idle(&segment->endpoints[at], now);
        if (age >= oldest && (*free == SP_NO_ENDPOINT || age > oldest)) {
            oldest = age;
            *free = at;
        }
    }
    return SP_NO_ENDPOINT;
}

static uint32_t endpoint_place(struct sp_segment *segment, uint64_t key,
                               const struct sp_addr *address, uint64_t now, bool take)
{
    for (int i = 0; i < 8; i++) {
        uint32_t free, at = endpoint_search(segment, key, now, &free);
        if (at != SP_NO_ENDPOINT && endpoint_load(segment, at) == (key | KEY_BUSY))
            endpoint_ready(segment, at, key, address, now);
        if (at != SP_NO_ENDPOINT || !take || free == SP_NO_ENDPOINT)
            return at;
        uint64_t seen = endpoint_load(segment, free);
        if (seen != 0 && endpoint_idle(&segment->endpoints[free], now) < SP_ENDPOINT_IDLE / SP_MS)
            continue;
        if (atomic_compare_exchange_strong(&segment->endpoint_keys[free], &seen, key | KEY_BUSY))
            endpoint_ready(segment, free, key, address, now);
    }
    return SP_NO_ENDPOINT;
}

struct sp_aim sp_endpoint_aim(struct sp_segment *segment, uint32_t dest,
                              const struct sp_addr *address, uint64_t now, bool take, bool *fresh)
{
    uint64_t key = endpoint_key(dest, address);
    uint32_t at = endpoint_place(segment, key, address, now, take);
    if (at == SP_NO_ENDPOINT)
        return (struct sp_aim){SP_NO_ENDPOINT, 0};
    struct sp_endpoint *e = &segment->endpoints[at];
    bool young = endpoint_age(e, now) < FRESH_MS;
    if (take && !young)
        atomic_store_explicit(&e->used, endpoint_ms(now), memory_order_relaxed);
    if (fresh)
        *fresh = !young;
    return (struct sp_aim){at, (uint32_t)key};
}

struct sp_endpoint *sp_endpoint_at(const struct sp_segment *segment, struct sp_aim aim)
{
    if (aim.index >= SP_ENDPOINTS || (uint32_t)endpoint_load(segment, aim.index) != aim.tag)
        return NULL;
    return &segment->endpoints[aim.index];
}

struct sp_endpoint *sp_endpoint_of(const struct sp_segment *segment, uint32_t dest, uint32_t index,
                                   struct sp_addr *address)
{
    uint64_t key = endpoint_load(segment, index);
    struct sp_endpoint *e = &segment->endpoints[index];
    if (key == 0 || (key & KEY_BUSY) || key >> 54 != dest)
        return NULL;
    if (!address)
        return e;
    _Alignas(8) struct sp_addr copy;
    sp_shared_load(&copy, &e->address, sizeof copy);
    copy.path[sizeof copy.path - 1] = 0;
    if (endpoint_key(dest, &copy) != key)
        memset(&copy, 0, sizeof copy);
    *address = copy;
    return e;
}

void sp_endpoint_forget(struct sp_segment *segment, uint32_t dest)
{
    for (uint32_t i = 0; i < SP_ENDPOINTS; i++) {
        uint64_t key = endpoint_load(segment, i);
        if (key != 0 && key >> 54 == dest)
            atomic_store(&segment->endpoint_keys[i], 0);
    }
}
