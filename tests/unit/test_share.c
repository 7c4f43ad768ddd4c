/* `enforce N%` is exact in every hundred, and a higher share takes the same connections and more.
 */
#include "fixture.h"

START_TEST(of_any_hundred_in_a_row_exactly_n)
{
    uint32_t drawn[1000];
    for (int i = 0; i < 1000; i++)
        drawn[i] = sp_share_draw(fx.call.dest);
    for (uint32_t percent = 1; percent < 100; percent++) {
        for (int first = 0; first <= 900; first += 37) {
            unsigned enforced = 0;
            for (int i = first; i < first + 100; i++)
                enforced += sp_share_enforces(drawn[i], percent * 100);
            ck_assert_uint_eq(enforced, percent);
        }
    }
}
END_TEST

START_TEST(parts_of_a_percent_are_exact_in_ten_thousand)
{
    unsigned hit[2] = {0, 0}, all = 0;
    for (int i = 0; i < 10000; i++) {
        uint32_t drawn = sp_share_draw(fx.call.dest);
        ck_assert_uint_lt(drawn, SP_SHARE_ALL);
        hit[0] += sp_share_enforces(drawn, 1);
        hit[1] += sp_share_enforces(drawn, 1234);
        all += sp_share_enforces(drawn, 0);
    }
    ck_assert_uint_eq(hit[0], 1);
    ck_assert_uint_eq(hit[1], 1234);
    ck_assert_uint_eq(all, 10000);
}
END_TEST

/* Ten workers that connect one after the other: none of them is always the one. */
START_TEST(workers_in_turn_all_get_their_share)
{
    unsigned worker[10] = {0};
    for (int i = 0; i < 1000; i++)
        worker[i % 10] += sp_share_enforces(sp_share_draw(fx.call.dest), 1000);
    for (int i = 0; i < 10; i++)
        ck_assert_uint_eq(worker[i], 10);
}
END_TEST

START_TEST(the_observed_are_counted_on_their_side)
{
    struct sp_admission admission;
    struct sp_figures figures;
    fx.guards.mode = SP_MODE_OBSERVE;
    fx.guards.share = 1000;
    fx.guards.deadline[SP_DEADLINE_RESPONSE] = 100 * SP_MS;
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(sp_order_admit(&fx.call, false, NULL, &admission), SP_PASS);
        sp_order_settle(&fx.call, &admission.permit, false, SP_OUTCOME_OK, 200 * SP_MS);
    }
    fx.guards.mode = SP_MODE_ENFORCE;
    ck_assert_int_eq(sp_order_admit(&fx.call, false, NULL, &admission), SP_REFUSED_BREAKER);
    sp_count_sum(fx.call.dest, &figures);
    ck_assert_uint_eq(figures.exchanges[SP_OUTCOME_OK], 3);
    ck_assert_uint_eq(figures.observed.exchanges[SP_OUTCOME_OK], 3);
    ck_assert_uint_eq(figures.observed.late[SP_DEADLINE_RESPONSE], 3);
    ck_assert_uint_eq(figures.rejected[0], 1);
    ck_assert_uint_eq(figures.enforced.refused[0], 1);
    ck_assert_uint_eq(figures.observed.refused[0], 0);
}
END_TEST

Suite *suite_share(void);
Suite *suite_share(void)
{
    Suite *suite = suite_create("share");
    TCase *tests = fixture_case(suite, "share");
    tcase_add_test(tests, of_any_hundred_in_a_row_exactly_n);
    tcase_add_test(tests, parts_of_a_percent_are_exact_in_ten_thousand);
    tcase_add_test(tests, workers_in_turn_all_get_their_share);
    tcase_add_test(tests, the_observed_are_counted_on_their_side);
    return suite;
}
