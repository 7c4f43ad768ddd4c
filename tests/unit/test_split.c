/* Arms: the share of each is kept within 0.5 % over 10,000 connections, with all of them able and
 * with one out; who keeps its arm when another goes; what an arm knows of its calls and of the
 * connections that stand on it. */
#include "fixture.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/random.h"
#include "shearpin/split.h"

#define CONNECTIONS 10000

static void tell(const uint16_t *shares, uint32_t able, unsigned workers, unsigned *hits)
{
    memset(hits, 0, SP_ARMS_MAX * sizeof *hits);
    for (unsigned i = 0; i < CONNECTIONS; i += workers) {
        int arm = sp_split_pick(shares, 0xff, able, sp_split_point(i));
        ck_assert_int_ge(arm, 0);
        hits[arm] += workers;
    }
}

static void expect_shares(const uint16_t *shares, uint32_t able, unsigned workers)
{
    unsigned hits[SP_ARMS_MAX], total = 0;
    tell(shares, able, workers, hits);
    for (unsigned i = 0; i < SP_ARMS_MAX; i++)
        total += able >> i & 1 ? shares[i] : 0;
    for (unsigned i = 0; i < SP_ARMS_MAX; i++) {
        double expected = able >> i & 1 ? (double)shares[i] / total : 0;
        double off = (double)hits[i] / CONNECTIONS - expected;
        ck_assert_msg(off < 0.005 && off > -0.005, "arm %u of %x: %u of %d, not %.4f", i, able,
                      hits[i], CONNECTIONS, expected);
    }
}

static const uint16_t several[][SP_ARMS_MAX] = {
    {10000},
    {5000, 5000},
    {9500, 500},
    {1, 9999},
    {7500, 2500},
    {3333, 3333, 3334},
    {100, 200, 300, 400, 9000},
    {1250, 1250, 1250, 1250, 1250, 1250, 1250, 1250},
    {0, 10000},
    {1234, 4321, 45, 4400},
};
#define SEVERAL (sizeof several / sizeof *several)

START_TEST(each_arm_has_its_share)
{
    for (size_t i = 0; i < SEVERAL; i++)
        expect_shares(several[i], 0xff, 1);
}
END_TEST

/* Whoever connects in turn with others has a share of its own: 2 to 40 workers. */
START_TEST(so_has_each_of_the_workers)
{
    unsigned hits[SP_ARMS_MAX];
    for (unsigned workers = 2; workers <= 40; workers++) {
        tell(several[4], 0xff, workers, hits);
        double share = (double)hits[1] / (hits[0] + hits[1]);
        ck_assert_msg(share > 0.15 && share < 0.35, "one of %u workers: %.3f", workers, share);
    }
}
END_TEST

START_TEST(an_arm_that_is_out_gives_its_share_to_the_others)
{
    for (size_t i = 0; i < SEVERAL; i++) {
        for (unsigned out = 0; out < SP_ARMS_MAX; out++) {
            uint32_t able = 0xffu & ~(1u << out);
            if (several[i][out] != 0 && several[i][out] != SP_SHARE_ALL)
                expect_shares(several[i], able, 1);
        }
    }
    expect_shares(several[7], 0x55, 1);
}
END_TEST

START_TEST(the_others_keep_what_they_had)
{
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        uint32_t point = sp_split_point(i);
        int before = sp_split_pick(several[6], 0xff, 0xff, point);
        int after = sp_split_pick(several[6], 0xff, 0xff & ~(1u << 4), point);
        ck_assert(before == 4 ? after >= 0 && after < 4 : after == before);
    }
}
END_TEST

/* Who has gone over does not come back as the shares go on: two arms, 0 to 100 %. */
START_TEST(a_larger_share_takes_the_same_and_more)
{
    for (unsigned i = 0; i < CONNECTIONS; i += 7) {
        bool over = false;
        for (uint16_t green = 0; green <= SP_SHARE_ALL; green += 100) {
            uint16_t shares[SP_ARMS_MAX] = {(uint16_t)(SP_SHARE_ALL - green), green};
            bool now = sp_split_pick(shares, 3, 3, sp_split_point(i)) == 1;
            ck_assert(now || !over);
            over = now;
        }
        ck_assert(over);
    }
}
END_TEST

START_TEST(without_a_share_there_is_none)
{
    static const uint16_t shares[SP_ARMS_MAX] = {0, SP_SHARE_ALL};
    ck_assert_int_eq(sp_split_pick(shares, 3, 1, 77), -1);
    ck_assert_int_eq(sp_split_pick(shares, 3, 0, 77), -1);
    ck_assert_int_eq(sp_split_pick(shares, 0, 0, 77), -1);
    ck_assert_int_eq(sp_split_pick(shares, 1, 3, 77), -1);
    ck_assert_int_eq(sp_split_pick(shares, 3, 2, UINT32_MAX), 1);
}
END_TEST

/* Whatever stands in a damaged segment. */
START_TEST(any_numbers_lead_to_an_arm_or_none)
{
    uint64_t seed = 1;
    for (int i = 0; i < 20000; i++) {
        uint16_t shares[SP_ARMS_MAX];
        for (unsigned a = 0; a < SP_ARMS_MAX; a++)
            shares[a] = (uint16_t)(seed = sp_mix(seed + 1));
        uint32_t all = (uint32_t)(seed >> 16), able = (uint32_t)(seed >> 24);
        int arm = sp_split_pick(shares, all, able, (uint32_t)(seed >> 32));
        ck_assert_int_ge(arm, -1);
        ck_assert_int_lt(arm, (int)SP_ARMS_MAX);
    }
}
END_TEST

/* --- in the segment --- */

#define ARMS                                                    \
    "destination db\n match *\n breaker streak 2 open 1s..1s\n" \
    " split 10.0.0.1:1 share 75% as blue\n split 10.0.0.2:1 share 25% as green\n"

static void apply(const char *text)
{
    struct sp_error error;
    int result = sp_segment_apply(&fx.segment, fixture_policy(text), &error);
    ck_assert_msg(result == 0, "%s", error.text);
    sp_segment_guards(&fx.segment, fx.call.index, &fx.guards);
}

static struct sp_arm *go(const char *name)
{
    fx.call.arm = sp_arm_named(&fx.segment, fx.call.index, name);
    fx.call.endpoint = fx.call.arm ? &fx.call.arm->endpoint : NULL;
    return fx.call.arm;
}

START_TEST(arms_have_places_that_outlive_a_reload)
{
    struct sp_arm_policy lines[SP_ARMS_MAX];
    apply(ARMS);
    ck_assert_uint_eq(sp_arm_lines(&fx.segment, fx.call.index, lines), 2);
    ck_assert_str_eq(lines[1].name, "green");
    struct sp_arm *blue = go("blue"), *green = go("green");
    ck_assert_ptr_nonnull(blue);
    ck_assert_ptr_eq(green, sp_arm_at(&fx.segment, fx.call.index, lines[1].place));
    ck_assert_ptr_null(sp_arm_at(&fx.segment, fx.call.index + 1, lines[1].place));
    sp_count(&blue->taken, 7);
    apply("destination db\n match *\n split 10.0.0.9:1 share 50% as red\n"
          " split 10.0.0.1:1 share 50% as blue\n");
    ck_assert_ptr_eq(go("blue"), blue);
    ck_assert_uint_eq(atomic_load(&blue->taken), 7);
    ck_assert_uint_eq(sp_arm_lines(&fx.segment, fx.call.index, lines), 2);
    ck_assert_ptr_ne(sp_arm_at(&fx.segment, fx.call.index, lines[0].place), blue);
    apply("destination db\n match *\n");
    ck_assert_uint_eq(sp_arm_lines(&fx.segment, fx.call.index, lines), 0);
}
END_TEST

START_TEST(too_many_arms_change_nothing)
{
    char text[600] = "destination db\n match *\n";
    struct sp_error error;
    for (int i = 0; i < 8; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text),
                 " split 10.0.1.%d:1 share 12.5%%\n", i);
    apply(ARMS);
    ck_assert_int_eq(sp_segment_apply(&fx.segment, fixture_policy(text), &error), -1);
    ck_assert_int_eq(error.code, ENOSPC);
    ck_assert_ptr_nonnull(go("blue"));
}
END_TEST

static enum sp_verdict call(enum sp_outcome outcome)
{
    struct sp_admission admission;
    enum sp_verdict verdict = sp_order_admit(&fx.call, true, NULL, &admission);
    if (verdict == SP_PASS)
        sp_order_settle(&fx.call, &admission.permit, true, outcome, 3 * SP_MS);
    return verdict;
}

START_TEST(each_arm_has_a_breaker_of_its_own)
{
    apply(ARMS);
    go("blue");
    ck_assert_int_eq(call(SP_OUTCOME_REFUSED), SP_PASS);
    ck_assert_int_eq(call(SP_OUTCOME_REFUSED), SP_PASS);
    ck_assert(sp_scope_out(&fx.call));
    fx.call.others = true;
    ck_assert_int_eq(call(SP_OUTCOME_REFUSED), SP_ANOTHER);
    fx.call.others = false;
    ck_assert_int_eq(call(SP_OUTCOME_REFUSED), SP_REFUSED_BREAKER);
    go("green");
    ck_assert_int_eq(call(SP_OUTCOME_OK), SP_PASS);
    struct sp_event event;
    uint64_t sequence = sp_event_last(&fx.segment);
    ck_assert_int_eq(sp_event_read(&fx.segment, &sequence, &event), 1);
    ck_assert_str_eq(event.text, "blue");
}
END_TEST

START_TEST(what_came_of_its_calls_is_the_arm_s)
{
    struct sp_figures figures;
    struct sp_admission admission;
    apply(ARMS);
    struct sp_arm *blue = go("blue");
    call(SP_OUTCOME_REFUSED);
    call(SP_OUTCOME_OK);
    for (int i = 0; i < 3; i++) {
        sp_order_admit(&fx.call, false, NULL, &admission);
        sp_order_settle(&fx.call, &admission.permit, false, i ? SP_OUTCOME_OK : SP_OUTCOME_RESET,
                        3 * SP_MS);
    }
    sp_arm_sum(blue, &fx.guards, &figures);
    ck_assert_uint_eq(figures.connects[SP_OUTCOME_REFUSED], 1);
    ck_assert_uint_eq(figures.connects[SP_OUTCOME_OK], 1);
    ck_assert_uint_eq(figures.exchanges[SP_OUTCOME_OK], 2);
    ck_assert_uint_eq(figures.exchanges[SP_OUTCOME_RESET], 1);
    ck_assert_uint_eq(figures.answer_time[sp_bin_of(3 * SP_MS)], 2);
    sp_arm_sum(go("green"), &fx.guards, &figures);
    ck_assert_uint_eq(figures.connects[SP_OUTCOME_OK], 0);
}
END_TEST

START_TEST(where_no_answer_follows_its_times_are_of_connects)
{
    struct sp_figures figures;
    apply(ARMS " exchange none\n");
    struct sp_arm *blue = go("blue");
    call(SP_OUTCOME_OK);
    sp_arm_sum(blue, &fx.guards, &figures);
    ck_assert_uint_eq(figures.connects[SP_OUTCOME_OK], 1);
    ck_assert_uint_eq(figures.connect_time[sp_bin_of(3 * SP_MS)], 1);
    ck_assert_uint_eq(figures.exchanges[SP_OUTCOME_OK], 0);
}
END_TEST

/* --- connections that stand --- */

static int stand(void *context)
{
    struct sp_segment segment = {0};
    struct sp_error error;
    (void)context;
    if (sp_segment_attach(&segment, fx.path, &error) != 0 || sp_process_join(&segment) != 0)
        return 1;
    struct sp_arm *blue = sp_arm_named(&segment, fx.call.index, "blue");
    for (int i = 0; i < 5; i++)
        sp_arm_stand(&segment, blue);
    sp_arm_fall(&segment, sp_arm_aim(&segment, blue));
    pause();
    return 0;
}

START_TEST(connections_stand_as_long_as_their_process)
{
    bool uncounted = true;
    apply(ARMS);
    struct sp_arm *blue = go("blue"), *green = go("green");
    ck_assert(sp_arm_stand(&fx.segment, blue));
    ck_assert(sp_arm_stand(&fx.segment, green));
    ck_assert(sp_arm_stand(&fx.segment, green));
    pid_t child = fixture_fork(stand, NULL);
    while (sp_arm_standing(&fx.segment, blue, NULL) != 5)
        sched_yield();
    ck_assert_uint_eq(sp_arm_standing(&fx.segment, green, &uncounted), 2);
    ck_assert(!uncounted);
    fixture_kill(child);
    ck_assert_uint_eq(sp_arm_standing(&fx.segment, blue, NULL), 1);
    sp_arm_fall(&fx.segment, sp_arm_aim(&fx.segment, blue));
    sp_arm_fall(&fx.segment, sp_arm_aim(&fx.segment, blue)); /* once too often */
    ck_assert_uint_eq(sp_arm_standing(&fx.segment, blue, NULL), 0);
}
END_TEST

static void *hammer(void *context)
{
    struct sp_arm *arm = context;
    for (int i = 0; i < 20000; i++) {
        ck_assert(sp_arm_stand(&fx.segment, arm));
        sp_arm_fall(&fx.segment, sp_arm_aim(&fx.segment, arm));
    }
    ck_assert(sp_arm_stand(&fx.segment, arm));
    return NULL;
}

START_TEST(threads_lose_none)
{
    pthread_t threads[4];
    apply(ARMS);
    struct sp_arm *blue = go("blue");
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, hammer, blue);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(sp_arm_standing(&fx.segment, blue, NULL), 4);
}
END_TEST

Suite *suite_split(void);
Suite *suite_split(void)
{
    Suite *suite = suite_create("split");
    TCase *tests = fixture_case(suite, "split");
    tcase_add_test(tests, each_arm_has_its_share);
    tcase_add_test(tests, so_has_each_of_the_workers);
    tcase_add_test(tests, an_arm_that_is_out_gives_its_share_to_the_others);
    tcase_add_test(tests, the_others_keep_what_they_had);
    tcase_add_test(tests, a_larger_share_takes_the_same_and_more);
    tcase_add_test(tests, without_a_share_there_is_none);
    tcase_add_test(tests, any_numbers_lead_to_an_arm_or_none);
    tcase_add_test(tests, arms_have_places_that_outlive_a_reload);
    tcase_add_test(tests, too_many_arms_change_nothing);
    tcase_add_test(tests, each_arm_has_a_breaker_of_its_own);
    tcase_add_test(tests, what_came_of_its_calls_is_the_arm_s);
    tcase_add_test(tests, where_no_answer_follows_its_times_are_of_connects);
    tcase_add_test(tests, connections_stand_as_long_as_their_process);
    tcase_add_test(tests, threads_lose_none);
    return suite;
}
