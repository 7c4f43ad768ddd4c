#include "fixture.h"

static struct sp_admission admission;

/* From here on the calls are for the address with that number. */
static struct sp_endpoint *at(unsigned n)
{
    struct sp_addr address = {.family = SP_FAMILY_IPV4, .port = 80, .ip = {10, 0, 0, (uint8_t)n}};
    struct sp_aim aim =
        sp_endpoint_aim(&fx.segment, fx.call.index, &address, fx.call.now, true, NULL);
    fx.call.endpoint = sp_endpoint_at(&fx.segment, aim);
    ck_assert_ptr_nonnull(fx.call.endpoint);
    return fx.call.endpoint;
}

static enum sp_verdict ask(void)
{
    return sp_order_admit(&fx.call, true, NULL, &admission);
}

static void settle(enum sp_outcome outcome)
{
    sp_order_settle(&fx.call, &admission.permit, true, outcome, SP_MS);
    sp_cap_release(&fx.call, &admission);
}

static void failing(unsigned n, unsigned times)
{
    at(n);
    while (times-- > 0) {
        ck_assert_int_eq(ask(), SP_PASS);
        settle(SP_OUTCOME_REFUSED);
    }
}

static void scoped(void)
{
    fx.guards.breaker.scope = SP_SCOPE_ENDPOINT;
    fx.guards.success = SP_SUCCESS_CONNECT;
}

static enum sp_state state(const struct sp_cell *cell)
{
    return sp_breaker_unpack(atomic_load(&cell->word)).state;
}

START_TEST(one_address_trips_and_the_others_go_on)
{
    scoped();
    failing(1, 3);
    ck_assert_int_eq(state(&at(1)->cell), SP_STATE_OPEN);
    ck_assert_int_eq(ask(), SP_REFUSED_BREAKER);
    at(2);
    ck_assert_int_eq(ask(), SP_PASS);
    ck_assert_int_eq(state(&fx.call.dest->cell), SP_STATE_CLOSED);
    ck_assert_int_eq(state(&fx.call.endpoint->cell), SP_STATE_CLOSED);
}
END_TEST

START_TEST(the_event_names_the_address)
{
    struct sp_event event;
    uint64_t last;
    scoped();
    failing(1, 3);
    last = sp_event_last(&fx.segment);
    ck_assert_int_eq(sp_event_read(&fx.segment, &last, &event), 1);
    ck_assert_str_eq(event.destination, "db");
    ck_assert_str_eq(event.text, "10.0.0.1:80");
}
END_TEST

START_TEST(calls_and_errors_of_an_address_are_counted)
{
    struct sp_endpoint *e;
    scoped();
    failing(1, 2);
    e = at(1);
    ask();
    settle(SP_OUTCOME_OK);
    ask();
    settle(SP_OUTCOME_ABANDONED);
    ck_assert_uint_eq(atomic_load(&e->calls), 3);
    ck_assert_uint_eq(atomic_load(&e->errors), 2);
    ck_assert_uint_eq(atomic_load(&fx.call.dest->cell.last_outcome), SP_OUTCOME_REFUSED);
}
END_TEST

START_TEST(a_window_is_that_of_the_address)
{
    scoped();
    fx.guards.breaker.streak = 0;
    fx.guards.breaker.rate = 5000;
    fx.guards.breaker.rate_min = 4;
    fx.guards.breaker.rate_window = 10 * SP_SECOND;
    failing(1, 3);
    failing(2, 3);
    ck_assert_int_eq(state(&at(2)->cell), SP_STATE_CLOSED);
    failing(2, 1);
    ck_assert_int_eq(state(&at(2)->cell), SP_STATE_OPEN);
    ck_assert_int_eq(state(&at(1)->cell), SP_STATE_CLOSED);
}
END_TEST

START_TEST(a_probe_brings_an_address_back)
{
    scoped();
    failing(1, 3);
    fixture_forward(2 * SP_SECOND);
    for (unsigned i = 0; i < fx.guards.breaker.close; i++) {
        ck_assert_int_eq(ask(), SP_PASS);
        ck_assert_int_eq(admission.permit.kind, SP_PERMIT_PROBE);
        ck_assert(sp_scope_out(&fx.call));
        struct sp_permit mine = admission.permit;
        ck_assert_int_eq(ask(), SP_REFUSED_BREAKER);
        admission.permit = mine;
        settle(SP_OUTCOME_OK);
    }
    ck_assert_int_eq(state(&at(1)->cell), SP_STATE_CLOSED);
    ck_assert(!sp_scope_out(&fx.call));
}
END_TEST

START_TEST(an_operator_speaks_for_all_addresses)
{
    scoped();
    at(1);
    struct sp_call whole = fx.call;
    whole.endpoint = NULL;
    sp_breaker_hold(&whole, SP_HOLD_OPEN, 0);
    ck_assert_int_eq(ask(), SP_REFUSED_BREAKER);
    ck_assert(!sp_scope_out(&fx.call));
    sp_breaker_hold(&whole, SP_HOLD_CLOSED, 0);
    failing(1, 5);
    ck_assert_int_eq(ask(), SP_PASS);
    sp_breaker_reset(&whole);
    failing(1, 3);
    ck_assert_int_eq(ask(), SP_REFUSED_BREAKER);
}
END_TEST

START_TEST(a_tripped_destination_is_probed_as_a_whole)
{
    scoped();
    at(1);
    struct sp_call whole = fx.call;
    whole.endpoint = NULL;
    sp_breaker_trip(&whole);
    ck_assert_int_eq(ask(), SP_REFUSED_BREAKER);
    fixture_forward(2 * SP_SECOND);
    for (unsigned i = 0; i < fx.guards.breaker.close; i++) {
        ck_assert_int_eq(ask(), SP_PASS);
        ck_assert_int_eq(admission.permit.endpoint, 0);
        settle(SP_OUTCOME_OK);
    }
    ck_assert_int_eq(state(&fx.call.dest->cell), SP_STATE_CLOSED);
    ck_assert_int_eq(state(&at(1)->cell), SP_STATE_CLOSED);
}
END_TEST

START_TEST(what_finds_no_place_shares_the_breaker_of_the_destination)
{
    scoped();
    fx.call.endpoint = NULL;
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(ask(), SP_PASS);
        settle(SP_OUTCOME_REFUSED);
    }
    ck_assert_int_eq(ask(), SP_REFUSED_BREAKER);
    ck_assert_int_eq(state(&fx.call.dest->cell), SP_STATE_OPEN);
}
END_TEST

START_TEST(a_permit_of_an_address_that_gave_up_its_place_only_counts)
{
    scoped();
    at(1);
    ck_assert_int_eq(ask(), SP_PASS);
    fx.call.endpoint = NULL;
    settle(SP_OUTCOME_REFUSED);
    ck_assert_uint_eq(atomic_load(&fx.call.dest->cell.word), 0);
    ck_assert_int_eq(state(&at(1)->cell), SP_STATE_CLOSED);
}
END_TEST

static struct sp_scope_count count(void)
{
    return sp_scope_count(&fx.call);
}

/* As max_ejection_percent is read elsewhere: rounded down, but one at least. */
START_TEST(eject_is_rounded_down_and_at_least_one)
{
    static const unsigned most[][3] = {{1, 5000, 1},  {2, 5000, 1}, {3, 5000, 1},  {4, 5000, 2},
                                       {10, 1000, 1}, {9, 1000, 1}, {20, 1000, 2}, {3, 10000, 3},
                                       {5, 100, 1},   {3, 3333, 1}, {10, 9999, 9}};
    unsigned known = 0;
    for (size_t i = 0; i < sizeof most / sizeof *most; i++) {
        sp_endpoint_forget(&fx.segment, fx.call.index);
        for (known = 1; known <= most[i][0]; known++)
            at(known);
        fx.guards.breaker.eject = most[i][1];
        ck_assert_uint_eq(count().known, most[i][0]);
        ck_assert_uint_eq(count().most, most[i][2]);
    }
}
END_TEST

START_TEST(when_more_are_out_than_may_be_all_are_let_through_without_a_vote)
{
    scoped();
    fx.guards.breaker.eject = 5000;
    at(3), at(4);
    failing(1, 3);
    failing(2, 3);
    ck_assert_int_eq(ask(), SP_REFUSED_BREAKER);
    ck_assert(sp_scope_out(&fx.call));
    failing(3, 3);
    ck_assert_uint_eq(count().out, 3);
    ck_assert_uint_eq(count().most, 2);
    for (unsigned n = 1; n < 5; n++) {
        at(n);
        ck_assert(!sp_scope_out(&fx.call));
        ck_assert_int_eq(ask(), SP_PASS);
        ck_assert_int_eq(admission.permit.kind, n < 4 ? SP_PERMIT_SHADOW : SP_PERMIT_CALL);
        settle(SP_OUTCOME_OK);
    }
    ck_assert_int_eq(state(&at(1)->cell), SP_STATE_OPEN);
    fixture_forward(8 * SP_SECOND);
    at(1);
    ck_assert_int_eq(ask(), SP_PASS);
    ck_assert_int_eq(admission.permit.kind, SP_PERMIT_PROBE);
}
END_TEST

START_TEST(with_one_address_eject_never_stops_its_breaker)
{
    scoped();
    fx.guards.breaker.eject = 1000;
    failing(1, 3);
    ck_assert_int_eq(ask(), SP_REFUSED_BREAKER);
}
END_TEST

START_TEST(who_was_not_asked_about_for_long_counts_no_more)
{
    scoped();
    failing(1, 3);
    at(2);
    ck_assert_uint_eq(count().known, 2);
    fixture_forward(SP_ENDPOINT_IDLE - SP_SECOND);
    at(2);
    fixture_forward(SP_SECOND);
    ck_assert_uint_eq(count().known, 1);
    ck_assert_uint_eq(count().out, 0);
}
END_TEST

START_TEST(observe_only_counts)
{
    scoped();
    fx.guards.mode = SP_MODE_OBSERVE;
    failing(1, 3);
    ck_assert_int_eq(state(&at(1)->cell), SP_STATE_OPEN);
    ck_assert_int_eq(ask(), SP_PASS);
    ck_assert_int_eq(admission.permit.kind, SP_PERMIT_SHADOW);
}
END_TEST

/* None of our own refusals is evidence against the destination. */
START_TEST(rejections_feed_no_breaker)
{
    struct sp_endpoint *e;
    scoped();
    fx.guards.cap[SP_CAP_CONNECTIONS] = 1;
    e = at(1);
    ck_assert_int_eq(ask(), SP_PASS);
    for (int i = 0; i < 100; i++) {
        struct sp_admission more;
        ck_assert_int_eq(sp_order_admit(&fx.call, true, NULL, &more), SP_REFUSED_CAP);
    }
    ck_assert_int_eq(state(&e->cell), SP_STATE_CLOSED);
    ck_assert_uint_eq(atomic_load(&e->calls), 0);
    ck_assert_uint_eq(sp_breaker_unpack(atomic_load(&e->cell.word)).streak, 0);
}
END_TEST

Suite *suite_scope(void);
Suite *suite_scope(void)
{
    Suite *suite = suite_create("scope");
    TCase *tests = fixture_case(suite, "scope");
    tcase_add_test(tests, one_address_trips_and_the_others_go_on);
    tcase_add_test(tests, the_event_names_the_address);
    tcase_add_test(tests, calls_and_errors_of_an_address_are_counted);
    tcase_add_test(tests, a_window_is_that_of_the_address);
    tcase_add_test(tests, a_probe_brings_an_address_back);
    tcase_add_test(tests, an_operator_speaks_for_all_addresses);
    tcase_add_test(tests, a_tripped_destination_is_probed_as_a_whole);
    tcase_add_test(tests, what_finds_no_place_shares_the_breaker_of_the_destination);
    tcase_add_test(tests, a_permit_of_an_address_that_gave_up_its_place_only_counts);
    tcase_add_test(tests, eject_is_rounded_down_and_at_least_one);
    tcase_add_test(tests, when_more_are_out_than_may_be_all_are_let_through_without_a_vote);
    tcase_add_test(tests, with_one_address_eject_never_stops_its_breaker);
    tcase_add_test(tests, who_was_not_asked_about_for_long_counts_no_more);
    tcase_add_test(tests, observe_only_counts);
    tcase_add_test(tests, rejections_feed_no_breaker);
    return suite;
}
