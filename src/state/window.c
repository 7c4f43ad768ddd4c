/* A window of T is ten buckets of T/10. A bucket is one word, stamp:24 calls:20 bad:20, so adding
 * to it and starting it anew are the same compare-and-swap. */
#include "shearpin/segment.h"

#define WINDOW_PARTS 10u
#define STAMP_MASK   0xffffffu
#define PART_MASK    0xfffffu

static uint64_t window_index(uint64_t window, uint64_t now)
{
    uint64_t width = window / WINDOW_PARTS;
    return now / (width ? width : 1);
}

SP_HOT void sp_window_add(sp_word *words, uint64_t window, uint64_t now, bool bad)
{
    uint64_t index = window_index(window, now), stamp = index & STAMP_MASK;
    sp_word *word = &words[index % SP_WINDOW_BUCKETS];
    uint64_t old = atomic_load_explicit(word, memory_order_relaxed), next;
    do {
        uint64_t calls = 0, failed = 0;
        if (old >> 40 == stamp) {
            calls = old >> 20 & PART_MASK;
            failed = old & PART_MASK;
            if (calls == PART_MASK) { /* full: halve both, the share stays */
                calls /= 2;
                failed /= 2;
            }
        }
        next = stamp << 40 | (calls + 1) << 20 | (failed + bad);
    } while (!atomic_compare_exchange_weak_explicit(word, &old, next, memory_order_relaxed,
                                                    memory_order_relaxed));
}

struct sp_window_sum sp_window_of(const sp_word *words, uint64_t window, uint64_t now)
{
    struct sp_window_sum sum = {0, 0};
    uint64_t stamp = window_index(window, now) & STAMP_MASK;
    for (size_t i = 0; i < SP_WINDOW_BUCKETS; i++) {
        uint64_t w = atomic_load_explicit(&words[i], memory_order_relaxed);
        if (w == 0 || ((stamp - (w >> 40)) & STAMP_MASK) >= WINDOW_PARTS)
            continue;
        sum.calls += w >> 20 & PART_MASK;
        sum.bad += w & PART_MASK;
    }
    return sum;
}

struct sp_window_sum sp_window_sum(const struct sp_dest *dest, size_t offset, uint64_t window,
                                   uint64_t now)
{
    struct sp_window_sum sum = {0, 0};
    for (size_t s = 0; s < SP_SHARDS; s++) {
        const char *shard = (const char *)&dest->shards[s] + offset;
        struct sp_window_sum one = sp_window_of((const sp_word *)(const void *)shard, window, now);
        sum.calls += one.calls;
        sum.bad += one.bad;
    }
    return sum;
}

void sp_window_wipe(sp_word *words)
{
    for (size_t i = 0; i < SP_WINDOW_BUCKETS; i++)
        atomic_store_explicit(&words[i], 0, memory_order_relaxed);
}

void sp_window_clear(struct sp_dest *dest)
{
    for (size_t s = 0; s < SP_SHARDS; s++) {
        sp_window_wipe(dest->shards[s].rate);
        sp_window_wipe(dest->shards[s].slow);
    }
}
