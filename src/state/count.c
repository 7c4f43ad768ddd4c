#include "shearpin/segment.h"

#include <string.h>

#define SUM(field, n)                \
    for (size_t i = 0; i < (n); i++) \
    out->field[i] += atomic_load_explicit(&shard->field[i], memory_order_relaxed)

static void count_side(const struct sp_side *shard, struct sp_figures_side *out)
{
    SUM(connects, SP_OUTCOME_COUNT);
    SUM(exchanges, SP_OUTCOME_COUNT);
    SUM(late, SP_DEADLINE_COUNT);
    SUM(refused, 3);
    SUM(answer_time, SP_BINS);
}

uint64_t sp_count_timed(const struct sp_shard *shard)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < SP_BINS; i++)
        sum += atomic_load_explicit(&shard->answer_time[i], memory_order_relaxed);
    return sum;
}

void sp_count_sum(const struct sp_dest *dest, struct sp_figures *out)
{
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < SP_BINS; i++)
        out->wait_time[i] = atomic_load_explicit(&dest->wait_time[i], memory_order_relaxed);
    for (size_t i = 0; i < SP_INJECTED; i++)
        out->injected[i] = atomic_load_explicit(&dest->injected[i], memory_order_relaxed);
    for (size_t i = 0; i < SP_SPILLS; i++)
        out->diverted += atomic_load_explicit(&dest->spills[i].total, memory_order_relaxed);
    for (size_t s = 0; s < SP_SHARDS; s++) {
        const struct sp_shard *shard = &dest->shards[s];
        SUM(connects, SP_OUTCOME_COUNT);
        SUM(exchanges, SP_OUTCOME_COUNT);
        SUM(rejected, 3);
        SUM(detected, 3);
        SUM(expired, SP_DEADLINE_COUNT);
        SUM(fallback[0], SP_OUTCOMES_WIRE);
        SUM(fallback[1], SP_OUTCOMES_WIRE);
        SUM(retried, SP_RETRIED_COUNT);
        SUM(connect_time, SP_BINS);
        SUM(answer_time, SP_BINS);
        out->exchanges[SP_OUTCOME_OK] += sp_count_timed(shard);
        out->detours += atomic_load_explicit(&shard->detours, memory_order_relaxed);
        out->stale += atomic_load_explicit(&shard->stale, memory_order_relaxed);
        out->sent += atomic_load_explicit(&shard->sent, memory_order_relaxed);
        uint64_t succeeded = atomic_load_explicit(&shard->last_success, memory_order_relaxed);
        out->last_success = succeeded > out->last_success ? succeeded : out->last_success;
        out->received += atomic_load_explicit(&shard->received, memory_order_relaxed);
    }
    for (size_t s = 0; s < SP_SIDE_SHARDS; s++) {
        count_side(&dest->sides[SP_SIDE_ENFORCED - 1][s], &out->enforced);
        count_side(&dest->sides[SP_SIDE_OBSERVED - 1][s], &out->observed);
    }
}

/* The bins, worked out by the compiler. A decade has three parts, each with steps of its own;
 * `unit` is a hundredth of its begin. An octave, from a power of two to the next, begins in
 * `decade` and may end in the next. */
/* clang-format off */
#define PART(m) ((m) < 250 ? ((m) - 100) / 10 : (m) < 500 ? (m) / 25 + 5 : (m) / 50 + 15)
#define BIN(ns, decade, unit)                                                                      \
    ((ns) < 1000           ? 0                                                                     \
     : (ns) / (unit) < 1000 ? (decade) * SP_BINS_DECADE + PART((ns) / (unit)) + 1                  \
                           : ((decade) + 1) * SP_BINS_DECADE + PART((ns) / (unit) / 10) + 1)
#define STEP(power, part, decade, unit)                                                            \
    (uint8_t)(BIN((32ull + (part)) << ((power) - 5), decade, unit))
#define FOUR(power, part, decade, unit)                                                            \
    STEP(power, part, decade, unit), STEP(power, part + 1, decade, unit),                          \
        STEP(power, part + 2, decade, unit), STEP(power, part + 3, decade, unit)
#define OCTAVE(power, decade, unit)                                                                \
    FOUR(power, 0, decade, unit), FOUR(power, 4, decade, unit), FOUR(power, 8, decade, unit),      \
        FOUR(power, 12, decade, unit), FOUR(power, 16, decade, unit), FOUR(power, 20, decade, unit), \
        FOUR(power, 24, decade, unit), FOUR(power, 28, decade, unit)
#define EDGE(m, unit) (uint32_t)((m) * (unit) < UINT32_MAX ? (m) * (unit) : UINT32_MAX)
#define FIVE(m, more, unit)                                                                        \
    EDGE(m, unit), EDGE(m + more, unit), EDGE(m + 2 * more, unit), EDGE(m + 3 * more, unit),       \
        EDGE(m + 4 * more, unit)
#define EDGES(unit)                                                                                \
    FIVE(100, 10, unit), FIVE(150, 10, unit), FIVE(200, 10, unit), FIVE(250, 25, unit),            \
        FIVE(375, 25, unit), FIVE(500, 50, unit), FIVE(750, 50, unit)
const struct sp_bins sp_bins = {
    {OCTAVE(9, 0, 10),
     OCTAVE(10, 0, 10), OCTAVE(11, 0, 10), OCTAVE(12, 0, 10), OCTAVE(13, 0, 10),
     OCTAVE(14, 1, 100), OCTAVE(15, 1, 100), OCTAVE(16, 1, 100),
     OCTAVE(17, 2, 1000), OCTAVE(18, 2, 1000), OCTAVE(19, 2, 1000),
     OCTAVE(20, 3, 10000), OCTAVE(21, 3, 10000), OCTAVE(22, 3, 10000), OCTAVE(23, 3, 10000),
     OCTAVE(24, 4, 100000), OCTAVE(25, 4, 100000), OCTAVE(26, 4, 100000),
     OCTAVE(27, 5, 1000000), OCTAVE(28, 5, 1000000), OCTAVE(29, 5, 1000000),
     OCTAVE(30, 6, 10000000), OCTAVE(31, 6, 10000000)},
    {EDGES(10ull), EDGES(100ull), EDGES(1000ull), EDGES(10000ull), EDGES(100000ull),
     EDGES(1000000ull), EDGES(10000000ull)}};
/* clang-format on */

uint32_t sp_bin_far(uint64_t duration)
{
    uint32_t decades = 3; /* seconds, tens and hundreds of them, as if they were ms */
    if (duration < 1000)
        return 0;
    if (duration >= 1000 * SP_SECOND)
        return SP_BINS - 1;
    return sp_bin_of(duration / 1000) + decades * SP_BINS_DECADE;
}

uint64_t sp_bin_low(uint32_t bin)
{
    if (bin == 0)
        return 0;
    if (bin >= SP_BINS - 1)
        return 1000 * SP_SECOND;
    uint32_t decade = (bin - 1) / SP_BINS_DECADE, step = (bin - 1) % SP_BINS_DECADE;
    uint64_t unit = 10; /* a hundredth of the decade, ns */
    while (decade-- > 0)
        unit *= 10;
    uint32_t m = step < 15   ? 100 + step * 10
                 : step < 25 ? 250 + (step - 15) * 25
                             : 500 + (step - 25) * 50;
    return m * unit;
}

uint64_t sp_bin_quantile(const uint64_t *bins, double q)
{
    uint64_t total = 0, seen = 0;
    for (uint32_t i = 0; i < SP_BINS; i++)
        total += bins[i];
    if (total == 0)
        return 0;
    double rank = q * (double)total;
    for (uint32_t i = 0; i < SP_BINS; i++) {
        if (bins[i] && (double)(seen + bins[i]) >= rank) {
            uint64_t low = sp_bin_low(i), high = i + 1 < SP_BINS ? sp_bin_low(i + 1) : low;
            double part = (rank - (double)seen) / (double)bins[i];
            part = part > 0 ? part < 1 ? part : 1 : 0; /* a share outside 0..1, bins gone mad */
            return low + (uint64_t)((double)(high - low) * part);
        }
        seen += bins[i];
    }
    return sp_bin_low(SP_BINS - 1);
}
