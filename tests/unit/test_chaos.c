/* Experiments: which ordinals are struck, by whom, how one ends; on a clock that the test moves. */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "shearpin/chaos.h"

static struct sp_chaos plan, *chaos;
static struct sp_error error;

static void fault(const char *text)
{
    struct sp_chaos_fault *f = &plan.faults[plan.fault_count++];
    ck_assert_msg(sp_fault_parse(text, &f->fault, &error) == 0, "%s", error.text);
    f->fault.seed = 918273 + plan.fault_count;
    snprintf(f->text, sizeof f->text, "%s", text);
}

static void plan_on(const char *target, const char *text)
{
    memset(&plan, 0, sizeof plan);
    snprintf(plan.name, sizeof plan.name, "trial");
    snprintf(plan.targets[0].name, SP_NAME_SIZE, "%s", target);
    ck_assert_ptr_nonnull(sp_segment_dest_named(&fx.segment, target, &plan.targets[0].dest));
    plan.target_count = 1;
    plan.intensity = plan.processes = SP_SHARE_ALL;
    plan.seed = 7;
    plan.start = fx.call.now;
    plan.end = plan.start + 60 * SP_SECOND;
    fault(text);
}

static void second_destination(void)
{
    ck_assert(sp_segment_apply(&fx.segment, fixture_policy_of(2, 4), &error) == 0);
}

static void begin(void)
{
    chaos = sp_chaos_start(&fx.segment, &plan, false, &error);
    ck_assert_msg(chaos != NULL, "%s", error.text);
}

/* One bit a connect, from the first. */
static uint64_t struck(unsigned count)
{
    uint64_t bits = 0;
    for (unsigned i = 0; i < count; i++) {
        struct sp_fault_act act = {0};
        sp_chaos_faults(&fx.call, SP_FAULT_ON_CONNECT | SP_FAULT_ON_CONNECTION, &act);
        bits |= (uint64_t)(act.error == ECONNREFUSED) << i;
    }
    return bits;
}

static enum sp_chaos_state stands(void)
{
    return sp_chaos_stands(chaos, fx.call.now);
}

static void stop(void)
{
    ck_assert(sp_chaos_end(&fx.segment, chaos, atomic_load(&chaos->word), SP_CHAOS_INTERRUPTED,
                           fx.call.now));
}

static uint32_t odd(void)
{
    return atomic_load(&fx.call.dest->odd);
}

START_TEST(its_ordinals_are_exact)
{
    plan_on("db", "refuse at 3..5");
    begin();
    ck_assert_uint_eq(struck(10), 7 << 2);
    ck_assert_uint_eq(struck(10), 0);
    ck_assert_uint_eq(atomic_load(&chaos->faults[0].injected[0]), 3);
}
END_TEST

START_TEST(a_start_begins_with_the_first)
{
    plan_on("db", "refuse share 30%");
    begin();
    uint64_t first = struck(64);
    stop();
    begin();
    ck_assert_uint_eq(struck(64), first);
    ck_assert_uint_ne(first, 0);
    ck_assert_uint_ne(first, UINT64_MAX);
}
END_TEST

START_TEST(less_strikes_some_of_what_more_does)
{
    uint64_t before = 0;
    for (uint32_t intensity = 0; intensity <= SP_SHARE_ALL; intensity += 1000) {
        plan_on("db", _i ? "refuse every 2" : "refuse share 80%");
        plan.intensity = intensity;
        begin();
        uint64_t now = struck(64);
        ck_assert_uint_eq(now & before, before);
        before = now;
        stop();
    }
    ck_assert_int_ge(__builtin_popcountll(before), 32);
}
END_TEST

START_TEST(a_ramp_rises)
{
    plan_on("db", "refuse");
    plan.ramp = 10 * SP_SECOND;
    begin();
    ck_assert_uint_eq(struck(64), 0);
    ck_assert_uint_eq(sp_chaos_scale(chaos, plan.start + 5 * SP_SECOND), SP_SHARE_ALL / 2);
    fixture_forward(5 * SP_SECOND);
    int half = __builtin_popcountll(struck(64));
    ck_assert(half > 16 && half < 48);
    fixture_forward(5 * SP_SECOND);
    ck_assert_uint_eq(struck(64), UINT64_MAX);
}
END_TEST

START_TEST(it_is_over_by_the_clock_alone)
{
    plan_on("db", "refuse");
    begin();
    ck_assert_uint_eq(odd(), SP_DEST_FAULTY);
    fixture_forward(60 * SP_SECOND - 1);
    ck_assert_uint_eq(struck(1), 1);
    fixture_forward(1);
    ck_assert_int_eq(stands(), SP_CHAOS_COMPLETED);
    ck_assert_uint_eq(struck(1), 0);
    ck_assert_uint_eq(odd(), 0);
    ck_assert_int_eq(sp_chaos_state(atomic_load(&chaos->word)), SP_CHAOS_COMPLETED);
    ck_assert_uint_eq(fixture_events(SP_EVENT_CHAOS), 2);
    struct sp_fault_act act = {0};
    ck_assert(!sp_chaos_faults(&fx.call, SP_FAULT_ON_CONNECT, &act));
}
END_TEST

START_TEST(one_ends_it_of_many_who_try)
{
    plan_on("db", "refuse");
    begin();
    uint64_t word = atomic_load(&chaos->word);
    stop();
    ck_assert(!sp_chaos_end(&fx.segment, chaos, word, SP_CHAOS_COMPLETED, fx.call.now));
    ck_assert_int_eq(stands(), SP_CHAOS_INTERRUPTED);
    begin(); /* and nobody ends the next one for it */
    ck_assert(!sp_chaos_end(&fx.segment, chaos, word, SP_CHAOS_COMPLETED, fx.call.now));
    ck_assert_int_eq(stands(), SP_CHAOS_RUNNING);
}
END_TEST

START_TEST(two_on_one_destination)
{
    plan_on("db", "refuse at 1");
    begin();
    ck_assert_ptr_null(sp_chaos_start(&fx.segment, &plan, true, &error));
    ck_assert_int_eq(error.code, EBUSY);
    snprintf(plan.name, sizeof plan.name, "other");
    ck_assert_ptr_null(sp_chaos_start(&fx.segment, &plan, false, &error));
    struct sp_chaos *other = sp_chaos_start(&fx.segment, &plan, true, &error);
    ck_assert_ptr_nonnull(other);
    stop();
    ck_assert_uint_eq(odd(), SP_DEST_FAULTY);
    chaos = other;
    stop();
    ck_assert_uint_eq(odd(), 0);
}
END_TEST

START_TEST(rows_are_used_again)
{
    for (unsigned i = 0; i < 3 * SP_EXPERIMENTS; i++) {
        plan_on("db", "refuse");
        snprintf(plan.name, sizeof plan.name, "trial-%u", i);
        begin();
        ck_assert_uint_eq(struck(2), 3);
        stop();
        fixture_forward(SP_SECOND);
    }
    ck_assert_ptr_null(sp_chaos_named(&fx.segment, "trial-0"));
    ck_assert_ptr_nonnull(sp_chaos_named(&fx.segment, "trial-11"));
}
END_TEST

START_TEST(as_many_as_there_are_rows)
{
    second_destination();
    for (unsigned i = 0; i < SP_EXPERIMENTS; i++) {
        plan_on(i ? "d1" : "db", "refuse");
        snprintf(plan.name, sizeof plan.name, "trial-%u", i);
        ck_assert_ptr_nonnull(sp_chaos_start(&fx.segment, &plan, true, &error));
    }
    snprintf(plan.name, sizeof plan.name, "one-more");
    ck_assert_ptr_null(sp_chaos_start(&fx.segment, &plan, true, &error));
    ck_assert_int_eq(error.code, ENOSPC);
}
END_TEST

START_TEST(others_are_left_alone)
{
    second_destination();
    plan_on("d1", "refuse");
    begin();
    ck_assert_uint_eq(odd(), 0);
    ck_assert_uint_eq(struck(64), 0);
    stop();
    plan_on("db", "refuse");
    plan.pid = fx.segment.self.pid + 1;
    begin();
    ck_assert_uint_eq(struck(64), 0);
    ck_assert_uint_eq(atomic_load(&chaos->targets[0].ordinals[SP_ORDINAL_CONNECTION]), 0);
    stop();
    plan.pid = 0;
    snprintf(plan.command, sizeof plan.command, "nginx");
    begin();
    ck_assert_uint_eq(struck(64), 0);
}
END_TEST

/* Of a hundred processes that join one after the other exactly the share is meant. */
START_TEST(a_share_of_the_processes)
{
    plan_on("db", "refuse");
    plan.processes = 3000;
    plan.seed = (uint64_t)_i * 12345;
    begin();
    unsigned meant = 0;
    for (uint32_t slot = 0; slot < 100; slot++) {
        fx.segment.self.slot = slot;
        meant += struck(1) != 0;
    }
    ck_assert_uint_eq(meant, 30);
}
END_TEST

static void condition(const char *text, bool opens)
{
    struct sp_chaos_condition *c = &plan.conditions[plan.condition_count++];
    if (!opens)
        ck_assert(sp_condition_parse(text, strlen(text), &c->condition, &error) == 0);
    c->opens = opens;
    c->when = SP_PROVISO_ABORT;
    c->dest = SP_CHAOS_EVERY;
}

START_TEST(an_open_breaker_aborts)
{
    plan_on("db", "refuse");
    condition("", true);
    begin();
    sp_chaos_judge(&fx.segment, fx.call.now);
    ck_assert_int_eq(stands(), SP_CHAOS_RUNNING);
    sp_breaker_trip(&fx.call);
    sp_chaos_judge(&fx.segment, fx.call.now);
    ck_assert_int_eq(stands(), SP_CHAOS_ABORTED);
    ck_assert_uint_eq(atomic_load(&chaos->because), 1);
    ck_assert_uint_eq(atomic_load(&chaos->aborts), 1);
}
END_TEST

/* Its targets are gone with a reload: it was for nothing. */
START_TEST(without_a_target_it_has_failed)
{
    plan_on("db", "refuse");
    begin();
    ck_assert(sp_segment_apply(&fx.segment,
                               fixture_policy("destination other\n    match 10.0.0.1:1\n"),
                               &error) == 0);
    fixture_forward(60 * SP_SECOND);
    sp_chaos_tidy(&fx.segment, fx.call.now);
    ck_assert_int_eq(stands(), SP_CHAOS_FAILED);
    ck_assert_uint_eq(odd(), 0);
}
END_TEST

START_TEST(it_keeps_its_figures)
{
    struct sp_chaos_sum sums[3];
    struct sp_shard *shard = sp_segment_shard(&fx.segment, fx.call.dest);
    sp_count(&shard->answer_time[sp_bin_of(SP_MS)], 100);
    plan_on("db", "refuse");
    begin();
    sp_count(&shard->answer_time[sp_bin_of(100 * SP_MS)], 10);
    sp_count(&shard->connects[SP_OUTCOME_REFUSED], 10);
    fixture_forward(SP_SECOND);
    sp_chaos_sums(&fx.segment, chaos, 0, fx.call.now, sums);
    ck_assert_uint_eq(sums[0].calls, 100);
    ck_assert_uint_eq(sums[1].calls, 20);
    ck_assert_uint_eq(sums[1].errors, 10);
    ck_assert_uint_eq(sums[1].time, SP_SECOND);
    ck_assert_uint_eq(sums[2].time, 0);
    stop();
    sp_count(&shard->answer_time[sp_bin_of(SP_MS)], 7);
    fixture_forward(SP_SECOND);
    sp_chaos_sums(&fx.segment, chaos, 0, fx.call.now, sums);
    ck_assert_uint_eq(sums[1].calls, 20);
    ck_assert_uint_ge(sums[1].p50, 90 * SP_MS);
    ck_assert_uint_eq(sums[2].calls, 7);
    ck_assert_uint_eq(sums[2].errors, 0);
}
END_TEST

/* Nothing in a row is trusted. */
START_TEST(a_mad_row_is_survived)
{
    plan_on("db", "refuse");
    begin();
    for (unsigned i = 0; i < 200; i++) {
        fixture_noise(chaos, sizeof *chaos, i);
        struct sp_fault_act act = {0};
        sp_chaos_faults(&fx.call, SP_FAULT_ON_CONNECT, &act);
        atomic_store(&chaos->word, sp_chaos_word(i, SP_CHAOS_RUNNING));
        chaos->start = 0;
        chaos->end = SP_NEVER;
        chaos->targets[0].dest = fx.call.index;
        snprintf(chaos->targets[0].name, SP_NAME_SIZE, "db");
        chaos->pid = 0;
        chaos->command[0] = 0;
        sp_chaos_faults(&fx.call, SP_FAULT_ON_CONNECT, &act);
        sp_chaos_judge(&fx.segment, fx.call.now);
        struct sp_chaos_sum sums[3];
        for (uint32_t t = 0; t < SP_EXPERIMENT_TARGETS; t++)
            sp_chaos_sums(&fx.segment, chaos, t, fx.call.now, sums);
        sp_chaos_end(&fx.segment, chaos, atomic_load(&chaos->word), SP_CHAOS_COMPLETED,
                     fx.call.now);
    }
}
END_TEST

Suite *suite_chaos(void)
{
    Suite *suite = suite_create("chaos");
    TCase *tc = fixture_case(suite, "chaos");
    tcase_add_test(tc, its_ordinals_are_exact);
    tcase_add_test(tc, a_start_begins_with_the_first);
    tcase_add_loop_test(tc, less_strikes_some_of_what_more_does, 0, 2);
    tcase_add_test(tc, a_ramp_rises);
    tcase_add_test(tc, it_is_over_by_the_clock_alone);
    tcase_add_test(tc, one_ends_it_of_many_who_try);
    tcase_add_test(tc, two_on_one_destination);
    tcase_add_test(tc, rows_are_used_again);
    tcase_add_test(tc, as_many_as_there_are_rows);
    tcase_add_test(tc, others_are_left_alone);
    tcase_add_loop_test(tc, a_share_of_the_processes, 0, 4);
    tcase_add_test(tc, an_open_breaker_aborts);
    tcase_add_test(tc, without_a_target_it_has_failed);
    tcase_add_test(tc, it_keeps_its_figures);
    tcase_add_test(tc, a_mad_row_is_survived);
    return suite;
}
