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

/* Where a power of ten lies between two of two, the sum carries from there on. */
#define DECADE(n)       ((uint64_t)(n) << 32)
#define RISES(n, power) (DECADE(n) - (power))
const uint64_t sp_bin_decade[32] = {
    [9] = RISES(0, 1000),
    [10] = DECADE(0),
    DECADE(0),
    DECADE(0),
    [13] = RISES(1, 10000),
    [14] = DECADE(1),
    DECADE(1),
    [16] = RISES(2, 100000),
    [17] = DECADE(2),
    DECADE(2),
    [19] = RISES(3, 1000000),
    [20] = DECADE(3),
    DECADE(3),
    DECADE(3),
    [23] = RISES(4, 10000000),
    [24] = DECADE(4),
    DECADE(4),
    [26] = RISES(5, 100000000),
    [27] = DECADE(5),
    DECADE(5),
    [29] = RISES(6, 1000000000ull),
    [30] = DECADE(6),
    DECADE(6),
};
/* A twentieth of the decade's begin, as a factor: exact below 2^32. */
#define PART(unit) (UINT64_MAX / (unit) + 1)
const uint64_t sp_bin_fifth[7] = {PART(50),     PART(500),     PART(5000),    PART(50000),
                                  PART(500000), PART(5000000), PART(50000000)};
#define TWO(bin)  bin, bin
#define FIVE(bin) TWO(bin), TWO(bin), bin
#define TEN(bin)  FIVE(bin), FIVE(bin)
/* clang-format off */
const uint8_t sp_bin_step[200] = {
    [20] = TWO(1), TWO(2), TWO(3), TWO(4), TWO(5), TWO(6), TWO(7), TWO(8), TWO(9), TWO(10),
    TWO(11), TWO(12), TWO(13), TWO(14), TWO(15),
    FIVE(16), FIVE(17), FIVE(18), FIVE(19), FIVE(20), FIVE(21), FIVE(22), FIVE(23), FIVE(24),
    FIVE(25),
    TEN(26), TEN(27), TEN(28), TEN(29), TEN(30), TEN(31), TEN(32), TEN(33), TEN(34), TEN(35)};
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
