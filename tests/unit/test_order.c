#include "fixture.h"

static struct sp_shard *shard(void)
{
    return &fx.call.dest->shards[fx.segment.self.shard];
}

static struct sp_admission admission;

static void admit_is(bool connecting, enum sp_verdict verdict)
{
    ck_assert_int_eq(sp_order_admit(&fx.call, connecting, NULL, &admission), verdict);
}

static void permit_is(enum sp_permit_kind kind)
{
    ck_assert_int_eq(admission.permit.kind, kind);
}

static uint32_t held(void)
{
    uint32_t count;
    sp_word *words = sp_lease_words(&fx.segment, fx.call.dest, SP_CAP_CONNECTIONS, &count);
    return sp_lease_held(&fx.segment, words, count);
}

static enum sp_state state(void)
{
    return sp_breaker_unpack(atomic_load(&fx.call.dest->cell.word)).state;
}

static void fail_connects(unsigned count)
{
    while (count-- > 0) {
        admit_is(true, SP_PASS);
        ck_assert(sp_order_settle(&fx.call, &admission.permit, true, SP_OUTCOME_REFUSED, SP_MS));
        sp_cap_give(&fx.call, SP_CAP_CONNECTIONS, admission.places[SP_CAP_CONNECTIONS],
                    admission.lease);
    }
}

START_TEST(a_connect_takes_a_place_of_the_cap_and_an_exchange_none)
{
    admit_is(true, SP_PASS);
    ck_assert_uint_ne(admission.places[SP_CAP_CONNECTIONS], SP_NO_LEASE);
    ck_assert_uint_eq(held(), 1);
    admit_is(false, SP_PASS);
    ck_assert_uint_eq(admission.places[SP_CAP_CONNECTIONS], SP_NO_LEASE);
    ck_assert_uint_eq(held(), 1);
}
END_TEST

START_TEST(a_full_cap_refuses_and_counts)
{
    for (int i = 0; i < 4; i++)
        admit_is(true, SP_PASS);
    admit_is(true, SP_REFUSED_CAP);
    permit_is(SP_PERMIT_NONE);
    ck_assert_uint_eq(admission.places[SP_CAP_CONNECTIONS], SP_NO_LEASE);
    ck_assert_uint_eq(atomic_load(&shard()->rejected[SP_REFUSED_CAP - 1]), 1);
}
END_TEST

START_TEST(without_a_cap_nothing_is_leased)
{
    fx.guards.cap[SP_CAP_CONNECTIONS] = 0;
    for (int i = 0; i < 100; i++)
        admit_is(true, SP_PASS);
    ck_assert_uint_eq(held(), 0);
}
END_TEST

START_TEST(a_process_without_a_slot_is_guarded_but_for_leases)
{
    fx.segment.self.slot = SP_NO_SLOT;
    for (int i = 0; i < 10; i++)
        admit_is(true, SP_PASS);
    ck_assert_uint_eq(held(), 0);
}
END_TEST

START_TEST(an_open_breaker_refuses_before_the_cap_is_asked)
{
    fail_connects(3);
    ck_assert_int_eq(state(), SP_STATE_OPEN);
    admit_is(true, SP_REFUSED_BREAKER);
    permit_is(SP_PERMIT_NONE);
    ck_assert_uint_eq(held(), 0);
    ck_assert_uint_eq(atomic_load(&shard()->rejected[SP_REFUSED_BREAKER - 1]), 1);
}
END_TEST

START_TEST(a_cap_that_refuses_gives_the_probe_back)
{
    struct sp_admission places[4];
    for (int i = 0; i < 4; i++) {
        admit_is(true, SP_PASS);
        places[i] = admission;
    }
    sp_breaker_trip(&fx.call);
    fixture_forward(SP_SECOND);
    admit_is(true, SP_REFUSED_CAP);
    sp_cap_give(&fx.call, SP_CAP_CONNECTIONS, places[0].places[SP_CAP_CONNECTIONS],
                places[0].lease);
    admit_is(true, SP_PASS);
    permit_is(SP_PERMIT_PROBE);
}
END_TEST

START_TEST(a_connect_that_succeeds_is_no_verdict)
{
    sp_breaker_trip(&fx.call);
    fixture_forward(SP_SECOND);
    admit_is(true, SP_PASS);
    permit_is(SP_PERMIT_PROBE);
    ck_assert(!sp_order_settle(&fx.call, &admission.permit, true, SP_OUTCOME_OK, SP_MS));
    ck_assert_int_eq(state(), SP_STATE_HALF_OPEN);
    ck_assert_uint_eq(atomic_load(&shard()->connects[SP_OUTCOME_OK]), 1);
    ck_assert(sp_order_settle(&fx.call, &admission.permit, false, SP_OUTCOME_OK, SP_MS));
    ck_assert_uint_eq(atomic_load(&shard()->answer_time[sp_bin_of(SP_MS)]), 1);
    struct sp_breaker b = sp_breaker_unpack(atomic_load(&fx.call.dest->cell.word));
    ck_assert_uint_eq(b.streak, 1);
}
END_TEST

START_TEST(a_connect_does_not_end_a_row_of_failures)
{
    fail_connects(2);
    admit_is(true, SP_PASS);
    sp_order_settle(&fx.call, &admission.permit, true, SP_OUTCOME_OK, SP_MS);
    fail_connects(1);
    ck_assert_int_eq(state(), SP_STATE_OPEN);
}
END_TEST

START_TEST(where_a_connect_is_the_success_it_is_a_verdict)
{
    fx.guards.success = SP_SUCCESS_CONNECT;
    fail_connects(2);
    admit_is(true, SP_PASS);
    ck_assert(sp_order_settle(&fx.call, &admission.permit, true, SP_OUTCOME_OK, SP_MS));
    fail_connects(2);
    ck_assert_int_eq(state(), SP_STATE_CLOSED);
}
END_TEST

START_TEST(successes_stand_in_the_histograms)
{
    admit_is(true, SP_PASS);
    sp_order_settle(&fx.call, &admission.permit, true, SP_OUTCOME_OK, 3 * SP_MS);
    sp_order_settle(&fx.call, &admission.permit, false, SP_OUTCOME_OK, 5 * SP_MS);
    admit_is(false, SP_PASS);
    sp_order_settle(&fx.call, &admission.permit, false, SP_OUTCOME_EOF, 7 * SP_MS);
    ck_assert_uint_eq(atomic_load(&shard()->connect_time[sp_bin_of(3 * SP_MS)]), 1);
    ck_assert_uint_eq(atomic_load(&shard()->answer_time[sp_bin_of(5 * SP_MS)]), 1);
    ck_assert_uint_eq(atomic_load(&shard()->answer_time[sp_bin_of(7 * SP_MS)]), 0);
}
END_TEST

START_TEST(what_would_be_refused_is_admitted_and_detected_where_it_is_only_observed)
{
    fx.guards.mode = SP_MODE_OBSERVE;
    fail_connects(3);
    ck_assert_int_eq(state(), SP_STATE_OPEN);
    admit_is(true, SP_PASS);
    permit_is(SP_PERMIT_SHADOW);
    ck_assert_uint_eq(atomic_load(&shard()->detected[SP_REFUSED_BREAKER - 1]), 1);
    ck_assert_uint_eq(atomic_load(&shard()->rejected[SP_REFUSED_BREAKER - 1]), 0);
    sp_order_settle(&fx.call, &admission.permit, false, SP_OUTCOME_OK, SP_MS);
    ck_assert_int_eq(state(), SP_STATE_OPEN);
}
END_TEST

START_TEST(a_call_is_detected_once_by_the_first_guard_that_would_stop_it)
{
    fx.guards.mode = SP_MODE_OBSERVE;
    for (int i = 0; i < 4; i++)
        admit_is(true, SP_PASS);
    admit_is(true, SP_PASS);
    permit_is(SP_PERMIT_SHADOW);
    ck_assert_uint_eq(atomic_load(&shard()->detected[SP_REFUSED_CAP - 1]), 1);
    sp_breaker_trip(&fx.call);
    admit_is(true, SP_PASS);
    ck_assert_uint_eq(atomic_load(&shard()->detected[SP_REFUSED_BREAKER - 1]), 1);
    ck_assert_uint_eq(atomic_load(&shard()->detected[SP_REFUSED_CAP - 1]), 1);
}
END_TEST

START_TEST(the_observed_breaker_finds_its_way_back)
{
    fx.guards.mode = SP_MODE_OBSERVE;
    fail_connects(3);
    fixture_forward(SP_SECOND);
    for (int i = 0; i < 2; i++) {
        admit_is(false, SP_PASS);
        permit_is(SP_PERMIT_PROBE);
        sp_order_settle(&fx.call, &admission.permit, false, SP_OUTCOME_OK, SP_MS);
    }
    ck_assert_int_eq(state(), SP_STATE_CLOSED);
}
END_TEST

START_TEST(established_connections_pass_an_open_breaker_where_the_policy_says_so)
{
    sp_breaker_trip(&fx.call);
    admit_is(false, SP_REFUSED_BREAKER);
    fx.guards.breaker.established = SP_ESTABLISHED_PASS;
    admit_is(false, SP_PASS);
    permit_is(SP_PERMIT_SHADOW);
    admit_is(true, SP_REFUSED_BREAKER);
}
END_TEST

START_TEST(a_breaker_that_only_reports_lets_everything_pass)
{
    fx.guards.pass = 1;
    fail_connects(3);
    ck_assert_int_eq(state(), SP_STATE_OPEN);
    admit_is(true, SP_PASS);
    permit_is(SP_PERMIT_SHADOW);
    admit_is(false, SP_PASS);
    ck_assert_uint_eq(atomic_load(&shard()->detected[SP_REFUSED_BREAKER - 1]), 2);
    ck_assert_uint_eq(atomic_load(&shard()->rejected[SP_REFUSED_BREAKER - 1]), 0);
    sp_cap_release(&fx.call, &admission);
    for (int i = 0; i < 3; i++) /* the cap refuses all the same */
        admit_is(true, SP_PASS);
    admit_is(true, SP_REFUSED_CAP);
    ck_assert_uint_eq(atomic_load(&shard()->rejected[SP_REFUSED_CAP - 1]), 1);
    fixture_forward(SP_SECOND);
    admit_is(false, SP_PASS); /* and it finds its way back */
    permit_is(SP_PERMIT_PROBE);
}
END_TEST

START_TEST(the_last_success_is_known)
{
    struct sp_figures figures;
    sp_count_sum(fx.call.dest, &figures);
    ck_assert_uint_eq(figures.last_success, 0);
    admit_is(true, SP_PASS);
    sp_order_settle(&fx.call, &admission.permit, true, SP_OUTCOME_OK, SP_MS);
    sp_count_sum(fx.call.dest, &figures);
    ck_assert_uint_eq(figures.last_success, 0); /* a connect is no verdict */
    fixture_forward(SP_MS);
    sp_order_settle(&fx.call, &admission.permit, false, SP_OUTCOME_OK, SP_MS);
    sp_count_sum(fx.call.dest, &figures);
    ck_assert_uint_eq(figures.last_success, FIXTURE_START + SP_MS);
}
END_TEST

/* Open for 1 s, half-open for 100 ms, open for 2 s, half-open for 50 ms, closed. */
START_TEST(the_time_open_and_the_time_until_closed_are_kept)
{
    fx.guards.breaker.close = 1;
    fx.guards.breaker.open_max = fx.guards.breaker.open_min = SP_SECOND;
    fail_connects(3);
    fixture_forward(SP_SECOND);
    admit_is(true, SP_PASS);
    fixture_forward(100 * SP_MS);
    sp_order_settle(&fx.call, &admission.permit, true, SP_OUTCOME_REFUSED, SP_MS);
    fixture_forward(2 * SP_SECOND);
    admit_is(true, SP_PASS);
    fixture_forward(50 * SP_MS);
    sp_order_settle(&fx.call, &admission.permit, false, SP_OUTCOME_OK, SP_MS);
    ck_assert_int_eq(state(), SP_STATE_CLOSED);
    ck_assert_uint_eq(atomic_load(&fx.call.dest->cell.open_time), 3 * SP_SECOND);
    ck_assert_uint_eq(atomic_load(&fx.call.dest->cell.recovery), 3150 * SP_MS);
    fixture_forward(SP_SECOND);
    sp_breaker_trip(&fx.call);
    fixture_forward(SP_SECOND);
    sp_breaker_reset(&fx.call);
    ck_assert_uint_eq(atomic_load(&fx.call.dest->cell.open_time), 4 * SP_SECOND);
    ck_assert_uint_eq(atomic_load(&fx.call.dest->cell.recovery), SP_SECOND);
}
END_TEST

START_TEST(with_the_mode_off_nothing_is_asked_and_nothing_held)
{
    sp_breaker_trip(&fx.call);
    fx.guards.mode = SP_MODE_OFF;
    admit_is(true, SP_PASS);
    permit_is(SP_PERMIT_NONE);
    ck_assert_uint_eq(held(), 0);
}
END_TEST

START_TEST(what_comes_to_nothing_is_given_back)
{
    sp_breaker_trip(&fx.call);
    fixture_forward(SP_SECOND);
    admit_is(false, SP_PASS);
    sp_order_return(&fx.call, &admission.permit);
    admit_is(false, SP_PASS);
    permit_is(SP_PERMIT_PROBE);
    admit_is(false, SP_REFUSED_BREAKER);
}
END_TEST

Suite *suite_order(void);
Suite *suite_order(void)
{
    Suite *suite = suite_create("order");
    TCase *tests = fixture_case(suite, "order");
    tcase_add_test(tests, a_connect_takes_a_place_of_the_cap_and_an_exchange_none);
    tcase_add_test(tests, a_full_cap_refuses_and_counts);
    tcase_add_test(tests, without_a_cap_nothing_is_leased);
    tcase_add_test(tests, a_process_without_a_slot_is_guarded_but_for_leases);
    tcase_add_test(tests, an_open_breaker_refuses_before_the_cap_is_asked);
    tcase_add_test(tests, a_cap_that_refuses_gives_the_probe_back);
    tcase_add_test(tests, a_connect_that_succeeds_is_no_verdict);
    tcase_add_test(tests, a_connect_does_not_end_a_row_of_failures);
    tcase_add_test(tests, where_a_connect_is_the_success_it_is_a_verdict);
    tcase_add_test(tests, successes_stand_in_the_histograms);
    tcase_add_test(tests, what_would_be_refused_is_admitted_and_detected_where_it_is_only_observed);
    tcase_add_test(tests, a_call_is_detected_once_by_the_first_guard_that_would_stop_it);
    tcase_add_test(tests, the_observed_breaker_finds_its_way_back);
    tcase_add_test(tests, established_connections_pass_an_open_breaker_where_the_policy_says_so);
    tcase_add_test(tests, a_breaker_that_only_reports_lets_everything_pass);
    tcase_add_test(tests, the_last_success_is_known);
    tcase_add_test(tests, the_time_open_and_the_time_until_closed_are_kept);
    tcase_add_test(tests, with_the_mode_off_nothing_is_asked_and_nothing_held);
    tcase_add_test(tests, what_comes_to_nothing_is_given_back);
    return suite;
}
