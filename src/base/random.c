#include "base/random.h"

static uint64_t random_fnv(uint64_t hash, const void *bytes, size_t length)
{
    const unsigned char *p = bytes;

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
    return hash;
}

uint64_t sp_hash(const void *bytes, size_t length)
{
    return sp_mix(random_fnv(UINT64_C(0xcbf29ce484222325), bytes, length));
}

uint64_t sp_hash_more(uint64_t hash, const void *bytes, size_t length)
{
    return sp_mix(random_fnv(hash, bytes, length) + length);
}
