/* split.c - which arm a connection goes to. Nothing is random: the connections of all processes
 * are numbered, and steps of the golden ratio spread their numbers evenly over the shares, however
 * many processes take them in turn. */
#include "shearpin/guard.h"

#include "shearpin/split.h"

#define SPLIT_STEP UINT32_C(2654435769) /* 2^32 times the golden ratio */

uint32_t sp_split_point(uint64_t ordinal)
{
    return (uint32_t)ordinal * SPLIT_STEP;
}

uint32_t sp_split_draw(struct sp_dest *dest, bool process)
{
    sp_word *numbers = process ? &dest->split_processes : &dest->split_connects;
    return sp_split_point(atomic_fetch_add_explicit(numbers, 1, memory_order_relaxed));
}

/* The one of `able` in whose share the point lies; what is left of the point within that share is
 * as evenly spread as the point was. */
static int split_at(const uint16_t *shares, uint32_t able, uint32_t *point)
{
    uint64_t total = 0, from = 0;
    for (unsigned i = 0; i < SP_ARMS_MAX; i++)
        total += able >> i & 1 ? shares[i] : 0;
    uint64_t at = *point * total;
    for (unsigned i = 0; i < SP_ARMS_MAX; i++) {
        uint64_t end = from + ((uint64_t)(able >> i & 1 ? shares[i] : 0) << 32);
        if (at < end) {
            *point = (uint32_t)((at - from) / shares[i]);
            return (int)i;
        }
        from = end;
    }
    return -1;
}

int sp_split_pick(const uint16_t *shares, uint32_t all, uint32_t able, uint32_t point)
{
    int first = split_at(shares, all, &point);
    if (first < 0 || able >> first & 1)
        return first;
    return split_at(shares, all & able, &point);
}
