#include "policy_room.h"
#include "shearpin/guard.h"

#include <stdlib.h>

/* --- the grammar --- */

static const struct {
    const char *text, *shown;
    enum sp_measure measure;
    unsigned above;
    uint64_t limit, window;
} good[] = {
    {"p95 < 500ms for 5m", NULL, SP_MEASURE_P95, 0, 500 * SP_MS, 300 * SP_SECOND},
    {"p99.9 < 2s", NULL, SP_MEASURE_P999, 0, 2 * SP_SECOND, 0},
    {"errors < 1% for 1m", NULL, SP_MEASURE_ERRORS, 0, 100, 60 * SP_SECOND},
    {"errors>10% for 30s", "errors > 10% for 30s", SP_MEASURE_ERRORS, 1, 1000, 30 * SP_SECOND},
    {"  timeouts <0.5%  for 1d ", "timeouts < 0.5% for 1d", SP_MEASURE_TIMEOUTS, 0, 50,
     86400 * SP_SECOND},
    {"refused > 0%", NULL, SP_MEASURE_REFUSED, 1, 0, 0},
    {"rps > 50 for 10s", NULL, SP_MEASURE_RPS, 1, 50, 10 * SP_SECOND},
};

START_TEST(a_condition_is_shown_as_it_was_written)
{
    struct sp_condition c;
    struct sp_error error = {0};
    char text[64];
    ck_assert_msg(sp_condition_parse(good[_i].text, strlen(good[_i].text), &c, &error) == 0, "%s",
                  error.text);
    ck_assert_int_eq(c.measure, good[_i].measure);
    ck_assert_int_eq(c.above, good[_i].above);
    ck_assert_uint_eq(c.limit, good[_i].limit);
    ck_assert_uint_eq(c.window, good[_i].window);
    sp_condition_format(&c, text, sizeof text);
    ck_assert_str_eq(text, good[_i].shown ? good[_i].shown : good[_i].text);
}
END_TEST

static const struct {
    const char *text, *error;
} bad[] = {
    {"", "a condition is missing (p95 < 500ms for 5m)"},
    {"p96 < 1s", "unknown measure 'p96' (possible here: p50 p75 p90 p95 p99 p99.9 errors timeouts "
                 "refused rps)"},
    {"timeout < 1%", "unknown measure 'timeout' (did you mean 'timeouts'?)"},
    {"p95", "'<' or '>' belongs behind the measure (p95 < 500ms for 5m)"},
    {"p95 500ms", "'<' or '>' belongs behind the measure (p95 < 500ms for 5m)"},
    {"p95 <= 500ms", "'=' is no limit of p95 (a time above 0: 250ms, 2s)"},
    {"p95 <", "a limit is missing (a time above 0: 250ms, 2s)"},
    {"p95 < 500", "'500' is no limit of p95 (a time above 0: 250ms, 2s)"},
    {"p95 < 0s", "'0s' is no limit of p95 (a time above 0: 250ms, 2s)"},
    {"errors < 101%", "'101%' is no limit of errors (a share: 1%, 0.5%)"},
    {"errors < 0%", "'0%' is no limit of errors (a share: 1%, 0.5%)"},
    {"rps > 5/s", "'5/s' is no limit of rps (calls in a second: 50)"},
    {"rps > 5 in 5m", "'for' and a time are all that may follow (p95 < 500ms for 5m)"},
    {"rps > 5 for", "'for' needs a time of 1s to 1d (p95 < 500ms for 5m)"},
    {"rps > 5 for 100ms", "'for' needs a time of 1s to 1d (p95 < 500ms for 5m)"},
    {"rps > 5 for 5s now", "nothing may follow (p95 < 500ms for 5m)"},
};

START_TEST(what_is_no_condition_is_told_why)
{
    struct sp_condition c;
    struct sp_error error;
    /* it ends where the condition does: a byte more is another's */
    size_t length = strlen(bad[_i].text);
    char *exact = malloc(length ? length : 1);
    memcpy(exact, bad[_i].text, length);
    ck_assert_int_eq(sp_condition_parse(exact, length, &c, &error), -1);
    free(exact);
    ck_assert_str_eq(error.text, bad[_i].error);
}
END_TEST

START_TEST(a_destination_has_its_own_conditions_or_those_of_defaults)
{
    const struct sp_policy *p = room_policy("defaults\n  slo errors < 1% for 5m\n"
                                            "destination a\n  match a:1\n"
                                            "destination b\n  match b:1\n"
                                            "  slo p95 < 1s for 1m\n  slo rps > 1 for 30s\n"
                                            "destination c\n  match c:1\n  slo off\n");
    const struct sp_row *a = sp_policy_row(p, 0), *b = sp_policy_row(p, 1);
    ck_assert_int_eq(a->slo_count, 1);
    ck_assert_int_eq(sp_policy_condition(p, a->slo_first)->measure, SP_MEASURE_ERRORS);
    ck_assert_int_eq(b->slo_count, 2);
    ck_assert_int_eq(sp_policy_condition(p, b->slo_first)->measure, SP_MEASURE_P95);
    ck_assert_int_eq(sp_policy_condition(p, b->slo_first + 1u)->line, 8);
    ck_assert_int_eq(sp_policy_row(p, 2)->slo_count, 0);
    ck_assert_uint_eq(sp_policy_row(p, 2)->guards.moment, 0);
    ck_assert_uint_eq(a->guards.moment, 10000); /* 5m in thirty steps */
    ck_assert_uint_eq(b->guards.moment, 2000);
}
END_TEST

/* --- judging --- */

static struct sp_span span;

static struct sp_measured judge(const char *text)
{
    struct sp_condition c;
    struct sp_measured m;
    ck_assert_int_eq(sp_condition_parse(text, strlen(text), &c, NULL), 0);
    sp_measure(&c, &span, &m);
    return m;
}

static void answers(unsigned count, uint64_t took)
{
    span.calls += count;
    span.times[sp_bin_of(took)] += count;
}

START_TEST(a_percentile_is_kept_while_its_tail_is_not_longer_than_it_may_be)
{
    span = (struct sp_span){.time = SP_SECOND};
    answers(95, 100 * SP_MS);
    answers(5, 700 * SP_MS);
    ck_assert_int_eq(judge("p95 < 500ms").verdict, SP_MEASURED_HOLDS);
    ck_assert_int_eq(judge("p99 < 500ms").verdict, SP_MEASURED_BROKEN);
    answers(1, 700 * SP_MS);
    struct sp_measured m = judge("p95 < 500ms");
    ck_assert_int_eq(m.verdict, SP_MEASURED_BROKEN);
    ck_assert_uint_eq(m.calls, 101);
    ck_assert_uint_eq(m.wrong, 6);
    ck_assert_uint_ge(m.value, 700 * SP_MS);
}
END_TEST

START_TEST(what_timed_out_took_longer_than_every_answer)
{
    span = (struct sp_span){.time = SP_SECOND, .timeouts = 10, .errors = 10, .calls = 10};
    answers(90, 100 * SP_MS);
    struct sp_measured m = judge("p95 < 10m");
    ck_assert_int_eq(m.verdict, SP_MEASURED_BROKEN);
    ck_assert_uint_eq(m.value, SP_NEVER);
    ck_assert_uint_eq(m.calls, 100);
    ck_assert_int_eq(judge("p90 < 500ms").verdict, SP_MEASURED_HOLDS);
    ck_assert_int_eq(judge("timeouts < 10%").verdict, SP_MEASURED_BROKEN); /* it is not below */
    ck_assert_int_eq(judge("timeouts < 11%").verdict, SP_MEASURED_HOLDS);
    ck_assert_uint_eq(judge("timeouts < 11%").value, 1000);
}
END_TEST

START_TEST(too_few_calls_tell_nothing_until_they_have_told)
{
    span = (struct sp_span){.time = SP_SECOND};
    ck_assert_int_eq(judge("p95 < 500ms").verdict, SP_MEASURED_FEW);
    ck_assert_int_eq(judge("errors < 1%").verdict, SP_MEASURED_FEW);
    ck_assert_uint_eq(judge("p95 < 500ms").needed, 20);
    ck_assert_uint_eq(judge("p99.9 < 500ms").needed, 1000);
    ck_assert_uint_eq(judge("errors < 1%").needed, 100);
    ck_assert_uint_eq(judge("errors < 3%").needed, 34);
    answers(18, SP_MS);
    answers(1, SP_SECOND);
    ck_assert_int_eq(judge("p95 < 500ms").verdict, SP_MEASURED_FEW);
    answers(1, SP_MS);
    ck_assert_int_eq(judge("p95 < 500ms").verdict, SP_MEASURED_HOLDS);
    span = (struct sp_span){.time = SP_SECOND};
    answers(2, SP_SECOND); /* twenty calls may hold one such */
    ck_assert_int_eq(judge("p95 < 500ms").verdict, SP_MEASURED_BROKEN);
    ck_assert_int_eq(judge("p95 > 500ms").verdict, SP_MEASURED_FEW); /* an abort waits */
}
END_TEST

START_TEST(no_calls_are_none_in_a_second)
{
    span = (struct sp_span){.time = 0};
    ck_assert_int_eq(judge("rps > 1").verdict, SP_MEASURED_FEW);
    span = (struct sp_span){.time = 2 * SP_SECOND};
    ck_assert_int_eq(judge("rps > 1").verdict, SP_MEASURED_BROKEN);
    answers(101, SP_MS);
    ck_assert_uint_eq(judge("rps > 49").value, 50);
    ck_assert_int_eq(judge("rps > 49").verdict, SP_MEASURED_HOLDS);
    ck_assert_int_eq(judge("rps < 50").verdict, SP_MEASURED_BROKEN);
}
END_TEST

START_TEST(what_was_refused_is_no_error)
{
    span = (struct sp_span){.time = SP_SECOND, .refused = 50};
    answers(150, SP_MS);
    ck_assert_int_eq(judge("errors < 1%").verdict, SP_MEASURED_HOLDS);
    ck_assert_uint_eq(judge("refused < 30%").value, 2500);
    ck_assert_uint_eq(judge("refused < 30%").calls, 200);
}
END_TEST

Suite *suite_condition(void)
{
    Suite *suite = suite_create("condition");
    TCase *grammar = tcase_create("grammar"), *judging = tcase_create("judging");
    tcase_add_loop_test(grammar, a_condition_is_shown_as_it_was_written, 0,
                        sizeof good / sizeof *good);
    tcase_add_loop_test(grammar, what_is_no_condition_is_told_why, 0, sizeof bad / sizeof *bad);
    tcase_add_test(grammar, a_destination_has_its_own_conditions_or_those_of_defaults);
    suite_add_tcase(suite, grammar);
    tcase_add_test(judging, a_percentile_is_kept_while_its_tail_is_not_longer_than_it_may_be);
    tcase_add_test(judging, what_timed_out_took_longer_than_every_answer);
    tcase_add_test(judging, too_few_calls_tell_nothing_until_they_have_told);
    tcase_add_test(judging, no_calls_are_none_in_a_second);
    tcase_add_test(judging, what_was_refused_is_no_error);
    suite_add_tcase(suite, judging);
    return suite;
}
