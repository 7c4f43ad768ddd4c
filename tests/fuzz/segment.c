/* segment.c - all that is done with a segment on the way of a call, for fuzz_segment.c: guards,
 * leases, queues, arms, shares, experiments, journal, history and the tables of names. */
#include "segment.h"

#include <string.h>
#include <unistd.h>

#include "base/random.h"
#include "shearpin/chaos.h"
#include "shearpin/split.h"

static uint64_t dice;

static uint32_t below(uint32_t n)
{
    return sp_random_below(&dice, n);
}

static enum sp_outcome outcome(void)
{
    return (enum sp_outcome)below(SP_OUTCOME_COUNT);
}

static enum sp_life coin(void *context, uint32_t slot, uint32_t *now_ms)
{
    (void)context, (void)slot, (void)now_ms;
    return (enum sp_life)below(3);
}

static struct sp_addr an_address(void)
{
    return (struct sp_addr){
        .family = SP_FAMILY_IPV4, .port = 80, .ip = {127, 0, 0, (uint8_t)below(4)}};
}

/* --- the guards of one call --- */

static void use_order(struct sp_call *call)
{
    struct sp_admission admission = {.lease = 0};
    struct sp_wait wait;
    bool connecting = below(2);
    sp_wait_none(&wait);
    enum sp_verdict verdict = sp_order_admit(call, connecting, below(4) ? &wait : NULL, &admission);
    if (verdict == SP_PASS && below(4))
        sp_order_settle(call, &admission.permit, connecting, outcome(), dice >> below(64));
    else if (verdict == SP_PASS)
        sp_order_undo(call, &admission.permit);
    if (verdict == SP_PASS)
        sp_cap_release(call, &admission);
    if (verdict == SP_ELSEWHERE)
        sp_order_nowhere(call);
    sp_order_leave(call, connecting, &wait);
    sp_order_first(call, &wait, &admission);
    sp_order_leave(call, false, &wait);
    sp_order_closed(call, dice);
}

static void use_breaker(const struct sp_call *call)
{
    struct sp_breaker_view view;
    struct sp_permit permit;
    if (sp_scope_admit(call, &permit) == SP_PASS)
        sp_scope_settle(call, &permit, outcome(), dice);
    sp_scope_out(call);
    sp_scope_count(call);
    sp_breaker_look(call, &view);
    if (below(8) == 0)
        sp_breaker_trip(call);
    if (below(8) == 0)
        sp_breaker_hold(call, SP_HOLD_OPEN, dice);
    if (below(8) == 0)
        sp_breaker_reset(call);
}

static void use_retry(const struct sp_call *call)
{
    struct sp_retry retry;
    uint64_t at;
    sp_retry_call(call);
    sp_retry_begin(call, &retry, call->now);
    for (int i = 0; i < 8 && sp_retry_next(call, &retry, outcome(), &at); i++)
        ;
    sp_retry_refused(call, &retry);
}

static void use_fallbacks(const struct sp_call *call)
{
    struct sp_fallback line;
    struct sp_addr addresses[SP_TARGET_ADDRESSES], replies[SP_REPLY_ADDRESSES];
    char text[64];
    uint32_t nth = 0;
    while (sp_fallback_next(call, (enum sp_when)(1 + below(2)), &nth, &line)) {
        sp_fallback_taken(call, &line);
        sp_target_get(call->segment, line.hash, addresses, NULL);
    }
    sp_segment_fallback(call->segment, call->index, below(4), &line, text, sizeof text);
    sp_reply_get(call->segment, call->index, replies);
}

static void use_arms(struct sp_call *call)
{
    struct sp_arm_policy lines[SP_ARMS_MAX];
    uint16_t shares[SP_ARMS_MAX];
    struct sp_figures figures;
    size_t count = sp_arm_lines(call->segment, call->index, lines);
    sp_arm_shares(call->segment, call->index, lines, count, call->now, shares);
    sp_split_pick(shares, (1u << count) - 1, below(256), sp_split_draw(call->dest, below(2)));
    for (size_t i = 0; i < count; i++) {
        struct sp_arm *arm = sp_arm_at(call->segment, call->index, lines[i].place);
        if (!arm)
            continue;
        sp_arm_count(arm, call->guards, below(2), outcome(), dice >> below(64));
        sp_arm_sum(arm, call->guards, &figures);
        if (sp_arm_stand(call->segment, arm) && below(2))
            sp_arm_fall(call->segment, sp_arm_aim(call->segment, arm));
        sp_arm_standing(call->segment, arm, NULL);
        call->arm = arm;
        call->endpoint = &arm->endpoint;
        use_order(call);
        call->arm = NULL;
        call->endpoint = NULL;
    }
}

static void use_shift(const struct sp_call *call)
{
    static const uint16_t half[SP_SHIFT_ARMS] = {5000, 5000};
    struct sp_arm_policy lines[SP_ARMS_MAX];
    size_t count = sp_arm_lines(call->segment, call->index, lines);
    struct sp_shift_hand hand = {.shift = &call->dest->shift,
                                 .of = count ? lines[0].of : 0,
                                 .arms = (uint32_t)count,
                                 .policy = {10000},
                                 .pid = 1};
    if (below(2))
        sp_shift_set(&hand, half, SP_SHIFT_SET, call->now);
    if (sp_shift_begin(&hand, call->now) == SP_SHIFT_DONE) {
        sp_shift_try(&hand, half, call->now);
        sp_shift_renew(&hand, call->now + SP_MS);
        if (below(2))
            sp_shift_keep(&hand, call->now + SP_MS);
    }
    sp_shift_back(&hand, call->now);
    sp_shift_mourn(call->segment, call->dest, call->now);
}

static void use_endpoints(struct sp_call *call)
{
    struct sp_addr address = an_address();
    struct sp_aim aim =
        sp_endpoint_aim(call->segment, call->index, &address, call->now, below(4), NULL);
    call->endpoint = sp_endpoint_at(call->segment, aim);
    if (!call->endpoint)
        call->endpoint = sp_endpoint_of(call->segment, call->index, below(SP_ENDPOINTS), &address);
    use_breaker(call);
    use_order(call);
    call->endpoint = NULL;
    if (below(16) == 0)
        sp_endpoint_forget(call->segment, call->index);
}

static void use_figures(const struct sp_call *call)
{
    struct sp_figures figures;
    struct sp_span span;
    struct sp_steer note;
    uint32_t count;
    sp_count_sum(call->dest, &figures);
    sp_history_span(call->segment, call->dest, call->guards, dice >> below(64), call->now, &span);
    sp_steer_read(call->dest, &note);
    sp_steer_write(call->dest, &note);
    sp_share_draw(call->dest);
    for (int cap = 0; cap < SP_CAP_COUNT; cap++) {
        sp_word *words = sp_lease_words(call->segment, call->dest, (enum sp_cap)cap, &count);
        if (words) {
            sp_lease_living(call->segment, words, count, (uint32_t)dice, coin, NULL);
            sp_lease_reap(call->segment, words, count, (uint32_t)dice, coin, NULL);
        }
    }
    for (int line = 0; line < SP_LINES; line++)
        sp_queue_waiting(call->segment, &call->dest->queues[line], call->now, NULL);
}

/* --- what is of no destination, or of several --- */

static void use_chaos(struct sp_call *call)
{
    struct sp_chaos_sum sums[3];
    struct sp_span span;
    for (uint8_t stages = 1; stages < 128; stages = (uint8_t)(stages << 1)) {
        struct sp_fault_act act = {0};
        sp_chaos_faults(call, stages, &act);
    }
    sp_chaos_judge(call->segment, call->now);
    for (uint32_t i = 0; i < SP_EXPERIMENTS; i++) {
        struct sp_chaos *chaos = sp_chaos_at(call->segment, i);
        for (uint32_t t = 0; t < SP_EXPERIMENT_TARGETS && t < chaos->target_count; t++) {
            sp_chaos_sums(call->segment, chaos, t, call->now, sums);
            sp_chaos_span(call->segment, chaos, t, call->now, &span);
        }
        if (below(4) == 0)
            sp_chaos_end(call->segment, chaos, atomic_load(&chaos->word), SP_CHAOS_INTERRUPTED,
                         call->now);
    }
    sp_chaos_tidy(call->segment, call->now);
}

static void use_experiment(struct sp_segment *segment)
{
    struct sp_chaos plan = {.name = "plan",
                            .target_count = 1,
                            .fault_count = 1,
                            .intensity = SP_SHARE_ALL,
                            .processes = SP_SHARE_ALL,
                            .start = dice >> 32,
                            .end = (dice >> 32) + SP_SECOND,
                            .targets = {{.name = "pay"}}};
    if (sp_segment_dest_named(segment, "pay", &plan.targets[0].dest) &&
        sp_fault_parse("refuse share 20%", &plan.faults[0].fault, NULL) == 0)
        sp_chaos_start(segment, &plan, below(2), NULL);
}

static void use_tables(struct sp_segment *segment)
{
    static char names[4][208];
    struct sp_addr address = an_address();
    struct sp_answer answer = {.family = SP_FAMILY_IPV4, .count = 1};
    sp_learnt_put(segment, &address, "name.example");
    sp_learnt_get(segment, &address, names, 4);
    answer.families[0] = SP_FAMILY_IPV4;
    sp_answer_put(segment, "name.example", &answer, dice >> 8);
    sp_answer_served(segment, sp_answer_get(segment, "name.example", (uint8_t)below(4), &answer),
                     dice);
    sp_target_put(segment, "dr.sample:80", &address, 1);
    sp_origin_place(segment, "api.example:443", below(8), atomic_load(&segment->head->policy));
}

static void use_lines(struct sp_segment *segment)
{
    struct sp_event event = {.kind = (uint16_t)below(SP_EVENT_KINDS)};
    struct sp_note note = {.time = dice >> 8, .dest = below(8), .outcome = (uint8_t)outcome()};
    uint64_t oldest, sequence = sp_event_last(segment) - below(2 * SP_EVENTS);
    sp_event_write(segment, &event);
    for (unsigned i = 0; i < 64; i++)
        sequence += sp_event_read(segment, &sequence, &event) == 1;
    sp_journal_write(segment, &note);
    uint64_t count = sp_journal_count(segment, &oldest);
    for (uint64_t i = oldest; segment->journal_max && i < count && i < oldest + 64; i++)
        sp_journal_read(segment, i, &note);
}

static void use_policy(struct sp_segment *segment)
{
    static const char *const names[] = {"a.example", "localhost"};
    struct sp_addr address = an_address();
    uint64_t word;
    const struct sp_policy *policy = sp_segment_policy(segment, &word);
    if (policy)
        sp_policy_match(policy, &address, names, 2, NULL);
    if (policy)
        sp_policy_match_name(policy, "localhost", 80);
}

static void use_dest(struct sp_segment *segment, uint32_t index)
{
    struct sp_guards guards;
    struct sp_call call = {.segment = segment,
                           .dest = sp_segment_dest(segment, index),
                           .index = index,
                           .guards = &guards,
                           .now = below(2) ? dice >> below(64) : 1000 * SP_SECOND,
                           .random = dice,
                           .alive = coin};
    if (!call.dest)
        return;
    sp_segment_guards(segment, index, &guards);
    for (int i = 0; i < 4; i++)
        use_order(&call);
    use_breaker(&call);
    use_retry(&call);
    use_fallbacks(&call);
    use_arms(&call);
    use_shift(&call);
    use_endpoints(&call);
    use_figures(&call);
    use_chaos(&call);
}

void segment_use(struct sp_segment *segment, uint64_t seed)
{
    dice = seed;
    use_policy(segment);
    for (uint32_t i = 0; i < 4; i++)
        use_dest(segment, i);
    use_dest(segment, below(segment->dest_max));
    use_experiment(segment);
    use_tables(segment);
    use_lines(segment);
}
