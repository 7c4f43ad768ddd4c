/* Retries: which line counts, when the next try is, and the budget over all processes. */
#include "fixture.h"

#include <sched.h>
#include <unistd.h>

static struct sp_retry retry;
static uint64_t at;

static void line(unsigned i, uint16_t tries, uint64_t min, uint64_t max, uint32_t on)
{
    fx.guards.retry[i] =
        (struct sp_retry_policy){.on = on, .tries = tries, .backoff_min = min, .backoff_max = max};
}

static void begins(void)
{
    sp_retry_call(&fx.call);
    sp_retry_begin(&fx.call, &retry, fx.call.now);
}

static bool again(enum sp_outcome outcome)
{
    return sp_retry_next(&fx.call, &retry, outcome, &at);
}

static uint64_t counted(enum sp_retried how)
{
    struct sp_figures figures;
    sp_count_sum(fx.call.dest, &figures);
    return figures.retried[how];
}

/* How many calls out of `calls`, which fail to the last, are tried again how often altogether. */
static unsigned storm(unsigned calls)
{
    unsigned tries = 0;
    while (calls-- > 0) {
        begins();
        while (again(SP_OUTCOME_REFUSED))
            tries++;
    }
    return tries;
}

START_TEST(the_first_line_that_names_the_outcome_counts)
{
    line(0, 2, SP_MS, SP_MS, SP_OUTCOME_BIT(REFUSED));
    line(1, 1, SP_MS, SP_MS, SP_OUTCOME_BIT(CONNECT_TIMEOUT) | SP_OUTCOME_BIT(REFUSED));
    ck_assert(sp_retry_wanted(&fx.guards));
    begins();
    ck_assert(again(SP_OUTCOME_REFUSED) && again(SP_OUTCOME_REFUSED));
    ck_assert(!again(SP_OUTCOME_REFUSED));
    ck_assert_uint_eq(retry.end, SP_RETRY_TRIES);
    begins();
    ck_assert(again(SP_OUTCOME_CONNECT_TIMEOUT) && !again(SP_OUTCOME_CONNECT_TIMEOUT));
    fixture_forward(SP_SECOND);
    begins(); /* the number is for all tries of a call together */
    ck_assert(again(SP_OUTCOME_REFUSED) && !again(SP_OUTCOME_CONNECT_TIMEOUT));
    begins();
    ck_assert(!again(SP_OUTCOME_UNREACHABLE));
    ck_assert_uint_eq(retry.end, SP_RETRY_UNNAMED);
}
END_TEST

START_TEST(only_what_is_enforced_is_tried_again)
{
    line(0, 2, SP_MS, SP_MS, SP_OUTCOME_BIT(REFUSED));
    fx.guards.mode = SP_MODE_OBSERVE;
    begins();
    ck_assert(!sp_retry_wanted(&fx.guards) && !again(SP_OUTCOME_REFUSED));
}
END_TEST

START_TEST(our_own_refusals_never_are)
{
    line(0, 2, SP_MS, SP_MS, UINT32_MAX);
    begins();
    for (int o = SP_OUTCOME_REJECTED_BREAKER; o <= SP_OUTCOME_COUNT; o++)
        ck_assert(!again((enum sp_outcome)o));
}
END_TEST

/* Any part of a backoff that doubles up to its most. */
START_TEST(full_jitter)
{
    static const uint64_t most[] = {50, 100, 200, 300, 300};
    uint64_t low[5] = {SP_NEVER, SP_NEVER, SP_NEVER, SP_NEVER, SP_NEVER}, high[5] = {0};

    line(0, 5, 50 * SP_MS, 300 * SP_MS, SP_OUTCOME_BIT(REFUSED));
    for (unsigned i = 0; i < 400; i++) {
        fixture_forward(60 * SP_SECOND);
        fx.call.random = i * UINT64_C(0x9e3779b97f4a7c15);
        begins();
        for (unsigned t = 0; t < 5; t++) {
            ck_assert(again(SP_OUTCOME_REFUSED));
            uint64_t wait = at - fx.call.now;
            low[t] = wait < low[t] ? wait : low[t];
            high[t] = wait > high[t] ? wait : high[t];
        }
    }
    for (unsigned t = 0; t < 5; t++) {
        ck_assert_uint_le(high[t], most[t] * SP_MS);
        ck_assert_uint_gt(high[t], most[t] * SP_MS * 9 / 10);
        ck_assert_uint_lt(low[t], most[t] * SP_MS / 10);
    }
}
END_TEST

START_TEST(within_the_total_deadline)
{
    line(0, 5, SP_SECOND, SP_SECOND, SP_OUTCOME_BIT(REFUSED));
    fx.guards.deadline[SP_DEADLINE_TOTAL] = 2 * SP_SECOND;
    begins();
    fixture_forward(SP_SECOND - SP_MS);
    ck_assert(again(SP_OUTCOME_REFUSED));
    fixture_forward(SP_SECOND + 2 * SP_MS);
    ck_assert(!again(SP_OUTCOME_REFUSED));
    ck_assert_uint_eq(retry.end, SP_RETRY_TIME);
}
END_TEST

START_TEST(a_fifth_of_the_calls_and_no_more)
{
    line(0, 2, SP_MS, SP_MS, SP_OUTCOME_BIT(REFUSED));
    ck_assert_uint_eq(storm(1000), 200);
    ck_assert_uint_eq(counted(SP_RETRIED_OVER_BUDGET), 999); /* one had both of its tries */
    fx.guards.retry_budget = 5000;
    ck_assert_uint_eq(storm(1000), 800);
}
END_TEST

START_TEST(few_calls_are_not_short_of_their_tries)
{
    line(0, 2, SP_MS, SP_MS, SP_OUTCOME_BIT(REFUSED));
    ck_assert_uint_eq(storm(2), 3);
    fixture_forward(SP_SECOND);
    ck_assert_uint_eq(storm(1), 2);
    fixture_forward(SP_SECOND);
    fx.guards.retry[0].tries = 7;
    ck_assert_uint_eq(storm(1), 7);
}
END_TEST

START_TEST(what_was_is_forgotten)
{
    line(0, 2, SP_MS, SP_MS, SP_OUTCOME_BIT(REFUSED));
    for (unsigned i = 0; i < 500; i++)
        begins(); /* which did well */
    ck_assert_uint_eq(storm(40), 80);
    fixture_forward(9 * SP_SECOND);
    ck_assert_uint_eq(storm(40), 36); /* 20 % of 580, but for the 80 */
    fixture_forward(11 * SP_SECOND);
    ck_assert_uint_eq(storm(10), 3);
}
END_TEST

/* Buckets of a time that is not, or filled up by a mad writer, lead to wrong numbers at most. */
START_TEST(noise_in_the_budget)
{
    line(0, 2, SP_MS, SP_MS, SP_OUTCOME_BIT(REFUSED));
    for (uint64_t seed = 1; seed < 200; seed++) {
        fixture_noise((void *)fx.call.dest->retries, sizeof fx.call.dest->retries, seed);
        fixture_noise((void *)&fx.call.dest->retry_told, sizeof fx.call.dest->retry_told, seed);
        fixture_forward(SP_SECOND);
        ck_assert_uint_le(storm(5), 10);
    }
    fixture_forward(20 * SP_SECOND);
    memset((void *)fx.call.dest->retries, 0xff, sizeof fx.call.dest->retries);
    ck_assert_uint_eq(storm(10), 3);
}
END_TEST

/* Each of many processes asks; some die at any point. */
static int storms(void *context)
{
    _Atomic unsigned *tries = context;
    for (unsigned i = 0; i < 1000; i++)
        atomic_fetch_add(tries, storm(1));
    return 0;
}

START_TEST(over_all_processes)
{
    _Atomic unsigned *tries = fixture_shared(sizeof *tries);
    pid_t children[8];

    line(0, 2, SP_MS, SP_MS, SP_OUTCOME_BIT(REFUSED));
    for (unsigned i = 0; i < 8; i++)
        children[i] = fixture_fork(storms, (void *)tries);
    for (unsigned i = 0; i < 8; i++)
        ck_assert_int_eq(fixture_end(children[i]), 0);
    ck_assert_uint_le(atomic_load(tries), 1600);
    ck_assert_uint_ge(atomic_load(tries), 1590);
}
END_TEST

static int storms_long(void *context)
{
    _Atomic unsigned *tries = context;
    for (unsigned i = 0; i < 100000; i++) { /* a bucket counts a million */
        begins();
        atomic_fetch_add(&tries[0], 1);
        while (again(SP_OUTCOME_REFUSED))
            atomic_fetch_add(&tries[1], 1);
    }
    pause();
    return 0;
}

/* A victim dies between its step and the test's note of it at worst: once each. */
START_TEST(killed_anywhere)
{
    _Atomic unsigned *tries = fixture_shared(2 * sizeof *tries);
    enum { KILLS = 200 };

    line(0, 2, SP_MS, SP_MS, SP_OUTCOME_BIT(REFUSED));
    for (unsigned i = 0; i < KILLS; i++) {
        unsigned before = atomic_load(&tries[0]);
        fixture_forward(11 * SP_SECOND); /* the victim's clock stands: a bucket of its own */
        pid_t child = fixture_fork(storms_long, (void *)tries);
        while (atomic_load(&tries[0]) < before + 100 + i)
            sched_yield();
        fixture_kill(child);
    }
    uint64_t calls = atomic_load(&tries[0]), made = atomic_load(&tries[1]);
    ck_assert_uint_le(made, calls / 5 + 4 * KILLS);
    ck_assert_uint_ge(made + KILLS, calls / 5);
    begins(); /* nobody is locked out, and nothing is left that would have to be given back */
    fixture_forward(SP_SECOND);
    ck_assert(again(SP_OUTCOME_REFUSED));
}
END_TEST

START_TEST(the_story)
{
    struct sp_event event;
    uint64_t sequence;

    line(0, 2, SP_MS, SP_MS, SP_OUTCOME_BIT(REFUSED) | SP_OUTCOME_BIT(CONNECT_TIMEOUT));
    begins();
    again(SP_OUTCOME_REFUSED);
    fixture_forward(120 * SP_MS);
    again(SP_OUTCOME_CONNECT_TIMEOUT);
    again(SP_OUTCOME_REFUSED);
    ck_assert_uint_eq(fixture_events(SP_EVENT_RETRY), 1);
    sequence = sp_event_last(&fx.segment);
    ck_assert_int_eq(sp_event_read(&fx.segment, &sequence, &event), 1);
    ck_assert_uint_eq(event.reason, SP_RETRY_TRIES);
    ck_assert_uint_eq(event.a, 3);
    ck_assert_uint_eq(event.b, 120 * SP_MS);
    ck_assert_str_eq(event.text, "2 refused, 1 connect_timeout");
    ck_assert_str_eq(event.destination, "db");
    storm(41);
    ck_assert_uint_eq(fixture_events(SP_EVENT_RETRY), 1);
    fixture_forward(SP_SECOND);
    storm(1);
    ck_assert_uint_eq(fixture_events(SP_EVENT_RETRY), 2);
    sequence = sp_event_last(&fx.segment);
    sp_event_read(&fx.segment, &sequence, &event);
    ck_assert_msg(strstr(event.text, "; 41 others too") != NULL, "%s", event.text);
}
END_TEST

START_TEST(a_success_is_counted_and_tells_nothing)
{
    line(0, 2, SP_MS, SP_MS, SP_OUTCOME_BIT(REFUSED));
    begins();
    sp_retry_succeeded(&fx.call, &retry);
    ck_assert_uint_eq(counted(SP_RETRIED_OK), 0);
    again(SP_OUTCOME_REFUSED);
    again(SP_OUTCOME_REFUSED);
    sp_retry_succeeded(&fx.call, &retry);
    ck_assert_uint_eq(counted(SP_RETRIED_OK), 1);
    ck_assert_uint_eq(counted(SP_RETRIED_FAILED), 1);
    ck_assert_uint_eq(fixture_events(SP_EVENT_RETRY), 0);
}
END_TEST

Suite *suite_retry(void);
Suite *suite_retry(void)
{
    Suite *suite = suite_create("retry");
    TCase *tests = fixture_case(suite, "retry");

    tcase_add_test(tests, the_first_line_that_names_the_outcome_counts);
    tcase_add_test(tests, only_what_is_enforced_is_tried_again);
    tcase_add_test(tests, our_own_refusals_never_are);
    tcase_add_test(tests, full_jitter);
    tcase_add_test(tests, within_the_total_deadline);
    tcase_add_test(tests, a_fifth_of_the_calls_and_no_more);
    tcase_add_test(tests, few_calls_are_not_short_of_their_tries);
    tcase_add_test(tests, what_was_is_forgotten);
    tcase_add_test(tests, noise_in_the_budget);
    tcase_add_test(tests, over_all_processes);
    tcase_add_test(tests, killed_anywhere);
    tcase_add_test(tests, the_story);
    tcase_add_test(tests, a_success_is_counted_and_tells_nothing);
    return suite;
}
