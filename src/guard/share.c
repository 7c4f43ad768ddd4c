/* share.c - `enforce 10%`: which connections the guards are for. Nothing is random, so the share is
 * exact, and a higher share takes the same connections and more. */
#include "shearpin/guard.h"

/* Steps of 61 go through 0..99 once and leave no two close ones together: workers that connect in
 * turn, ten of them for example, all get their share. Every hundred goes on with the next digits.
 */
uint32_t sp_share_draw(struct sp_dest *dest)
{
    uint64_t ordinal = atomic_fetch_add_explicit(&dest->drawn, 1, memory_order_relaxed);
    uint32_t first = (uint32_t)(ordinal % 100 * 61 % 100);
    uint32_t second = (uint32_t)(ordinal / 100 % 100 * 61 % 100);
    return first * 100 + second;
}
