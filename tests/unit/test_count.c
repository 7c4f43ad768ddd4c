#include "shearpin/segment.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"

START_TEST(every_bin_begins_where_the_one_before_it_ends)
{
    for (uint32_t bin = 1; bin < SP_BINS; bin++) {
        uint64_t low = sp_bin_low(bin);
        ck_assert_uint_gt(low, sp_bin_low(bin - 1));
        ck_assert_uint_eq(sp_bin_of(low), bin);
        ck_assert_uint_eq(sp_bin_of(low - 1), bin - 1);
    }
}
END_TEST

/* As one would write it down, with divisions. */
static uint32_t bin_by_edges(uint64_t duration)
{
    uint32_t low = 0, high = SP_BINS - 1;
    while (low < high) {
        uint32_t middle = (low + high + 1) / 2;
        if (sp_bin_low(middle) <= duration)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

START_TEST(a_bin_is_found_without_a_division_for_every_duration)
{
    uint64_t random = 1;
    for (int i = 0; i < 100000; i++) {
        uint64_t duration = sp_random_next(&random) >> (sp_random_next(&random) & 63);
        ck_assert_uint_eq(sp_bin_of(duration), bin_by_edges(duration));
    }
}
END_TEST

START_TEST(no_bin_is_wider_than_a_tenth)
{
    for (uint32_t bin = 1; bin + 1 < SP_BINS; bin++) {
        uint64_t low = sp_bin_low(bin), high = sp_bin_low(bin + 1);
        ck_assert_uint_le((high - low) * 10, low);
    }
}
END_TEST

START_TEST(one_two_and_a_half_and_five_of_every_decade_are_edges)
{
    uint64_t decade = 1000;
    for (int i = 0; i < 9; i++, decade *= 10) {
        ck_assert_uint_eq(sp_bin_low(sp_bin_of(decade)), decade);
        ck_assert_uint_eq(sp_bin_low(sp_bin_of(decade / 10 * 25)), decade / 10 * 25);
        ck_assert_uint_eq(sp_bin_low(sp_bin_of(decade * 5)), decade * 5);
    }
}
END_TEST

START_TEST(the_first_and_the_last_bin_take_all_the_rest)
{
    ck_assert_uint_eq(sp_bin_of(0), 0);
    ck_assert_uint_eq(sp_bin_of(999), 0);
    ck_assert_uint_eq(sp_bin_of(1000), 1);
    ck_assert_uint_eq(sp_bin_of(1000 * SP_SECOND - 1), SP_BINS - 2);
    ck_assert_uint_eq(sp_bin_of(1000 * SP_SECOND), SP_BINS - 1);
    ck_assert_uint_eq(sp_bin_of(UINT64_MAX), SP_BINS - 1);
    ck_assert_uint_eq(sp_bin_low(UINT32_MAX), 1000 * SP_SECOND);
}
END_TEST

static uint64_t bins[SP_BINS];

START_TEST(quantiles_lie_inside_the_bin_of_their_rank)
{
    for (uint64_t ms = 1; ms <= 100; ms++)
        bins[sp_bin_of(ms * SP_MS)]++;
    for (unsigned percent = 1; percent < 100; percent++) {
        uint64_t at = sp_bin_quantile(bins, percent / 100.0);
        ck_assert_uint_ge(at, percent * SP_MS * 9 / 10);
        ck_assert_uint_le(at, (percent + 1) * SP_MS * 11 / 10);
    }
    ck_assert_uint_eq(sp_bin_quantile(bins, 0.0), SP_MS);
}
END_TEST

#define TRACE 20000

static int shorter(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* `_i` decides how the durations lie between 10 us and 100 s: evenly, or most of them at one end.
 */
START_TEST(the_true_percentile_of_a_trace_lies_in_the_bin_that_is_reported)
{
    static const double quantiles[] = {0.01, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1};
    static uint64_t trace[TRACE];
    uint64_t state = (uint64_t)_i;
    for (int i = 0; i < TRACE; i++) {
        uint64_t unit = 10 * SP_US;
        uint32_t decades = sp_random_below(&state, 7);
        for (uint32_t more = sp_random_below(&state, decades + 1); more && _i != 0; more--)
            decades = _i == 1 ? decades - 1 : decades + (decades < 6);
        while (decades-- > 0)
            unit *= 10;
        trace[i] = unit + sp_random_next(&state) % (9 * unit);
        bins[sp_bin_of(trace[i])]++;
    }
    qsort(trace, TRACE, sizeof *trace, shorter);
    for (size_t q = 0; q < sizeof quantiles / sizeof *quantiles; q++) {
        uint64_t truth = trace[(size_t)(quantiles[q] * TRACE + 0.999999) - 1];
        uint64_t told = sp_bin_quantile(bins, quantiles[q]);
        uint32_t bin = sp_bin_of(truth);
        ck_assert_msg(told >= sp_bin_low(bin) && told <= sp_bin_low(bin + 1),
                      "p%g: %llu ns was told for %llu ns", quantiles[q] * 100,
                      (unsigned long long)told, (unsigned long long)truth);
    }
}
END_TEST

START_TEST(quantiles_of_nothing_are_nothing)
{
    ck_assert_uint_eq(sp_bin_quantile(bins, 0.5), 0);
}
END_TEST

START_TEST(quantiles_beyond_the_last_edge_are_that_edge)
{
    bins[SP_BINS - 1] = 3;
    ck_assert_uint_eq(sp_bin_quantile(bins, 0.5), 1000 * SP_SECOND);
    ck_assert_uint_eq(sp_bin_quantile(bins, 1.0), 1000 * SP_SECOND);
}
END_TEST

START_TEST(a_share_outside_of_0_to_1_is_its_nearest_end)
{
    bins[sp_bin_of(SP_MS)] = 10;
    uint64_t low = SP_MS, high = sp_bin_low(sp_bin_of(SP_MS) + 1);
    ck_assert_uint_eq(sp_bin_quantile(bins, -5), low);
    ck_assert_uint_eq(sp_bin_quantile(bins, 1), high);
    ck_assert_uint_ge(sp_bin_quantile(bins, 7), high);
    memset(bins, 0xff, sizeof bins);
    sp_bin_quantile(bins, 0.5);
    bins[0] = 2; /* the sum goes round */
    sp_bin_quantile(bins, 0.99);
}
END_TEST

START_TEST(a_sum_is_over_all_shards)
{
    struct sp_dest *dest = aligned_alloc(SP_CACHELINE, sizeof *dest);
    struct sp_figures sum;
    ck_assert_ptr_nonnull(dest);
    memset(dest, 0, sizeof *dest);
    sp_count(&dest->injected[7], 32);
    for (unsigned s = 0; s < SP_SHARDS; s++) {
        struct sp_shard *shard = &dest->shards[s];
        sp_count(&shard->connects[SP_OUTCOME_OK], s + 1);
        sp_count(&shard->exchanges[SP_OUTCOME_COUNT - 1], 2);
        sp_count(&shard->rejected[2], 1);
        sp_count(&shard->detected[0], 1);
        sp_count(&shard->expired[SP_DEADLINE_COUNT - 1], 3);
        sp_count(&shard->sent, 100);
        sp_count(&shard->received, 200);
        sp_count(&shard->connect_time[0], 5);
        sp_count(&shard->answer_time[SP_BINS - 1], 6);
    }
    sp_count_sum(dest, &sum);
    ck_assert_uint_eq(sum.connects[SP_OUTCOME_OK], 36);
    ck_assert_uint_eq(sum.exchanges[SP_OUTCOME_COUNT - 1], 16);
    ck_assert_uint_eq(sum.rejected[2], 8);
    ck_assert_uint_eq(sum.detected[0], 8);
    ck_assert_uint_eq(sum.expired[SP_DEADLINE_COUNT - 1], 24);
    ck_assert_uint_eq(sum.injected[7], 32);
    ck_assert_uint_eq(sum.sent, 800);
    ck_assert_uint_eq(sum.received, 1600);
    ck_assert_uint_eq(sum.connect_time[0], 40);
    ck_assert_uint_eq(sum.answer_time[SP_BINS - 1], 48);
    free(dest);
}
END_TEST

Suite *suite_count(void);
Suite *suite_count(void)
{
    Suite *suite = suite_create("count");
    TCase *tests = tcase_create("count");
    tcase_add_test(tests, every_bin_begins_where_the_one_before_it_ends);
    tcase_add_test(tests, no_bin_is_wider_than_a_tenth);
    tcase_add_test(tests, a_bin_is_found_without_a_division_for_every_duration);
    tcase_add_test(tests, one_two_and_a_half_and_five_of_every_decade_are_edges);
    tcase_add_test(tests, the_first_and_the_last_bin_take_all_the_rest);
    tcase_add_test(tests, quantiles_lie_inside_the_bin_of_their_rank);
    tcase_add_loop_test(tests, the_true_percentile_of_a_trace_lies_in_the_bin_that_is_reported, 0,
                        3);
    tcase_add_test(tests, quantiles_of_nothing_are_nothing);
    tcase_add_test(tests, quantiles_beyond_the_last_edge_are_that_edge);
    tcase_add_test(tests, a_share_outside_of_0_to_1_is_its_nearest_end);
    tcase_add_test(tests, a_sum_is_over_all_shards);
    suite_add_tcase(suite, tests);
    return suite;
}
