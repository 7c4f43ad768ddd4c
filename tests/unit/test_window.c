#include "fixture.h"

#define WINDOW (10 * SP_SECOND)
#define RATE   offsetof(struct sp_shard, rate)

static void add(unsigned shard, uint64_t now, bool bad)
{
    sp_window_add(fx.call.dest->shards[shard].rate, WINDOW, now, bad);
}

static void holds(uint64_t now, uint64_t calls, uint64_t bad)
{
    struct sp_window_sum sum = sp_window_sum(fx.call.dest, RATE, WINDOW, now);
    ck_assert_uint_eq(sum.calls, calls);
    ck_assert_uint_eq(sum.bad, bad);
}

START_TEST(all_shards_are_one_window)
{
    for (unsigned s = 0; s < SP_SHARDS; s++)
        add(s, FIXTURE_START, s % 2);
    holds(FIXTURE_START, SP_SHARDS, SP_SHARDS / 2);
}
END_TEST

START_TEST(a_call_leaves_the_window_between_nine_and_ten_tenths_later)
{
    add(0, FIXTURE_START, true);
    holds(FIXTURE_START + WINDOW - SP_SECOND, 1, 1);
    holds(FIXTURE_START + WINDOW, 0, 0);
}
END_TEST

START_TEST(it_slides)
{
    for (unsigned i = 0; i < 100; i++) {
        add(0, FIXTURE_START + i * SP_SECOND, true);
        holds(FIXTURE_START + i * SP_SECOND, i < 10 ? i + 1 : 10, i < 10 ? i + 1 : 10);
    }
}
END_TEST

START_TEST(the_two_windows_of_a_destination_do_not_mix)
{
    sp_window_add(fx.call.dest->shards[0].slow, WINDOW, FIXTURE_START, true);
    holds(FIXTURE_START, 0, 0);
}
END_TEST

START_TEST(a_full_bucket_is_halved_and_keeps_its_share)
{
    sp_word *word = &fx.call.dest->shards[0].rate[FIXTURE_START / SP_SECOND % SP_WINDOW_BUCKETS];
    add(0, FIXTURE_START, true);
    atomic_store(word, (atomic_load(word) >> 40 << 40) | UINT64_C(0xfffff) << 20 | 0x80000);
    add(0, FIXTURE_START, true);
    holds(FIXTURE_START, 0x80000, 0x40001);
}
END_TEST

START_TEST(clearing_leaves_nothing)
{
    for (unsigned s = 0; s < SP_SHARDS; s++)
        add(s, FIXTURE_START, true);
    sp_window_clear(fx.call.dest);
    holds(FIXTURE_START, 0, 0);
}
END_TEST

START_TEST(a_window_shorter_than_its_parts_divides_by_no_zero)
{
    sp_window_add(fx.call.dest->shards[0].rate, 0, FIXTURE_START, true);
    sp_window_add(fx.call.dest->shards[0].rate, 9, FIXTURE_START, true);
    ck_assert_uint_eq(sp_window_sum(fx.call.dest, RATE, 0, FIXTURE_START).calls, 2);
}
END_TEST

static void *thread_adds(void *context)
{
    for (unsigned i = 0; i < 10000; i++)
        sp_window_add(context, WINDOW, FIXTURE_START, i % 2);
    return NULL;
}

START_TEST(no_call_is_lost_between_threads)
{
    pthread_t thread[4];
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(
            pthread_create(&thread[i], NULL, thread_adds, fx.call.dest->shards[0].rate), 0);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
    holds(FIXTURE_START, 40000, 20000);
}
END_TEST

Suite *suite_window(void);
Suite *suite_window(void)
{
    Suite *suite = suite_create("window");
    TCase *tests = fixture_case(suite, "window");
    tcase_add_test(tests, all_shards_are_one_window);
    tcase_add_test(tests, a_call_leaves_the_window_between_nine_and_ten_tenths_later);
    tcase_add_test(tests, it_slides);
    tcase_add_test(tests, the_two_windows_of_a_destination_do_not_mix);
    tcase_add_test(tests, a_full_bucket_is_halved_and_keeps_its_share);
    tcase_add_test(tests, clearing_leaves_nothing);
    tcase_add_test(tests, a_window_shorter_than_its_parts_divides_by_no_zero);
    tcase_add_test(tests, no_call_is_lost_between_threads);
    return suite;
}
