#include "fixture.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define MINUTE (60 * SP_SECOND)
#define DAY    (24 * 60 * MINUTE)

static struct sp_breaker now_is(void)
{
    return sp_breaker_unpack(atomic_load(&fx.call.dest->cell.word));
}

static struct sp_permit admitted(void)
{
    struct sp_permit permit;
    ck_assert_int_eq(sp_breaker_admit(&fx.call, &permit), SP_PASS);
    return permit;
}

static void refused(void)
{
    struct sp_permit permit;
    ck_assert_int_eq(sp_breaker_admit(&fx.call, &permit), SP_REFUSED_BREAKER);
    ck_assert_int_eq(permit.kind, SP_PERMIT_NONE);
}

static void call_took(enum sp_outcome outcome, uint64_t duration)
{
    struct sp_permit permit = admitted();
    sp_breaker_settle(&fx.call, &permit, outcome, duration);
}

static void calls(unsigned count, enum sp_outcome outcome)
{
    while (count-- > 0)
        call_took(outcome, SP_MS);
}

static void is(enum sp_state state)
{
    ck_assert_str_eq(sp_state_words[now_is().state], sp_state_words[state]);
}

static void trip(void)
{
    fx.guards.breaker.streak = 3;
    calls(3, SP_OUTCOME_REFUSED);
    is(SP_STATE_OPEN);
}

/* Opens it and waits until probes may start. */
static void trip_and_wait(void)
{
    trip();
    fixture_forward(fx.guards.breaker.open_min);
}

static struct sp_event last_event(void)
{
    struct sp_event event;
    uint64_t at = sp_event_last(&fx.segment);
    ck_assert_int_eq(sp_event_read(&fx.segment, &at, &event), 1);
    return event;
}

/* --- closed --- */

START_TEST(so_many_failures_in_a_row_open_it)
{
    calls(2, SP_OUTCOME_REFUSED);
    is(SP_STATE_CLOSED);
    calls(1, SP_OUTCOME_RESET);
    is(SP_STATE_OPEN);
    refused();
    struct sp_event event = last_event();
    ck_assert_int_eq(event.kind, SP_EVENT_BREAKER);
    ck_assert_int_eq(event.from, SP_STATE_CLOSED);
    ck_assert_int_eq(event.to, SP_STATE_OPEN);
    ck_assert_int_eq(event.reason, SP_TRIP_STREAK);
    ck_assert_uint_eq(event.a, 3);
    ck_assert_uint_eq(event.b, SP_OUTCOME_RESET);
    ck_assert_str_eq(event.destination, "db");
}
END_TEST

START_TEST(a_success_ends_the_row)
{
    calls(2, SP_OUTCOME_REFUSED);
    calls(1, SP_OUTCOME_OK);
    ck_assert_uint_eq(now_is().streak, 0);
    calls(2, SP_OUTCOME_REFUSED);
    is(SP_STATE_CLOSED);
}
END_TEST

START_TEST(a_success_without_a_row_writes_nothing)
{
    ck_assert_int_eq(mprotect(fx.segment.head, fx.segment.size, PROT_READ), 0);
    calls(100, SP_OUTCOME_OK);
    ck_assert_int_eq(mprotect(fx.segment.head, fx.segment.size, PROT_READ | PROT_WRITE), 0);
}
END_TEST

START_TEST(with_the_row_off_it_never_opens_and_the_count_stays_in_its_bits)
{
    fx.guards.breaker.streak = 0;
    calls(SP_BREAKER_STREAK_MAX + 20, SP_OUTCOME_REFUSED);
    is(SP_STATE_CLOSED);
    ck_assert_uint_eq(now_is().streak, SP_BREAKER_STREAK_MAX);
    ck_assert_uint_eq(now_is().epoch, 0);
}
END_TEST

static void with_rate(void)
{
    fx.guards.breaker.streak = 0;
    fx.guards.breaker.rate = SP_SHARE_ALL / 2;
    fx.guards.breaker.rate_min = 10;
    fx.guards.breaker.rate_window = 10 * SP_SECOND;
}

START_TEST(a_rate_opens_it_once_the_minimum_is_there)
{
    with_rate();
    calls(4, SP_OUTCOME_OK);
    calls(5, SP_OUTCOME_EOF);
    is(SP_STATE_CLOSED);
    calls(1, SP_OUTCOME_EOF);
    is(SP_STATE_OPEN);
    struct sp_event event = last_event();
    ck_assert_int_eq(event.reason, SP_TRIP_RATE);
    ck_assert_uint_eq(event.a, 6);
    ck_assert_uint_eq(event.b, 10);
}
END_TEST

START_TEST(below_the_rate_it_stays_closed)
{
    with_rate();
    for (int i = 0; i < 100; i++) {
        calls(2, SP_OUTCOME_OK);
        calls(1, SP_OUTCOME_EOF);
    }
    is(SP_STATE_CLOSED);
}
END_TEST

START_TEST(failures_older_than_the_window_are_forgotten)
{
    with_rate();
    calls(9, SP_OUTCOME_EOF);
    fixture_forward(10 * SP_SECOND);
    calls(9, SP_OUTCOME_EOF);
    is(SP_STATE_CLOSED);
    calls(1, SP_OUTCOME_EOF);
    is(SP_STATE_OPEN);
}
END_TEST

START_TEST(slow_calls_open_it_even_if_they_succeed)
{
    fx.guards.breaker.slow = SP_SHARE_ALL / 2;
    fx.guards.breaker.slow_min = 4;
    fx.guards.breaker.slow_over = 100 * SP_MS;
    fx.guards.breaker.slow_window = 10 * SP_SECOND;
    for (int i = 0; i < 3; i++)
        call_took(SP_OUTCOME_OK, 100 * SP_MS + 1);
    call_took(SP_OUTCOME_OK, 100 * SP_MS); /* not over, and only who is slow asks */
    is(SP_STATE_CLOSED);
    call_took(SP_OUTCOME_OK, SP_SECOND);
    is(SP_STATE_OPEN);
    ck_assert_int_eq(last_event().reason, SP_TRIP_SLOW);
    ck_assert_uint_eq(last_event().a, 4);
    ck_assert_uint_eq(last_event().b, 5);
}
END_TEST

START_TEST(outcomes_outside_the_mask_blame_nobody)
{
    calls(2, SP_OUTCOME_REFUSED);
    calls(5, SP_OUTCOME_LOOKUP);
    calls(5, SP_OUTCOME_ABANDONED);
    calls(5, SP_OUTCOME_STATUS);
    is(SP_STATE_CLOSED);
    ck_assert_uint_eq(now_is().streak, 2);
    calls(1, SP_OUTCOME_REFUSED);
    is(SP_STATE_OPEN);
}
END_TEST

START_TEST(the_policy_says_which_outcomes_are_failures)
{
    fx.guards.breaker.on = SP_OUTCOME_BIT(LOOKUP);
    calls(5, SP_OUTCOME_REFUSED);
    is(SP_STATE_CLOSED);
    calls(3, SP_OUTCOME_LOOKUP);
    is(SP_STATE_OPEN);
    ck_assert_uint_eq(atomic_load(&fx.call.dest->cell.last_outcome), SP_OUTCOME_LOOKUP);
}
END_TEST

START_TEST(a_shadow_has_no_vote)
{
    struct sp_permit shadow = {.kind = SP_PERMIT_SHADOW};
    for (int i = 0; i < 10; i++)
        sp_breaker_settle(&fx.call, &shadow, SP_OUTCOME_REFUSED, SP_MS);
    is(SP_STATE_CLOSED);
    ck_assert_uint_eq(now_is().streak, 0);
}
END_TEST

START_TEST(a_result_of_an_older_epoch_only_counts)
{
    with_rate();
    struct sp_permit old[50];
    for (int i = 0; i < 50; i++)
        old[i] = admitted();
    sp_breaker_reset(&fx.call);
    for (int i = 0; i < 50; i++)
        sp_breaker_settle(&fx.call, &old[i], SP_OUTCOME_RESPONSE_TIMEOUT, MINUTE);
    is(SP_STATE_CLOSED);
    ck_assert_uint_eq(now_is().streak, 0);
    calls(9, SP_OUTCOME_OK);
    calls(1, SP_OUTCOME_REFUSED); /* must not meet the fifty in the window */
    is(SP_STATE_CLOSED);
}
END_TEST

/* --- open --- */

START_TEST(it_refuses_for_exactly_its_open_time)
{
    trip();
    fixture_forward(SP_SECOND - SP_MS);
    refused();
    fixture_forward(SP_MS);
    ck_assert_int_eq(admitted().kind, SP_PERMIT_PROBE);
    is(SP_STATE_HALF_OPEN);
    ck_assert_int_eq(last_event().reason, SP_TRIP_TIME);
}
END_TEST

static uint64_t open_ms(void)
{
    return now_is().until - (uint32_t)(fx.call.now / SP_MS);
}

START_TEST(every_failed_probe_doubles_the_open_time_up_to_the_maximum)
{
    static const unsigned seconds[] = {2, 4, 8, 8, 8};
    trip_and_wait();
    for (unsigned i = 0; i < 5; i++) {
        calls(1, SP_OUTCOME_REFUSED);
        is(SP_STATE_OPEN);
        ck_assert_int_eq(last_event().reason, SP_TRIP_PROBE);
        ck_assert_uint_eq(open_ms(), seconds[i] * 1000);
        fixture_forward(seconds[i] * SP_SECOND);
    }
}
END_TEST

START_TEST(the_count_of_doublings_stays_in_its_bits)
{
    trip_and_wait();
    for (unsigned i = 0; i < 40; i++) {
        calls(1, SP_OUTCOME_REFUSED);
        fixture_forward(8 * SP_SECOND);
    }
    ck_assert_uint_eq(now_is().backoff, SP_BREAKER_BACKOFF_MAX);
    ck_assert_uint_eq(now_is().streak, 0);
}
END_TEST

START_TEST(jitter_adds_up_to_a_quarter_and_never_beyond_the_maximum)
{
    uint64_t least = UINT64_MAX, most = 0;
    fx.guards.breaker.streak = 1;
    for (fx.call.random = 0; fx.call.random < 1000; fx.call.random++) {
        sp_breaker_reset(&fx.call);
        calls(1, SP_OUTCOME_REFUSED);
        least = open_ms() < least ? open_ms() : least;
        most = open_ms() > most ? open_ms() : most;
    }
    ck_assert_uint_eq(least, 1000);
    ck_assert_uint_gt(most, 1200);
    ck_assert_uint_le(most, 1250);
    fx.guards.breaker.open_max = 1100 * SP_MS;
    fx.call.random = 255;
    sp_breaker_reset(&fx.call);
    calls(1, SP_OUTCOME_REFUSED);
    ck_assert_uint_eq(open_ms(), 1100);
}
END_TEST

START_TEST(one_open_time_has_no_jitter)
{
    fx.guards.breaker.open_min = fx.guards.breaker.open_max = 5 * SP_SECOND;
    fx.call.random = 255;
    trip();
    ck_assert_uint_eq(open_ms(), 5000);
}
END_TEST

/* --- half-open --- */

static void close_it(void)
{
    calls(fx.guards.breaker.close, SP_OUTCOME_OK);
    is(SP_STATE_CLOSED);
}

START_TEST(half_open_admits_exactly_its_probes)
{
    for (uint16_t probes = 1; probes <= SP_PROBES; probes++) {
        fx.guards.breaker.probe = probes;
        trip_and_wait();
        for (unsigned i = 0; i < probes; i++)
            ck_assert_int_eq(admitted().kind, SP_PERMIT_PROBE);
        for (unsigned i = 0; i < 20; i++)
            refused();
        sp_breaker_reset(&fx.call);
    }
}
END_TEST

START_TEST(a_second_half_open_time_has_all_its_probes_again)
{
    trip_and_wait();
    struct sp_permit hangs = admitted();
    sp_breaker_trip(&fx.call);
    fixture_forward(8 * SP_SECOND);
    struct sp_permit probe = admitted();
    ck_assert_int_eq(probe.kind, SP_PERMIT_PROBE);
    refused();
    sp_breaker_return(&fx.call, &hangs); /* of the former time: frees nothing now */
    refused();
    sp_breaker_settle(&fx.call, &hangs, SP_OUTCOME_REFUSED, SP_MS);
    is(SP_STATE_HALF_OPEN);
    sp_breaker_settle(&fx.call, &probe, SP_OUTCOME_OK, SP_MS);
    ck_assert_uint_eq(now_is().streak, 1);
}
END_TEST

START_TEST(so_many_successes_close_it)
{
    fx.guards.breaker.close = 3;
    trip_and_wait();
    calls(2, SP_OUTCOME_OK);
    is(SP_STATE_HALF_OPEN);
    calls(1, SP_OUTCOME_OK);
    is(SP_STATE_CLOSED);
    ck_assert_int_eq(last_event().reason, SP_TRIP_PROVED);
    ck_assert_uint_eq(last_event().a, 3);
    ck_assert_int_eq(admitted().kind, SP_PERMIT_CALL);
}
END_TEST

START_TEST(one_failed_probe_opens_it_again)
{
    fx.guards.breaker.close = 3;
    trip_and_wait();
    calls(2, SP_OUTCOME_OK);
    calls(1, SP_OUTCOME_EOF);
    is(SP_STATE_OPEN);
    refused();
}
END_TEST

START_TEST(a_slow_probe_has_failed)
{
    fx.guards.breaker.slow = SP_SHARE_ALL;
    fx.guards.breaker.slow_min = 100;
    fx.guards.breaker.slow_over = 100 * SP_MS;
    trip_and_wait();
    call_took(SP_OUTCOME_OK, SP_SECOND);
    is(SP_STATE_OPEN);
}
END_TEST

START_TEST(closing_forgets_the_window)
{
    with_rate();
    fx.guards.breaker.rate_window = 10 * MINUTE;
    calls(10, SP_OUTCOME_EOF);
    is(SP_STATE_OPEN);
    fixture_forward(SP_SECOND);
    close_it();
    calls(9, SP_OUTCOME_EOF);
    is(SP_STATE_CLOSED);
}
END_TEST

START_TEST(a_probe_that_comes_to_nothing_gives_its_place_back)
{
    static const enum sp_outcome nothing[] = {SP_OUTCOME_ABANDONED, SP_OUTCOME_LOOKUP};
    trip_and_wait();
    for (int i = 0; i < 2; i++) {
        struct sp_permit probe = admitted();
        refused();
        sp_breaker_settle(&fx.call, &probe, nothing[i], SP_MS);
        is(SP_STATE_HALF_OPEN);
        ck_assert_uint_eq(now_is().streak, 0);
    }
    struct sp_permit probe = admitted();
    sp_breaker_return(&fx.call, &probe);
    sp_breaker_return(&fx.call, &probe);
    admitted();
    refused();
}
END_TEST

START_TEST(a_probe_that_hangs_is_given_up)
{
    fx.guards.breaker.giveup = 30 * SP_SECOND;
    trip_and_wait();
    admitted();
    fixture_forward(30 * SP_SECOND - SP_MS);
    refused();
    fixture_forward(SP_MS);
    ck_assert_int_eq(admitted().kind, SP_PERMIT_PROBE);
    refused();
}
END_TEST

START_TEST(a_process_whose_clock_was_read_earlier_does_not_steal_a_probe)
{
    trip_and_wait();
    fixture_forward(5 * SP_MS);
    admitted();
    fx.call.now -= SP_MS;
    refused();
    fx.call.now -= 2 * SP_MS;
    refused();
}
END_TEST

static enum sp_life nobody_lives(void *context, uint32_t slot, uint32_t *now_ms)
{
    (void)now_ms;
    (void)slot;
    ++*(int *)context;
    return false;
}

START_TEST(the_probe_of_a_dead_process_is_given_again_after_a_second)
{
    int asked = 0;
    fx.call.alive = nobody_lives;
    fx.call.alive_context = &asked;
    trip_and_wait();
    admitted();
    fixture_forward(SP_SECOND - SP_MS);
    refused();
    ck_assert_int_eq(asked, 0);
    fixture_forward(SP_MS);
    admitted();
    ck_assert_int_eq(asked, 1);
}
END_TEST

/* While somebody asks who lives, a whole round passes, and others take the places of the next. */
static enum sp_life a_round_passes(void *context, uint32_t slot, uint32_t *now_ms)
{
    struct sp_call other = fx.call;
    struct sp_permit permit;
    (void)slot;
    (void)now_ms;
    if (++*(int *)context > 1)
        return true;
    other.alive = NULL;
    sp_breaker_trip(&other);
    other.now += 8 * SP_SECOND;
    ck_assert_int_eq(sp_breaker_admit(&other, &permit), SP_PASS);
    ck_assert_int_eq(sp_breaker_admit(&other, &permit), SP_PASS);
    return true;
}

START_TEST(who_is_late_by_a_round_takes_no_probe_of_the_next)
{
    int asked = 0;
    fx.guards.breaker.probe = 2;
    trip_and_wait();
    admitted();
    fixture_forward(SP_SECOND);
    fx.call.alive = a_round_passes;
    fx.call.alive_context = &asked;
    refused();
    ck_assert_int_eq(asked, 1);
}
END_TEST

START_TEST(the_probe_of_a_slot_taken_over_is_given_again_at_once)
{
    trip_and_wait();
    admitted();
    refused();
    atomic_fetch_add(&fx.segment.processes[fx.segment.self.slot].epoch, 1);
    fx.segment.self.epoch++;
    admitted();
    refused();
}
END_TEST

START_TEST(a_process_without_a_slot_probes_too)
{
    fx.segment.self.slot = SP_NO_SLOT;
    trip_and_wait();
    struct sp_permit probe = admitted();
    ck_assert_int_eq(probe.kind, SP_PERMIT_PROBE);
    refused();
    sp_breaker_return(&fx.call, &probe);
    close_it();
}
END_TEST

/* --- closed again --- */

START_TEST(a_trip_soon_after_closing_goes_on_with_the_longer_time)
{
    trip_and_wait();
    calls(1, SP_OUTCOME_REFUSED);
    fixture_forward(2 * SP_SECOND);
    close_it();
    fixture_forward(8 * SP_SECOND - 10 * SP_MS);
    trip();
    ck_assert_uint_eq(open_ms(), 4000);
}
END_TEST

START_TEST(a_trip_after_one_longest_open_time_closed_is_fresh)
{
    trip_and_wait();
    calls(1, SP_OUTCOME_REFUSED);
    fixture_forward(2 * SP_SECOND);
    close_it();
    fixture_forward(8 * SP_SECOND + SP_MS);
    trip();
    ck_assert_uint_eq(open_ms(), 1000);
}
END_TEST

/* --- 32 bits of ms go round after 49.7 days, their differences change sign after 24.9 --- */

static const unsigned uptimes[] = {0, 24, 25, 49, 50, 99, 100};
#define UPTIMES (int)(sizeof uptimes / sizeof *uptimes)

/* Every ms around the turn of the 32 bits would be a test of its own; these are near it. */
static void at_uptime(int i)
{
    fx.call.now = uptimes[i] == 0     ? SP_SECOND
                  : uptimes[i] == 99  ? ((UINT64_C(1) << 32) - 500) * SP_MS
                  : uptimes[i] == 100 ? ((UINT64_C(1) << 31) - 500) * SP_MS
                                      : uptimes[i] * DAY;
}

START_TEST(a_whole_round_is_the_same_at_every_uptime)
{
    at_uptime(_i);
    trip();
    ck_assert_uint_eq(open_ms(), 1000);
    fixture_forward(SP_SECOND - SP_MS);
    refused();
    fixture_forward(SP_MS);
    calls(1, SP_OUTCOME_REFUSED);
    ck_assert_uint_eq(open_ms(), 2000);
    fixture_forward(2 * SP_SECOND);
    admitted();
    refused();
    fixture_forward(fx.guards.breaker.giveup);
    close_it();
    fixture_forward(9 * SP_SECOND);
    trip();
    ck_assert_uint_eq(open_ms(), 1000);
}
END_TEST

START_TEST(after_days_of_silence_an_open_time_is_over)
{
    trip();
    fixture_forward(uptimes[_i] * DAY + 9 * SP_SECOND);
    admitted();
}
END_TEST

START_TEST(after_days_of_peace_a_trip_is_fresh)
{
    trip_and_wait();
    calls(1, SP_OUTCOME_REFUSED);
    fixture_forward(2 * SP_SECOND);
    close_it();
    fixture_forward(uptimes[_i] * DAY + 9 * SP_SECOND);
    trip();
    ck_assert_uint_eq(open_ms(), 1000);
}
END_TEST

/* --- steering --- */

START_TEST(tripped_by_hand_it_opens_and_recovers_by_itself)
{
    sp_breaker_trip(&fx.call);
    refused();
    ck_assert_uint_eq(open_ms(), 1000);
    fixture_forward(SP_SECOND);
    close_it();
}
END_TEST

START_TEST(held_open_it_refuses_until_reset)
{
    sp_breaker_hold(&fx.call, SP_HOLD_OPEN, 0);
    fixture_forward(30 * DAY);
    refused();
    sp_breaker_reset(&fx.call);
    ck_assert_int_eq(admitted().kind, SP_PERMIT_CALL);
}
END_TEST

START_TEST(held_open_for_a_time_it_goes_on_with_probes)
{
    sp_breaker_hold(&fx.call, SP_HOLD_OPEN, fx.call.now + MINUTE);
    fixture_forward(MINUTE - 1);
    refused();
    fixture_forward(1);
    ck_assert_int_eq(admitted().kind, SP_PERMIT_PROBE);
    refused();
}
END_TEST

START_TEST(held_closed_it_admits_whatever_fails)
{
    sp_breaker_hold(&fx.call, SP_HOLD_CLOSED, fx.call.now + MINUTE);
    calls(50, SP_OUTCOME_REFUSED);
    ck_assert_int_eq(admitted().kind, SP_PERMIT_CALL);
    fixture_forward(MINUTE);
    calls(2, SP_OUTCOME_REFUSED);
    is(SP_STATE_CLOSED);
    ck_assert_int_eq(now_is().hold, SP_HOLD_NONE);
    calls(1, SP_OUTCOME_REFUSED);
    is(SP_STATE_OPEN);
}
END_TEST

START_TEST(a_new_hold_replaces_the_old_one)
{
    sp_breaker_hold(&fx.call, SP_HOLD_OPEN, fx.call.now + SP_SECOND);
    sp_breaker_hold(&fx.call, SP_HOLD_CLOSED, 0);
    fixture_forward(DAY);
    calls(10, SP_OUTCOME_REFUSED);
    admitted();
    sp_breaker_trip(&fx.call);
    refused();
    fixture_forward(8 * SP_SECOND);
    ck_assert_int_eq(admitted().kind, SP_PERMIT_PROBE);
}
END_TEST

START_TEST(reset_clears_in_place_and_voids_what_was_admitted)
{
    trip_and_wait();
    struct sp_permit probe = admitted();
    uint16_t epoch = now_is().epoch;
    sp_breaker_reset(&fx.call);
    struct sp_breaker b = now_is();
    ck_assert_int_eq(b.state, SP_STATE_CLOSED);
    ck_assert_uint_eq(b.streak, 0);
    ck_assert_uint_eq(b.backoff, 0);
    ck_assert_uint_eq(b.until, 0);
    ck_assert_uint_eq(b.epoch, epoch + 1u);
    sp_breaker_settle(&fx.call, &probe, SP_OUTCOME_REFUSED, SP_MS);
    is(SP_STATE_CLOSED);
}
END_TEST

START_TEST(the_epoch_goes_round_without_touching_other_bits)
{
    for (unsigned i = 0; i <= SP_BREAKER_EPOCH_MASK; i++)
        sp_breaker_reset(&fx.call);
    ck_assert_uint_eq(atomic_load(&fx.call.dest->cell.word), 0);
}
END_TEST

/* --- looking --- */

START_TEST(a_look_shows_what_the_next_call_would_meet)
{
    struct sp_breaker_view view;
    calls(2, SP_OUTCOME_REFUSED);
    sp_breaker_look(&fx.call, &view);
    ck_assert_int_eq(view.state, SP_STATE_CLOSED);
    ck_assert_uint_eq(view.streak, 2);
    calls(1, SP_OUTCOME_REFUSED);
    fixture_forward(400 * SP_MS);
    sp_breaker_look(&fx.call, &view);
    ck_assert_int_eq(view.state, SP_STATE_OPEN);
    ck_assert_uint_eq(view.until, 600 * SP_MS);
    fixture_forward(SP_SECOND);
    sp_breaker_look(&fx.call, &view);
    ck_assert_uint_eq(view.until, 0);
    calls(1, SP_OUTCOME_OK);
    admitted();
    sp_breaker_look(&fx.call, &view);
    ck_assert_int_eq(view.state, SP_STATE_HALF_OPEN);
    ck_assert_uint_eq(view.successes, 1);
    ck_assert_uint_eq(view.needed, 2);
    ck_assert_uint_eq(view.probes, 1);
}
END_TEST

START_TEST(a_look_shows_a_hold_while_it_lasts)
{
    struct sp_breaker_view view;
    sp_breaker_hold(&fx.call, SP_HOLD_OPEN, fx.call.now + MINUTE);
    sp_breaker_look(&fx.call, &view);
    ck_assert_int_eq(view.hold, SP_HOLD_OPEN);
    ck_assert_uint_eq(view.until, MINUTE);
    fixture_forward(MINUTE);
    sp_breaker_look(&fx.call, &view);
    ck_assert_int_eq(view.hold, SP_HOLD_NONE);
    ck_assert_uint_eq(view.until, 0);
}
END_TEST

/* --- many at once --- */

#define CROWD 16

struct crowd {
    pthread_barrier_t *start;
    pthread_barrier_t *end;
    _Atomic unsigned *admitted;
};

/* A process of its own, though the page that says so is its parent's: it joins anew. */
static int crowd_fails(void *context)
{
    const struct crowd *crowd = context;
    struct sp_permit permit;
    if (sp_process_join(&fx.segment) != 0)
        return 1;
    sp_breaker_admit(&fx.call, &permit);
    pthread_barrier_wait(crowd->start);
    sp_breaker_settle(&fx.call, &permit, SP_OUTCOME_REFUSED, SP_MS);
    return 0;
}

static int crowd_probes(void *context)
{
    const struct crowd *crowd = context;
    struct sp_permit permit;
    if (sp_process_join(&fx.segment) != 0)
        return 1;
    pthread_barrier_wait(crowd->start);
    for (int i = 0; i < 50; i++)
        if (sp_breaker_admit(&fx.call, &permit) == SP_PASS)
            atomic_fetch_add(crowd->admitted, 1);
    pthread_barrier_wait(crowd->end);
    return 0;
}

static void crowd_run(int (*work)(void *), struct crowd *crowd)
{
    pid_t child[CROWD];
    for (int i = 0; i < CROWD; i++)
        child[i] = fixture_fork(work, crowd);
    for (int i = 0; i < CROWD; i++)
        ck_assert_int_eq(fixture_end(child[i]), 0);
}

START_TEST(of_many_processes_one_wins_the_transition_and_writes_the_event)
{
    fx.guards.breaker.streak = CROWD;
    struct crowd crowd = {.start = fixture_barrier(CROWD)};
    crowd_run(crowd_fails, &crowd);
    is(SP_STATE_OPEN);
    ck_assert_uint_eq(now_is().epoch, 1);
    ck_assert_uint_eq(atomic_load(&fx.call.dest->cell.opened), 1);
    ck_assert_uint_eq(fixture_events(SP_EVENT_BREAKER), 1);
}
END_TEST

START_TEST(a_rate_reached_by_many_processes_is_not_lost)
{
    with_rate();
    fx.guards.breaker.rate_min = CROWD;
    fx.guards.breaker.rate = SP_SHARE_ALL;
    struct crowd crowd = {.start = fixture_barrier(CROWD)};
    crowd_run(crowd_fails, &crowd);
    is(SP_STATE_OPEN);
    ck_assert_uint_eq(fixture_events(SP_EVENT_BREAKER), 1);
}
END_TEST

START_TEST(many_processes_share_exactly_the_probes)
{
    fx.guards.breaker.probe = 3;
    trip_and_wait();
    uint64_t events = fixture_events(SP_EVENT_BREAKER);
    struct crowd crowd = {.start = fixture_barrier(CROWD),
                          .end = fixture_barrier(CROWD),
                          .admitted = fixture_shared(4096)};
    crowd_run(crowd_probes, &crowd);
    ck_assert_uint_eq(atomic_load(crowd.admitted), 3);
    ck_assert_uint_eq(atomic_load(&fx.call.dest->cell.half_opened), 1);
    ck_assert_uint_eq(fixture_events(SP_EVENT_BREAKER), events + 1);
}
END_TEST

/* Threads of one process: what the thread sanitizer can see. */
static void *thread_calls(void *context)
{
    struct sp_call call = fx.call;
    struct sp_permit permit;
    call.random = (uint64_t)(uintptr_t)context;
    for (unsigned i = 0; i < 2000; i++) {
        call.now += 3 * SP_MS;
        if (sp_breaker_admit(&call, &permit) == SP_PASS)
            sp_breaker_settle(&call, &permit, i / 100 % 2 ? SP_OUTCOME_REFUSED : SP_OUTCOME_OK,
                              SP_MS);
    }
    return NULL;
}

START_TEST(threads_of_one_process_take_turns)
{
    pthread_t thread[4];
    with_rate();
    fx.guards.breaker.streak = 5;
    for (uintptr_t i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, thread_calls, (void *)i), 0);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
    ck_assert_uint_gt(atomic_load(&fx.call.dest->cell.opened), 0);
    ck_assert_uint_eq(sp_event_last(&fx.segment), atomic_load(&fx.call.dest->cell.opened) +
                                                      atomic_load(&fx.call.dest->cell.closed) +
                                                      atomic_load(&fx.call.dest->cell.half_opened));
}
END_TEST

static void add_closed_and_open(TCase *tests)
{
    tcase_add_test(tests, so_many_failures_in_a_row_open_it);
    tcase_add_test(tests, a_success_ends_the_row);
    tcase_add_test(tests, a_success_without_a_row_writes_nothing);
    tcase_add_test(tests, with_the_row_off_it_never_opens_and_the_count_stays_in_its_bits);
    tcase_add_test(tests, a_rate_opens_it_once_the_minimum_is_there);
    tcase_add_test(tests, below_the_rate_it_stays_closed);
    tcase_add_test(tests, failures_older_than_the_window_are_forgotten);
    tcase_add_test(tests, slow_calls_open_it_even_if_they_succeed);
    tcase_add_test(tests, outcomes_outside_the_mask_blame_nobody);
    tcase_add_test(tests, the_policy_says_which_outcomes_are_failures);
    tcase_add_test(tests, a_shadow_has_no_vote);
    tcase_add_test(tests, a_result_of_an_older_epoch_only_counts);
    tcase_add_test(tests, it_refuses_for_exactly_its_open_time);
    tcase_add_test(tests, every_failed_probe_doubles_the_open_time_up_to_the_maximum);
    tcase_add_test(tests, the_count_of_doublings_stays_in_its_bits);
    tcase_add_test(tests, jitter_adds_up_to_a_quarter_and_never_beyond_the_maximum);
    tcase_add_test(tests, one_open_time_has_no_jitter);
}

static void add_half_open(TCase *tests)
{
    tcase_add_test(tests, half_open_admits_exactly_its_probes);
    tcase_add_test(tests, a_second_half_open_time_has_all_its_probes_again);
    tcase_add_test(tests, so_many_successes_close_it);
    tcase_add_test(tests, one_failed_probe_opens_it_again);
    tcase_add_test(tests, a_slow_probe_has_failed);
    tcase_add_test(tests, closing_forgets_the_window);
    tcase_add_test(tests, a_probe_that_comes_to_nothing_gives_its_place_back);
    tcase_add_test(tests, a_probe_that_hangs_is_given_up);
    tcase_add_test(tests, a_process_whose_clock_was_read_earlier_does_not_steal_a_probe);
    tcase_add_test(tests, the_probe_of_a_dead_process_is_given_again_after_a_second);
    tcase_add_test(tests, who_is_late_by_a_round_takes_no_probe_of_the_next);
    tcase_add_test(tests, the_probe_of_a_slot_taken_over_is_given_again_at_once);
    tcase_add_test(tests, a_process_without_a_slot_probes_too);
    tcase_add_test(tests, a_trip_soon_after_closing_goes_on_with_the_longer_time);
    tcase_add_test(tests, a_trip_after_one_longest_open_time_closed_is_fresh);
    tcase_add_loop_test(tests, a_whole_round_is_the_same_at_every_uptime, 0, UPTIMES);
    tcase_add_loop_test(tests, after_days_of_silence_an_open_time_is_over, 0, UPTIMES);
    tcase_add_loop_test(tests, after_days_of_peace_a_trip_is_fresh, 0, UPTIMES);
}

static void add_steering(TCase *tests)
{
    tcase_add_test(tests, tripped_by_hand_it_opens_and_recovers_by_itself);
    tcase_add_test(tests, held_open_it_refuses_until_reset);
    tcase_add_test(tests, held_open_for_a_time_it_goes_on_with_probes);
    tcase_add_test(tests, held_closed_it_admits_whatever_fails);
    tcase_add_test(tests, a_new_hold_replaces_the_old_one);
    tcase_add_test(tests, reset_clears_in_place_and_voids_what_was_admitted);
    tcase_add_test(tests, the_epoch_goes_round_without_touching_other_bits);
    tcase_add_test(tests, a_look_shows_what_the_next_call_would_meet);
    tcase_add_test(tests, a_look_shows_a_hold_while_it_lasts);
}

Suite *suite_breaker(void);
Suite *suite_breaker(void)
{
    Suite *suite = suite_create("breaker");
    add_closed_and_open(fixture_case(suite, "closed and open"));
    add_half_open(fixture_case(suite, "half-open"));
    add_steering(fixture_case(suite, "steering"));
    TCase *many = fixture_case(suite, "many");
    tcase_add_test(many, of_many_processes_one_wins_the_transition_and_writes_the_event);
    tcase_add_test(many, a_rate_reached_by_many_processes_is_not_lost);
    tcase_add_test(many, many_processes_share_exactly_the_probes);
    tcase_add_test(many, threads_of_one_process_take_turns);
    return suite;
}
