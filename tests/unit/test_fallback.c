/* Where a connect goes instead: lines, figures, and what it is to the guards. */
#include "fixture.h"

#include "base/random.h"

#include <stdio.h>
#include <string.h>

static const char policy_text[] = "destination db\n"
                                  "    match 10.0.0.1:5432\n"
                                  "    breaker streak 2  open 1s\n"
                                  "    cap 4\n"
                                  "    limit 10/h\n"
                                  "    fallback 10.0.0.2:5432 when open\n"
                                  "    fallback dr.example.com:5432 when failed\n"
                                  "    fallback 10.0.0.3:5432\n";

static struct sp_admission admission;

static void begin(void)
{
    struct sp_error error;
    ck_assert_msg(sp_segment_apply(&fx.segment, fixture_policy(policy_text), &error) == 0, "%s",
                  error.text);
    ck_assert(sp_segment_guards(&fx.segment, fx.call.index, &fx.guards));
}

static void open_breaker(void)
{
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(sp_order_admit(&fx.call, true, NULL, &admission), SP_PASS);
        sp_order_settle(&fx.call, &admission.permit, true, SP_OUTCOME_REFUSED, SP_MS);
        sp_cap_release(&fx.call, &admission);
    }
}

static void figures(struct sp_figures *f)
{
    sp_count_sum(fx.call.dest, f);
}

START_TEST(lines_are_taken_in_order_for_their_occasion)
{
    struct sp_fallback line;
    uint32_t nth = 0;
    begin();
    ck_assert_uint_eq(fx.guards.fallback, SP_WHEN_ALL);
    ck_assert(sp_fallback_next(&fx.call, SP_WHEN_OPEN, &nth, &line));
    ck_assert_int_eq(line.kind, SP_FALLBACK_ADDRESS);
    ck_assert_int_eq(line.address.ip[3], 2);
    ck_assert(sp_fallback_next(&fx.call, SP_WHEN_OPEN, &nth, &line));
    ck_assert_int_eq(line.address.ip[3], 3);
    ck_assert(!sp_fallback_next(&fx.call, SP_WHEN_OPEN, &nth, &line));
    nth = 0;
    ck_assert(sp_fallback_next(&fx.call, SP_WHEN_FAILED, &nth, &line));
    ck_assert_int_eq(line.kind, SP_FALLBACK_NAME);
    ck_assert_uint_eq(line.hash, sp_hash("dr.example.com:5432", 19));
}
END_TEST

START_TEST(an_open_breaker_sends_connects_elsewhere_and_counts_no_refusal)
{
    static struct sp_figures f;
    begin();
    open_breaker();
    ck_assert_int_eq(sp_order_admit(&fx.call, true, NULL, &admission), SP_ELSEWHERE);
    ck_assert_int_eq(sp_order_admit(&fx.call, false, NULL, &admission), SP_REFUSED_BREAKER);
    figures(&f);
    ck_assert_uint_eq(f.rejected[SP_REFUSED_BREAKER - 1], 1); /* the exchange */
    sp_order_nowhere(&fx.call);
    figures(&f);
    ck_assert_uint_eq(f.rejected[SP_REFUSED_BREAKER - 1], 2);
}
END_TEST

START_TEST(half_open_without_a_place_for_a_probe_goes_elsewhere_too)
{
    begin();
    open_breaker();
    fixture_forward(2 * SP_SECOND);
    ck_assert_int_eq(sp_order_admit(&fx.call, true, NULL, &admission), SP_PASS); /* the probe */
    ck_assert_int_eq(admission.permit.kind, SP_PERMIT_PROBE);
    ck_assert_int_eq(sp_order_admit(&fx.call, true, NULL, &admission), SP_ELSEWHERE);
}
END_TEST

START_TEST(what_is_only_observed_or_reported_goes_nowhere)
{
    begin();
    open_breaker();
    fx.guards.mode = SP_MODE_OBSERVE;
    ck_assert_int_eq(sp_order_admit(&fx.call, true, NULL, &admission), SP_PASS);
    ck_assert_int_eq(admission.permit.kind, SP_PERMIT_SHADOW);
    fx.guards.mode = SP_MODE_ENFORCE;
    fx.guards.pass = 1;
    ck_assert_int_eq(sp_order_admit(&fx.call, true, NULL, &admission), SP_PASS);
}
END_TEST

START_TEST(on_a_fallback_nothing_is_voted_held_or_counted_with_the_rest)
{
    static struct sp_figures f;
    begin();
    uint64_t bucket = atomic_load(&fx.call.dest->bucket);
    for (int i = 0; i < 20; i++) { /* more than the cap, the limit and the streak allow */
        sp_order_aside(&fx.call, &admission);
        ck_assert_int_eq(admission.permit.kind, SP_PERMIT_ASIDE);
        ck_assert_uint_eq(admission.places[SP_CAP_CONNECTIONS], SP_NO_LEASE);
        sp_order_settle(&fx.call, &admission.permit, true, SP_OUTCOME_REFUSED, SP_MS);
        sp_order_settle(&fx.call, &admission.permit, false, SP_OUTCOME_OK, SP_MS);
        sp_order_undo(&fx.call, &admission.permit);
        sp_order_told(&fx.call, &admission.permit, SP_OUTCOME_EOF);
    }
    figures(&f);
    ck_assert_uint_eq(f.connects[SP_OUTCOME_REFUSED] + f.exchanges[SP_OUTCOME_OK], 0);
    ck_assert_uint_eq(f.fallback[1][SP_OUTCOME_REFUSED], 20);
    ck_assert_uint_eq(f.fallback[0][SP_OUTCOME_OK], 20);
    ck_assert_uint_eq(f.fallback[0][SP_OUTCOME_EOF], 20);
    ck_assert_uint_eq(f.last_success, 0);
    ck_assert_uint_eq(atomic_load(&fx.call.dest->bucket), bucket);
    ck_assert_int_eq(sp_order_admit(&fx.call, true, NULL, &admission), SP_PASS);
}
END_TEST

START_TEST(a_spell_has_one_event_and_a_figure_for_each_line)
{
    static struct sp_figures f;
    struct sp_fallback line;
    uint32_t nth = 0;
    begin();
    open_breaker();
    ck_assert(sp_fallback_next(&fx.call, SP_WHEN_OPEN, &nth, &line));
    for (int i = 0; i < 3; i++)
        sp_fallback_taken(&fx.call, &line);
    ck_assert_uint_eq(fixture_events(SP_EVENT_FALLBACK), 1);
    ck_assert(sp_fallback_next(&fx.call, SP_WHEN_OPEN, &nth, &line));
    sp_fallback_taken(&fx.call, &line);
    ck_assert_uint_eq(fixture_events(SP_EVENT_FALLBACK), 2);
    figures(&f);
    ck_assert_uint_eq(f.diverted, 4);
    fixture_forward(2 * SP_SECOND); /* a probe fails: the same spell */
    ck_assert_int_eq(sp_order_admit(&fx.call, true, NULL, &admission), SP_PASS);
    sp_order_settle(&fx.call, &admission.permit, true, SP_OUTCOME_REFUSED, SP_MS);
    sp_fallback_taken(&fx.call, &line);
    ck_assert_uint_eq(fixture_events(SP_EVENT_FALLBACK), 2);
    sp_breaker_reset(&fx.call);
    fixture_forward(SP_SECOND);
    sp_cap_release(&fx.call, &admission);
    open_breaker();
    fixture_forward(SP_MS);
    sp_fallback_taken(&fx.call, &line);
    ck_assert_uint_eq(fixture_events(SP_EVENT_FALLBACK), 3);
}
END_TEST

START_TEST(a_target_is_what_its_name_was_looked_up_as)
{
    struct sp_addr addresses[6] = {{.family = SP_FAMILY_IPV4, .port = 80, .ip = {10, 0, 0, 9}}},
                   out[4];
    uint64_t hash = sp_hash("dr.example.com:80", 17), when = 0;
    ck_assert_uint_eq(sp_target_get(&fx.segment, hash, out, &when), 0);
    sp_target_put(&fx.segment, "dr.example.com:80", addresses, 1);
    ck_assert_uint_eq(sp_target_get(&fx.segment, hash, out, &when), 1);
    ck_assert(memcmp(&out[0], &addresses[0], sizeof out[0]) == 0);
    ck_assert_uint_gt(when, 0);
    for (int i = 1; i < 6; i++)
        addresses[i] = addresses[0];
    sp_target_put(&fx.segment, "dr.example.com:80", addresses, 6);
    ck_assert_uint_eq(sp_target_get(&fx.segment, hash, out, NULL), SP_TARGET_ADDRESSES);
    ck_assert_uint_eq(sp_target_get(&fx.segment, 0, out, NULL), 0);
}
END_TEST

START_TEST(the_oldest_target_makes_room)
{
    struct sp_addr address = {.family = SP_FAMILY_IPV6, .port = 1}, out[4];
    char text[32];
    for (unsigned i = 0; i <= SP_TARGETS; i++) {
        snprintf(text, sizeof text, "h%u.example.com:80", i);
        sp_target_put(&fx.segment, text, &address, 1);
    }
    ck_assert_uint_eq(sp_target_get(&fx.segment, sp_hash("h0.example.com:80", 17), out, NULL), 0);
    ck_assert_uint_eq(sp_target_get(&fx.segment, sp_hash(text, strlen(text)), out, NULL), 1);
}
END_TEST

START_TEST(nobody_answers_until_somebody_does)
{
    struct sp_addr out[SP_REPLY_ADDRESSES];
    atomic_store(&fx.call.dest->reply, 4242u | 4343u << 16);
    ck_assert_uint_eq(sp_reply_get(&fx.segment, fx.call.index, out), 0);
    ck_assert_uint_eq(sp_reply_get(&fx.segment, UINT32_MAX, out), 0);
}
END_TEST

Suite *suite_fallback(void);
Suite *suite_fallback(void)
{
    Suite *suite = suite_create("fallback");
    TCase *c = fixture_case(suite, "fallback");
    tcase_add_test(c, lines_are_taken_in_order_for_their_occasion);
    tcase_add_test(c, an_open_breaker_sends_connects_elsewhere_and_counts_no_refusal);
    tcase_add_test(c, half_open_without_a_place_for_a_probe_goes_elsewhere_too);
    tcase_add_test(c, what_is_only_observed_or_reported_goes_nowhere);
    tcase_add_test(c, on_a_fallback_nothing_is_voted_held_or_counted_with_the_rest);
    tcase_add_test(c, a_spell_has_one_event_and_a_figure_for_each_line);
    tcase_add_test(c, a_target_is_what_its_name_was_looked_up_as);
    tcase_add_test(c, the_oldest_target_makes_room);
    tcase_add_test(c, nobody_answers_until_somebody_does);
    return suite;
}
