/* The last minutes of a destination, on a clock that only the test moves. */
#include "fixture.h"

#include <errno.h>

#include "state/apply.h"

static struct sp_segment segment;
static struct sp_guards guards;
static struct sp_dest *dest;
static uint64_t now;
static struct sp_span span;

static void setup(const char *text)
{
    struct sp_error error;
    uint32_t index = 0;
    ck_assert_msg(sp_segment_private(&segment, fixture_policy(text), &error) == 0, "%s",
                  error.text);
    dest = sp_segment_dest_named(&segment, "db", &index);
    ck_assert_ptr_nonnull(dest);
    ck_assert(sp_segment_guards(&segment, index, &guards));
    now = FIXTURE_START;
}

static void one_minute(void)
{
    setup("destination db\n    match db:1\n    slo errors < 1% for 1m\n");
}

static void calls(unsigned count, enum sp_outcome outcome)
{
    while (count-- > 0) {
        struct sp_shard *shard = &dest->shards[count % SP_SHARDS];
        sp_history_keep(&segment, dest, &guards, now);
        sp_count(outcome == SP_OUTCOME_OK ? &shard->answer_time[sp_bin_of(SP_MS)]
                                          : &shard->exchanges[outcome],
                 1);
    }
}

static uint64_t last(uint64_t window)
{
    ck_assert(sp_history_span(&segment, dest, &guards, window, now, &span));
    return span.calls;
}

START_TEST(the_last_minute_is_the_last_minute)
{
    one_minute();
    ck_assert_uint_eq(guards.moment, 2000);
    ck_assert_uint_eq(last(60 * SP_SECOND), 0);
    for (unsigned second = 0; second < 300; second++) {
        calls(10, second % 10 ? SP_OUTCOME_OK : SP_OUTCOME_RESET);
        now += SP_SECOND;
    }
    uint64_t count = last(60 * SP_SECOND);
    ck_assert_uint_ge(count, 590); /* a step at most more or less */
    ck_assert_uint_le(count, 620);
    ck_assert_uint_ge(span.time, 60 * SP_SECOND);
    ck_assert_uint_le(span.time, 62 * SP_SECOND);
    ck_assert_uint_ge(span.errors, 58);
    ck_assert_uint_le(span.errors, 70);
    ck_assert_uint_eq(span.times[sp_bin_of(SP_MS)], span.calls - span.errors);
    count = last(10 * SP_SECOND);
    ck_assert_uint_ge(count, 100);
    ck_assert_uint_le(count, 120);
}
END_TEST

START_TEST(what_is_older_than_the_window_is_forgotten_without_any_call)
{
    one_minute();
    calls(50, SP_OUTCOME_RESET);
    now += 30 * SP_SECOND;
    ck_assert_uint_eq(last(60 * SP_SECOND), 50);
    now += 3000 * SP_SECOND;
    calls(1, SP_OUTCOME_OK);
    now += SP_SECOND;
    ck_assert_uint_le(last(60 * SP_SECOND), 1);
    ck_assert_uint_eq(span.errors, 0);
}
END_TEST

START_TEST(a_young_history_says_how_long_it_is)
{
    one_minute();
    calls(3, SP_OUTCOME_OK);
    now += 5 * SP_SECOND;
    ck_assert_uint_eq(last(60 * SP_SECOND), 3);
    ck_assert_uint_eq(span.time, 5 * SP_SECOND);
}
END_TEST

START_TEST(without_an_slo_there_is_none)
{
    setup("destination db\n    match db:1\n");
    ck_assert_uint_eq(guards.moment, 0);
    ck_assert_uint_eq(segment.history_max, 0);
    ck_assert(!sp_history_span(&segment, dest, &guards, SP_SECOND, now, &span));
}
END_TEST

START_TEST(connects_are_the_calls_where_no_answer_follows)
{
    setup("destination db\n    match db:1\n    exchange none\n    success connect\n"
          "    slo p95 < 1s for 1m\n");
    sp_history_keep(&segment, dest, &guards, now);
    sp_count(&dest->shards[0].connects[SP_OUTCOME_OK], 7);
    sp_count(&dest->shards[0].connect_time[sp_bin_of(SP_MS)], 7);
    sp_count(&dest->shards[0].answer_time[0], 99);
    now += SP_SECOND;
    ck_assert_uint_eq(last(60 * SP_SECOND), 7 + 99);
    ck_assert_uint_eq(span.times[sp_bin_of(SP_MS)], 7);
    ck_assert_uint_eq(span.times[0], 0);
}
END_TEST

START_TEST(a_reload_moves_histories_only_where_there_is_room)
{
    struct sp_error error;
    struct sp_dest *other;
    setup("destination db\n    match db:1\n    slo rps > 1 for 1m\n"
          "destination b\n    match b:1\n");
    calls(5, SP_OUTCOME_OK);
    now += SP_SECOND;
    const struct sp_policy *moved =
        fixture_policy("destination db\n    match db:1\n"
                       "destination b\n    match b:1\n    slo rps > 1 for 1m\n");
    const struct sp_policy *both = fixture_policy("defaults\n    slo rps > 1 for 1m\n"
                                                  "destination db\n    match db:1\n"
                                                  "destination b\n    match b:1\n");
    ck_assert_uint_eq(segment.history_max, 1);
    ck_assert_int_eq(sp_apply_fill(&segment, both, &error), -1);
    ck_assert_int_eq(error.code, ENOSPC);
    ck_assert_int_eq(sp_apply_fill(&segment, moved, &error), 0);
    other = sp_segment_dest_named(&segment, "b", NULL);
    ck_assert(!sp_history_span(&segment, dest, &guards, SP_SECOND, now, &span));
    ck_assert(sp_history_span(&segment, other, &guards, SP_SECOND, now, &span));
    ck_assert_uint_eq(span.calls, 0);
}
END_TEST

START_TEST(noise_misleads_and_harms_nobody)
{
    one_minute();
    for (uint64_t seed = 0; seed < 500; seed++) {
        fixture_noise(segment.histories, sizeof *segment.histories, seed);
        if (seed % 2)
            atomic_store(&dest->history, (uint32_t)seed);
        sp_history_keep(&segment, dest, &guards, now);
        sp_history_span(&segment, dest, &guards, 60 * SP_SECOND, now, &span);
        atomic_store(&dest->history, 1);
        now += SP_SECOND;
    }
}
END_TEST

Suite *suite_history(void)
{
    Suite *suite = suite_create("history");
    TCase *tests = tcase_create("history");
    tcase_add_test(tests, the_last_minute_is_the_last_minute);
    tcase_add_test(tests, what_is_older_than_the_window_is_forgotten_without_any_call);
    tcase_add_test(tests, a_young_history_says_how_long_it_is);
    tcase_add_test(tests, without_an_slo_there_is_none);
    tcase_add_test(tests, connects_are_the_calls_where_no_answer_follows);
    tcase_add_test(tests, a_reload_moves_histories_only_where_there_is_room);
    tcase_add_test(tests, noise_misleads_and_harms_nobody);
    suite_add_tcase(suite, tests);
    return suite;
}
