/* The rate limit: a bucket over all processes, and its order with the other guards. */
#include "fixture.h"

static struct sp_wait wait;
static struct sp_admission admission;

/* 100/s: a token in 10 ms. */
static void limited(uint32_t burst, uint64_t most)
{
    fx.guards.limit_rate = sp_rate_word(100, SP_RATE_SECOND);
    fx.guards.limit_burst = burst;
    fx.guards.limit_wait = most;
    sp_wait_none(&wait);
}

static enum sp_verdict asks(struct sp_wait *may)
{
    return sp_order_admit(&fx.call, true, may, &admission);
}

static unsigned passed_of(unsigned tries)
{
    unsigned passed = 0;
    while (tries-- > 0) {
        passed += asks(NULL) == SP_PASS;
        sp_cap_release(&fx.call, &admission);
    }
    return passed;
}

START_TEST(a_burst_passes_and_no_more)
{
    limited(20, 0);
    ck_assert_uint_eq(passed_of(100), 20);
    ck_assert_uint_eq(
        atomic_load(&fx.call.dest->shards[fx.segment.self.shard].rejected[SP_REFUSED_RATE - 1]),
        80);
}
END_TEST

START_TEST(tokens_grow_evenly_up_to_the_burst)
{
    limited(20, 0);
    passed_of(100);
    fixture_forward(9 * SP_MS);
    ck_assert_uint_eq(passed_of(5), 0);
    fixture_forward(SP_MS);
    ck_assert_uint_eq(passed_of(5), 1);
    fixture_forward(55 * SP_MS);
    ck_assert_uint_eq(passed_of(10), 5);
    fixture_forward(3600 * SP_SECOND);
    ck_assert_uint_eq(passed_of(100), 20);
}
END_TEST

START_TEST(without_a_burst_it_is_the_number_of_the_rate)
{
    limited(0, 0);
    ck_assert_uint_eq(passed_of(1000), 100);
}
END_TEST

START_TEST(an_exchange_is_a_call_too_and_the_first_was_paid_with_its_connect)
{
    limited(2, 0);
    ck_assert_int_eq(asks(NULL), SP_PASS);
    ck_assert_int_eq(sp_order_first(&fx.call, NULL, &admission), SP_PASS);
    ck_assert_int_eq(sp_order_admit(&fx.call, false, NULL, &admission), SP_PASS);
    ck_assert_int_eq(sp_order_admit(&fx.call, false, NULL, &admission), SP_REFUSED_RATE);
}
END_TEST

START_TEST(a_cap_that_refuses_gives_the_token_back)
{
    limited(20, 0);
    for (unsigned i = 0; i < 4; i++)
        ck_assert_int_eq(asks(NULL), SP_PASS);
    for (unsigned i = 0; i < 50; i++)
        ck_assert_int_eq(asks(NULL), SP_REFUSED_CAP);
    for (unsigned i = 0; i < 16; i++)
        ck_assert_int_eq(sp_rate_admit(&fx.call, NULL), SP_PASS);
    ck_assert_int_eq(sp_rate_admit(&fx.call, NULL), SP_REFUSED_RATE);
}
END_TEST

START_TEST(a_request_that_was_not_sent_gives_the_token_back)
{
    limited(1, 0);
    ck_assert_int_eq(sp_order_admit(&fx.call, false, NULL, &admission), SP_PASS);
    sp_order_undo(&fx.call, &admission.permit);
    ck_assert_int_eq(sp_order_admit(&fx.call, false, NULL, &admission), SP_PASS);
}
END_TEST

START_TEST(an_open_breaker_takes_no_token)
{
    limited(1, 0);
    sp_breaker_trip(&fx.call);
    ck_assert_int_eq(asks(NULL), SP_REFUSED_BREAKER);
    ck_assert_int_eq(sp_rate_admit(&fx.call, NULL), SP_PASS);
}
END_TEST

START_TEST(a_limit_that_refuses_gives_the_probe_back)
{
    limited(1, 0);
    sp_breaker_trip(&fx.call);
    fixture_forward(SP_SECOND);
    ck_assert_int_eq(sp_rate_admit(&fx.call, NULL), SP_PASS);
    ck_assert_int_eq(asks(NULL), SP_REFUSED_RATE);
    fixture_forward(10 * SP_MS);
    ck_assert_int_eq(asks(NULL), SP_PASS);
    ck_assert_int_eq(admission.permit.kind, SP_PERMIT_PROBE);
}
END_TEST

START_TEST(who_may_wait_sleeps_until_the_token_that_is_his)
{
    struct sp_wait second;
    limited(1, 100 * SP_MS);
    sp_wait_none(&second);
    passed_of(1);
    ck_assert_int_eq(asks(&wait), SP_WAIT);
    ck_assert_uint_eq(wait.wake, FIXTURE_START + 10 * SP_MS);
    ck_assert_ptr_null(wait.bell);
    ck_assert_int_eq(asks(&second), SP_WAIT);
    ck_assert_uint_eq(second.wake, FIXTURE_START + 20 * SP_MS);
    fixture_forward(10 * SP_MS);
    ck_assert_int_eq(asks(NULL), SP_REFUSED_RATE); /* it is reserved */
    ck_assert_int_eq(asks(&wait), SP_PASS);
    ck_assert_uint_eq(admission.began, FIXTURE_START);
    ck_assert_int_eq(asks(&second), SP_WAIT);
    fixture_forward(10 * SP_MS);
    ck_assert_int_eq(asks(&second), SP_PASS);
}
END_TEST

START_TEST(who_would_wait_too_long_is_refused_at_once)
{
    struct sp_wait more[4];
    limited(1, 35 * SP_MS);
    passed_of(1);
    for (unsigned i = 0; i < 4; i++) {
        sp_wait_none(&more[i]);
        ck_assert_int_eq(asks(&more[i]), i < 3 ? SP_WAIT : SP_REFUSED_RATE);
    }
}
END_TEST

START_TEST(who_gives_up_gives_the_token_back)
{
    limited(1, 100 * SP_MS);
    passed_of(1);
    ck_assert_int_eq(asks(&wait), SP_WAIT);
    sp_order_leave(&fx.call, true, &wait);
    fixture_forward(10 * SP_MS);
    ck_assert_int_eq(asks(NULL), SP_PASS);
}
END_TEST

START_TEST(a_caller_with_less_time_than_it_takes_is_refused)
{
    limited(1, SP_SECOND);
    fx.guards.deadline[SP_DEADLINE_TOTAL] = 5 * SP_MS;
    passed_of(1);
    ck_assert_int_eq(asks(&wait), SP_REFUSED_RATE);
    fx.guards.deadline[SP_DEADLINE_TOTAL] = 0;
    ck_assert_int_eq(asks(&wait), SP_WAIT);
    wait.end = fx.call.now + 2 * SP_MS; /* the program's own timeout */
    fixture_forward(2 * SP_MS);
    ck_assert_int_eq(asks(&wait), SP_REFUSED_RATE);
    fixture_forward(8 * SP_MS);
    ck_assert_int_eq(asks(NULL), SP_PASS);
}
END_TEST

START_TEST(the_token_is_kept_before_a_full_cap)
{
    limited(5, SP_SECOND);
    fx.guards.cap_wait = SP_SECOND;
    for (unsigned i = 0; i < 4; i++)
        ck_assert_int_eq(asks(NULL), SP_PASS);
    struct sp_admission last = admission;
    ck_assert_int_eq(asks(&wait), SP_WAIT);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_int_eq(asks(&wait), SP_WAIT);
    ck_assert_int_eq(sp_rate_admit(&fx.call, NULL), SP_REFUSED_RATE);
    sp_cap_release(&fx.call, &last);
    ck_assert_int_eq(asks(&wait), SP_PASS);
}
END_TEST

START_TEST(a_limit_that_was_raised_does_not_owe_the_time_of_the_old_one)
{
    limited(1, 0);
    fx.guards.limit_rate = sp_rate_word(1, SP_RATE_HOUR);
    ck_assert_uint_eq(passed_of(5), 1);
    limited(20, 0);
    fixture_forward(10 * SP_MS);
    ck_assert_uint_ge(passed_of(5), 1);
}
END_TEST

START_TEST(where_it_is_only_observed_nobody_is_refused)
{
    limited(1, SP_SECOND);
    fx.guards.mode = SP_MODE_OBSERVE;
    ck_assert_int_eq(asks(&wait), SP_PASS);
    ck_assert_int_eq(asks(&wait), SP_PASS);
    ck_assert_int_eq(admission.permit.kind, SP_PERMIT_SHADOW);
    ck_assert_uint_eq(
        atomic_load(&fx.call.dest->shards[fx.segment.self.shard].detected[SP_REFUSED_RATE - 1]), 1);
}
END_TEST

Suite *suite_rate(void);
Suite *suite_rate(void)
{
    Suite *suite = suite_create("rate");
    TCase *tests = fixture_case(suite, "rate");
    tcase_add_test(tests, a_burst_passes_and_no_more);
    tcase_add_test(tests, tokens_grow_evenly_up_to_the_burst);
    tcase_add_test(tests, without_a_burst_it_is_the_number_of_the_rate);
    tcase_add_test(tests, an_exchange_is_a_call_too_and_the_first_was_paid_with_its_connect);
    tcase_add_test(tests, a_cap_that_refuses_gives_the_token_back);
    tcase_add_test(tests, a_request_that_was_not_sent_gives_the_token_back);
    tcase_add_test(tests, an_open_breaker_takes_no_token);
    tcase_add_test(tests, a_limit_that_refuses_gives_the_probe_back);
    tcase_add_test(tests, who_may_wait_sleeps_until_the_token_that_is_his);
    tcase_add_test(tests, who_would_wait_too_long_is_refused_at_once);
    tcase_add_test(tests, who_gives_up_gives_the_token_back);
    tcase_add_test(tests, a_caller_with_less_time_than_it_takes_is_refused);
    tcase_add_test(tests, the_token_is_kept_before_a_full_cap);
    tcase_add_test(tests, a_limit_that_was_raised_does_not_owe_the_time_of_the_old_one);
    tcase_add_test(tests, where_it_is_only_observed_nobody_is_refused);
    return suite;
}
