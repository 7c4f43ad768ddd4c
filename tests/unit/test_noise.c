/* A mad writer: whatever stands in the segment, decisions may be wrong, but nothing crashes, leads
 * out of the mapping or goes on for ever. Meant for the sanitizers, right for all builds. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"

#define SEEDS 150 /* or NOISE_SEEDS: half a second each under a sanitizer */

static uint64_t dice;

static uint32_t below(uint32_t n)
{
    return sp_random_below(&dice, n);
}

/* The capacities are compared once, when a file is mapped; behind them all may change. */
#define NOISY_FROM offsetof(struct sp_head, policy)

static void fill_all(void)
{
    fixture_noise((char *)fx.segment.head + NOISY_FROM, fx.segment.size - NOISY_FROM,
                  sp_random_next(&dice));
}

/* Values that look sound and are not reach further than plain noise. */
static void fill_some(void)
{
    static const uint64_t favourites[] = {0,         1, UINT32_MAX, UINT64_MAX, UINT64_C(1) << 63,
                                          0x80000000};
    uint64_t *words = (uint64_t *)(void *)fx.segment.head;
    size_t from = NOISY_FROM / 8, count = fx.segment.size / 8 - from;
    for (uint32_t i = 0; i < 2000; i++) {
        uint64_t *word = &words[from + below((uint32_t)count)];
        *word = i % 3 == 0   ? favourites[below(6)]
                : i % 3 == 1 ? *word ^ UINT64_C(1) << below(64)
                             : dice;
    }
}

static void fill_dests(void)
{
    fixture_noise(fx.segment.dests, fx.segment.dest_max * sizeof *fx.segment.dests,
                  sp_random_next(&dice));
}

static void fill_policies(void)
{
    for (int i = 0; i < 2; i++)
        fixture_noise(fx.segment.policy[i], i ? fx.segment.policy_size : sizeof(struct sp_policy),
                      sp_random_next(&dice));
}

static void (*const fills[])(void) = {fill_all, fill_some, fill_dests, fill_policies};

static enum sp_life coin(void *context, uint32_t slot, uint32_t *now_ms)
{
    (void)now_ms;
    (void)context;
    (void)slot;
    return below(2);
}

static void use_guards(const struct sp_call *call)
{
    struct sp_admission admission;
    struct sp_wait wait;
    struct sp_permit permit;
    struct sp_breaker_view view;
    for (unsigned i = 0; i < 20; i++) {
        if (sp_breaker_admit(call, &permit) == SP_PASS)
            sp_breaker_settle(call, &permit, (enum sp_outcome)below(SP_OUTCOME_COUNT), dice);
        bool connecting = below(2);
        sp_wait_none(&wait);
        if (sp_order_admit(call, connecting, below(4) ? &wait : NULL, &admission) == SP_PASS) {
            sp_order_settle(call, &admission.permit, connecting,
                            (enum sp_outcome)below(SP_OUTCOME_COUNT), dice);
            sp_cap_release(call, &admission);
        }
        sp_order_admit(call, connecting, &wait, &admission);
        sp_order_leave(call, connecting, &wait);
        ck_assert_uint_le(
            sp_queue_waiting(call->segment, &call->dest->queues[connecting], call->now, NULL),
            SP_TICKETS);
        sp_breaker_look(call, &view);
        ck_assert_int_lt(view.state, SP_STATE_COUNT);
        ck_assert_int_lt(view.hold, SP_HOLD_COUNT);
        ck_assert_uint_le(view.probes, SP_PROBES);
    }
    sp_breaker_trip(call);
    sp_breaker_hold(call, SP_HOLD_OPEN, dice);
    sp_breaker_look(call, &view);
    sp_breaker_reset(call);
    sp_order_return(call, &permit);
}

static void use_leases(const struct sp_call *call)
{
    uint64_t lease;
    uint32_t count;
    for (int cap = 0; cap < SP_CAP_COUNT; cap++) {
        uint32_t at = sp_cap_take(call, (enum sp_cap)cap, &lease);
        sp_cap_give(call, (enum sp_cap)cap, at, lease);
        const sp_word *words = sp_lease_words(call->segment, call->dest, (enum sp_cap)cap, &count);
        if (words)
            sp_lease_held(call->segment, words, count);
    }
}

static void use_figures(struct sp_dest *dest)
{
    struct sp_figures sum;
    struct sp_steer note;
    sp_count_sum(dest, &sum);
    sp_bin_quantile(sum.connect_time, 0.99);
    sp_window_sum(dest, offsetof(struct sp_shard, rate), dice, dice);
    sp_window_add(dest->shards[below(SP_SHARDS)].slow, dice, dice, true);
    sp_steer_read(dest, &note);
    ck_assert_uint_lt(strlen(note.reason), sizeof note.reason);
    sp_steer_write(dest, &note);
}

static void use_events(void)
{
    struct sp_event event = {.kind = SP_EVENT_TRIP};
    uint64_t last = sp_event_last(&fx.segment), at = last - below(2 * SP_EVENTS);
    sp_event_write(&fx.segment, &event);
    for (unsigned i = 0; i < 3 * SP_EVENTS; i++) {
        int result = sp_event_read(&fx.segment, &at, &event);
        ck_assert_uint_lt(result == 1 ? strlen(event.text) : 0, sizeof event.text);
        at += result == 1;
    }
}

static void use_names(void)
{
    static char names[8][208];
    for (unsigned i = 0; i < 50; i++) {
        struct sp_addr address = {.family = SP_FAMILY_IPV4, .ip = {(uint8_t)below(256)}};
        sp_learnt_put(&fx.segment, &address, "name.example");
        size_t n = sp_learnt_get(&fx.segment, &address, names, 8);
        ck_assert_uint_le(n, 8);
    }
    sp_segment_dest_named(&fx.segment, "nobody", NULL);
}

static void use_endpoints(const struct sp_call *call)
{
    struct sp_call asked = *call;
    for (unsigned i = 0; i < 50; i++) {
        struct sp_addr address = {.family = SP_FAMILY_IPV4, .ip = {(uint8_t)below(256)}};
        struct sp_aim aim =
            sp_endpoint_aim(call->segment, call->index, &address, call->now, below(2), NULL);
        asked.endpoint = sp_endpoint_at(call->segment, aim);
        if (!asked.endpoint)
            asked.endpoint =
                sp_endpoint_of(call->segment, call->index, below(SP_ENDPOINTS), &address);
        use_guards(&asked);
    }
    sp_scope_count(call);
    sp_endpoint_forget(call->segment, call->index);
}

static void use_answers(void)
{
    struct sp_answer answer;
    for (unsigned i = 0; i < 50; i++) {
        char name[] = {(char)below(256), (char)below(256), 0};
        int place = sp_answer_get(&fx.segment, name, (uint8_t)below(4), &answer);
        ck_assert_uint_le(place < 0 ? 0 : answer.count, SP_ANSWER_MAX);
        sp_answer_served(&fx.segment, (int)below(2 * SP_ANSWERS), dice);
        fixture_noise(&answer, sizeof answer, dice);
        sp_answer_put(&fx.segment, name, &answer, dice);
    }
}

static void use_policy(void)
{
    static const char *const names[] = {"a.example", "b.example."};
    struct sp_addr address = {.family = SP_FAMILY_IPV4, .port = 443, .ip = {10, 0, 0, 1}};
    struct sp_guards guards;
    uint64_t word;
    const struct sp_policy *policy = sp_segment_policy(&fx.segment, &word);
    for (uint32_t i = 0; i <= fx.segment.dest_max; i++)
        sp_segment_guards(&fx.segment, i, &guards);
    if (policy)
        sp_policy_match(policy, &address, names, 2, NULL);
}

static void use_processes(void)
{
    struct sp_census census;
    sp_census_open(&fx.segment, &census);
    for (unsigned i = 0; i < 20; i++)
        sp_census_alive(&fx.segment, &census, below(SP_PROCESSES + 10));
    sp_census_close(&census);
    for (unsigned i = 0; i < 20; i++)
        sp_census_alive(&fx.segment, &census, below(SP_PROCESSES + 10));
}

static void use_all(struct sp_guards *guards)
{
    for (uint32_t i = 0; i < fx.segment.dest_max; i++) {
        struct sp_call call = {.segment = &fx.segment,
                               .dest = &fx.segment.dests[i],
                               .index = i,
                               .guards = guards,
                               .now = sp_random_next(&dice) >> below(64),
                               .random = sp_random_next(&dice),
                               .alive = coin};
        use_guards(&call);
        use_endpoints(&call);
        use_leases(&call);
        use_figures(call.dest);
    }
    use_events();
    use_names();
    use_answers();
    use_policy();
    use_processes();
}

START_TEST(noise_in_the_segment_harms_nobody)
{
    struct sp_guards guards = fx.guards;
    dice = (uint64_t)_i + 1;
    use_policy(); /* found valid once, and then it changes */
    fills[_i % 4]();
    if (_i % 8 >= 4)
        fixture_noise(&guards, sizeof guards, dice);
    use_all(&guards);
}
END_TEST

START_TEST(a_policy_is_applied_over_noise_or_refused)
{
    struct sp_error error;
    dice = (uint64_t)_i + 1;
    fills[_i % 4]();
    if (sp_segment_apply(&fx.segment, fixture_policy_of(3, 4), &error) != 0)
        ck_assert_uint_gt(strlen(error.text), 0);
    use_all(&fx.guards);
    sp_process_join(&fx.segment);
}
END_TEST

START_TEST(a_policy_that_claims_more_than_is_mapped_leads_nowhere)
{
    static const uint32_t sizes[] = {SP_POLICY_ROOM, SP_POLICY_ROOM + 8, UINT32_MAX - 7};
    uint64_t word;
    use_policy();
    struct sp_policy *policy = (struct sp_policy *)(uintptr_t)sp_segment_policy(&fx.segment, &word);
    uint32_t size = sizes[_i];
    policy->size = size;
    policy->row_count = policy->match_count = policy->file_count = 1024;
    policy->rows = size - 1024 * sizeof(struct sp_row);
    use_policy();
    policy->rows = sizeof *policy;
    policy->matches = (size - 1024 * (uint32_t)sizeof(struct sp_match)) / 8 * 8;
    policy->strings = size - 4096;
    policy->strings_size = 4096;
    use_policy();
    ck_assert_uint_eq(strlen(sp_policy_string(policy, 4000)), 0);
    ck_assert_uint_eq(strlen(sp_policy_file(policy, 1000)), 0);
}
END_TEST

Suite *suite_noise(void);
Suite *suite_noise(void)
{
    Suite *suite = suite_create("noise");
    TCase *tests = fixture_case(suite, "noise");
    const char *given = getenv("NOISE_SEEDS");
    int seeds = given && atoi(given) > 0 ? atoi(given) : SEEDS;
    tcase_add_loop_test(tests, noise_in_the_segment_harms_nobody, 0, seeds);
    tcase_add_loop_test(tests, a_policy_is_applied_over_noise_or_refused, 0, seeds / 3);
    tcase_add_loop_test(tests, a_policy_that_claims_more_than_is_mapped_leads_nowhere, 0, 3);
    return suite;
}
