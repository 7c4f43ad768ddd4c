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
    for (size_t i = 0; i < SP_SPILLS; i++)
        out->diverted += atomic_load_explicit(&dest->spills[i].total, memory_order_relaxed);
    for (size_t s = 0; s < SP_SHARDS; s++) {
        const struct sp_shard *shard = &dest->shards[s];
        SUM(connects, SP_OUTCOME_COUNT);
        SUM(exchanges, SP_OUTCOME_COUNT);
        SUM(rejected, 3);
        SUM(detected, 3);
        SUM(expired, SP_DEADLINE_COUNT);
        SUM(injected, 8);
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

/* Powers of ten, and the factors that divide by 5^k: the product's upper half. Exact below 2^40,
 * which is above all bins. */
static const uint64_t count_ten[] = {
    1,        10,        100,        1000,           10000,           100000,          1000000,
    10000000, 100000000, 1000000000, SP_SECOND * 10, SP_SECOND * 100, SP_SECOND * 1000};
#define FIFTH(power) (UINT64_MAX / (power) + 1)
static const uint64_t count_five[] = {
    0,           FIFTH(5),     FIFTH(25),    FIFTH(125),    FIFTH(625),
    FIFTH(3125), FIFTH(15625), FIFTH(78125), FIFTH(390625), FIFTH(1953125)};

/* Part of every healthy exchange: no division. */
uint32_t sp_bin_of(uint64_t duration)
{
    if (duration < 1000)
        return 0;
    if (duration >= 1000 * SP_SECOND)
        return SP_BINS - 1;
    uint32_t bits = 64 - (uint32_t)__builtin_clzll(duration);
    uint32_t digits = bits * 1233 >> 12; /* log10(2) is 1233 / 4096 */
    digits -= duration < count_ten[digits];
    uint32_t power = digits - 2;
    uint32_t m = (uint32_t)((unsigned __int128)(duration >> power) * count_five[power] >> 64);
    uint32_t step = m < 250 ? (m - 100) / 10 : m < 500 ? 15 + (m - 250) / 25 : 25 + (m - 500) / 50;
    return 1 + (digits - 3) * SP_BINS_DECADE + step; /* m is 100..999 */
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
