/* The queue before a cap: first come, first served, whoever dies or stops in it. */
#include "fixture.h"

#define CALLERS 8

/* A process of its own, with one thread that connects. */
static struct caller {
    struct sp_segment segment;
    struct sp_call call;
    struct sp_wait wait;
    struct sp_admission admission;
} callers[CALLERS];

static uint32_t rung_bits;
static unsigned rings;

static void ring(sp_half *bell, uint32_t bits)
{
    (void)bell;
    rung_bits = bits;
    rings++;
}

static void with_callers(uint32_t cap, uint64_t wait)
{
    fx.guards.cap[SP_CAP_CONNECTIONS] = cap;
    fx.guards.cap_wait = wait;
    for (uint32_t i = 0; i < CALLERS; i++) {
        struct caller *c = &callers[i];
        c->segment = fx.segment;
        c->segment.self.slot = 100 + i;
        c->segment.self.epoch = 1;
        atomic_store(&fx.segment.processes[100 + i].epoch, 1);
        c->call = fx.call;
        c->call.segment = &c->segment;
        c->call.wake = ring;
        sp_wait_none(&c->wait);
    }
    rings = 0;
}

static enum sp_verdict asks(unsigned i)
{
    callers[i].call.now = fx.call.now;
    return sp_order_admit(&callers[i].call, true, &callers[i].wait, &callers[i].admission);
}

static void leaves(unsigned i)
{
    callers[i].call.now = fx.call.now;
    sp_cap_release(&callers[i].call, &callers[i].admission);
}

/* Who has joined looks once more before it sleeps. */
static void queues(unsigned i)
{
    ck_assert_int_eq(asks(i), SP_WAIT);
    ck_assert_int_eq(asks(i), SP_WAIT);
    ck_assert_uint_gt(callers[i].wait.wake, fx.call.now);
    ck_assert_uint_le(callers[i].wait.wake, fx.call.now + SP_QUEUE_SLICE);
}

static void passes(unsigned i)
{
    ck_assert_int_eq(asks(i), SP_PASS);
    ck_assert_uint_ne(callers[i].admission.places[SP_CAP_CONNECTIONS], SP_NO_LEASE);
}

static uint32_t waiting(void)
{
    return sp_queue_waiting(&fx.segment, &fx.call.dest->queues[SP_LINE_CONNECT], fx.call.now, NULL);
}

static struct sp_shard *shard(void)
{
    return &fx.call.dest->shards[fx.segment.self.shard];
}

START_TEST(the_places_go_by_age)
{
    with_callers(1, SP_SECOND);
    passes(0);
    for (unsigned i = 1; i < CALLERS; i++)
        queues(i);
    ck_assert_uint_eq(waiting(), CALLERS - 1);
    for (unsigned i = 1; i < CALLERS; i++) {
        fixture_forward(SP_MS);
        leaves(i - 1);
        for (unsigned later = CALLERS - 1; later > i + 1; later--)
            ck_assert_int_eq(asks(later), SP_WAIT);
        passes(i);
    }
    ck_assert_uint_eq(waiting(), 0);
}
END_TEST

START_TEST(the_second_goes_before_the_first_once)
{
    with_callers(1, SP_SECOND);
    passes(0);
    for (unsigned i = 1; i < 5; i++)
        queues(i);
    leaves(0);
    passes(2);
    leaves(2);
    ck_assert_int_eq(asks(3), SP_WAIT);
    passes(1);
    leaves(1);
    passes(4); /* once before the third, which nobody has passed so far */
}
END_TEST

START_TEST(a_look_that_found_no_place_passed_nobody)
{
    with_callers(1, SP_SECOND);
    passes(0);
    queues(1);
    queues(2);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_int_eq(asks(2), SP_WAIT);
    leaves(0);
    passes(2);
}
END_TEST

START_TEST(who_does_not_wait_is_refused_while_others_do)
{
    with_callers(1, SP_SECOND);
    passes(0);
    queues(1);
    leaves(0);
    callers[2].call.now = fx.call.now;
    ck_assert_int_eq(sp_order_admit(&callers[2].call, true, NULL, &callers[2].admission),
                     SP_REFUSED_CAP);
    ck_assert_int_eq(asks(3), SP_WAIT); /* who waits stands behind */
    passes(1);
    leaves(1);
    passes(3);
}
END_TEST

static enum sp_life all_but_the_first(void *context, uint32_t slot, uint32_t *now_ms)
{
    (void)context;
    (void)now_ms;
    return slot == 100 ? SP_LIFE_GONE : SP_LIFE_ALIVE;
}

/* Places come back all the time, so nobody finds the cap full: the dead are missed all the same. */
START_TEST(a_line_that_moves_looks_for_the_dead_too)
{
    with_callers(3, SP_SECOND);
    for (unsigned i = 0; i < CALLERS; i++)
        callers[i].call.alive = all_but_the_first;
    for (unsigned i = 0; i < 3; i++)
        passes(i); /* the first of them is dead from here on */
    for (unsigned i = 3; i < 7; i++)
        ck_assert_int_eq(asks(i), SP_WAIT);
    fixture_forward(SP_QUEUE_SLICE);
    leaves(1);
    passes(3);
    passes(4);
    ck_assert_int_eq(asks(5), SP_WAIT);
}
END_TEST

START_TEST(a_wait_ends_with_its_time)
{
    with_callers(1, 50 * SP_MS);
    passes(0);
    queues(1);
    fixture_forward(40 * SP_MS);
    ck_assert_int_eq(asks(1), SP_WAIT);
    ck_assert_uint_eq(callers[1].wait.wake, FIXTURE_START + 50 * SP_MS);
    fixture_forward(10 * SP_MS);
    ck_assert_int_eq(asks(1), SP_REFUSED_CAP);
    ck_assert_uint_eq(waiting(), 0);
    ck_assert_uint_eq(atomic_load(&shard()->rejected[SP_REFUSED_CAP - 1]), 1);
    ck_assert_uint_eq(atomic_load(&fx.call.dest->wait_time[sp_bin_of(50 * SP_MS)]), 1);
}
END_TEST

START_TEST(a_wait_ends_with_the_time_of_the_whole_call)
{
    with_callers(1, SP_SECOND);
    fx.guards.deadline[SP_DEADLINE_TOTAL] = 30 * SP_MS;
    passes(0);
    queues(1);
    fixture_forward(30 * SP_MS);
    ck_assert_int_eq(asks(1), SP_REFUSED_CAP);
}
END_TEST

START_TEST(who_has_waited_says_since_when)
{
    with_callers(1, SP_SECOND);
    passes(0);
    queues(1);
    fixture_forward(20 * SP_MS);
    leaves(0);
    passes(1);
    ck_assert_uint_eq(callers[1].admission.began, FIXTURE_START);
    ck_assert_uint_eq(atomic_load(&fx.call.dest->wait_time[sp_bin_of(20 * SP_MS)]), 1);
}
END_TEST

/* Stopped or dead: both are not awake any more. */
START_TEST(who_is_not_awake_is_passed_over)
{
    with_callers(1, SP_SECOND);
    passes(0);
    for (unsigned i = 1; i < 5; i++)
        queues(i);
    leaves(0);
    passes(2); /* the first is asleep for good: once, the next may pass it */
    leaves(2);
    for (unsigned ms = 0; ms < SP_QUEUE_STALE_MS; ms += 20) {
        ck_assert_int_eq(asks(3), SP_WAIT);
        ck_assert_int_eq(asks(4), SP_WAIT);
        fixture_forward(20 * SP_MS);
    }
    ck_assert_uint_eq(waiting(), 2);
    passes(3);
    leaves(3);
    passes(4);
    leaves(4);
    ck_assert_int_eq(asks(1), SP_PASS); /* awake again, it still has its turn */
}
END_TEST

START_TEST(a_ticket_of_a_process_that_was_replaced_is_void_at_once)
{
    with_callers(1, SP_SECOND);
    passes(0);
    queues(1);
    queues(2);
    queues(3);
    atomic_store(&fx.segment.processes[101].epoch, 2);
    leaves(0);
    passes(2);
    leaves(2);
    passes(3);
    ck_assert_uint_eq(waiting(), 0);
}
END_TEST

START_TEST(whose_ticket_was_taken_for_gone_joins_again)
{
    with_callers(1, 10 * SP_SECOND);
    passes(0);
    queues(1);
    fixture_forward(2 * SP_SECOND);
    queues(2); /* drops what nobody has been awake for */
    ck_assert_int_eq(asks(1), SP_WAIT);
    ck_assert_uint_eq(waiting(), 2);
    leaves(0);
    passes(2);
    leaves(2);
    passes(1);
}
END_TEST

START_TEST(a_place_given_back_rings_for_the_two_oldest)
{
    with_callers(1, SP_SECOND);
    passes(0);
    leaves(0);
    ck_assert_uint_eq(rings, 0); /* nobody waits, nobody is woken */
    passes(0);
    for (unsigned i = 1; i < 5; i++)
        queues(i);
    uint32_t heard = callers[1].wait.heard;
    leaves(0);
    ck_assert_uint_eq(rings, 1);
    ck_assert_uint_eq(rung_bits, callers[1].wait.bits | callers[2].wait.bits);
    ck_assert_uint_ne(atomic_load(callers[1].wait.bell), heard);
    passes(1);
    ck_assert_uint_eq(rung_bits, callers[2].wait.bits | callers[3].wait.bits);
}
END_TEST

START_TEST(who_gives_up_leaves_no_hole)
{
    with_callers(1, SP_SECOND);
    passes(0);
    queues(1);
    queues(2);
    sp_order_leave(&callers[1].call, true, &callers[1].wait);
    ck_assert_uint_eq(waiting(), 1);
    leaves(0);
    passes(2);
}
END_TEST

START_TEST(when_all_tickets_are_taken_the_next_is_refused)
{
    static struct sp_wait waits[SP_TICKETS];
    with_callers(1, SP_SECOND);
    passes(0);
    for (unsigned i = 0; i < SP_TICKETS; i++) {
        sp_wait_none(&waits[i]);
        ck_assert_int_eq(sp_order_admit(&callers[1].call, true, &waits[i], &callers[1].admission),
                         SP_WAIT);
    }
    ck_assert_uint_eq(waiting(), SP_TICKETS);
    ck_assert_int_eq(asks(2), SP_REFUSED_CAP);
    fixture_forward(SP_QUEUE_STALE_MS * SP_MS); /* they have died, and are in nobody's way */
    ck_assert_int_eq(asks(2), SP_WAIT);
    ck_assert_uint_eq(waiting(), 1);
}
END_TEST

START_TEST(a_breaker_that_opens_ends_the_wait)
{
    with_callers(1, SP_SECOND);
    passes(0);
    queues(1);
    sp_breaker_trip(&fx.call);
    ck_assert_int_eq(asks(1), SP_REFUSED_BREAKER);
    ck_assert_uint_eq(waiting(), 0);
}
END_TEST

START_TEST(a_probe_is_not_kept_asleep)
{
    with_callers(1, 10 * SP_SECOND);
    passes(0);
    sp_breaker_trip(&fx.call);
    fixture_forward(SP_SECOND);
    queues(1);
    ck_assert_int_eq(asks(2), SP_WAIT); /* and is not refused for want of a probe */
    leaves(0);
    passes(1);
    ck_assert_int_eq(callers[1].admission.permit.kind, SP_PERMIT_PROBE);
}
END_TEST

START_TEST(an_observed_destination_keeps_nobody_waiting)
{
    with_callers(1, SP_SECOND);
    fx.guards.mode = SP_MODE_OBSERVE;
    passes(0);
    ck_assert_int_eq(asks(1), SP_PASS);
    ck_assert_uint_eq(atomic_load(&shard()->detected[SP_REFUSED_CAP - 1]), 1);
}
END_TEST

/* A connect needs both places or none. */
START_TEST(what_is_missing_gives_back_the_rest)
{
    uint32_t count;
    with_callers(4, 0);
    fx.guards.cap[SP_CAP_CONNECTING] = 1;
    const struct sp_policy *policy = fixture_policy("destination db\n match 10.0.0.1:1\n"
                                                    " cap 4 connecting 1 inflight 1\n");
    ck_assert_int_eq(sp_segment_apply(&fx.segment, policy, NULL), 0);
    passes(0);
    ck_assert_uint_ne(callers[0].admission.places[SP_CAP_CONNECTING], SP_NO_LEASE);
    ck_assert_int_eq(asks(1), SP_REFUSED_CAP);
    sp_word *words = sp_lease_words(&fx.segment, fx.call.dest, SP_CAP_CONNECTIONS, &count);
    ck_assert_uint_eq(sp_lease_held(&fx.segment, words, count), 1);
}
END_TEST

START_TEST(exchanges_have_places_and_a_line_of_their_own)
{
    struct sp_admission admission;
    with_callers(1, SP_SECOND);
    const struct sp_policy *policy =
        fixture_policy("destination db\n match 10.0.0.1:1\n cap 4 inflight 1 wait 1s\n");
    ck_assert_int_eq(sp_segment_apply(&fx.segment, policy, NULL), 0);
    fx.guards.cap[SP_CAP_INFLIGHT] = 1;
    passes(0);
    queues(1);
    struct sp_call *call = &callers[2].call;
    ck_assert_int_eq(sp_order_admit(call, false, NULL, &admission), SP_PASS);
    ck_assert_uint_ne(admission.places[SP_CAP_INFLIGHT], SP_NO_LEASE);
    ck_assert_int_eq(sp_order_admit(call, false, NULL, &callers[2].admission), SP_REFUSED_CAP);
    ck_assert_int_eq(sp_order_first(call, NULL, &callers[2].admission), SP_REFUSED_CAP);
    ck_assert_int_eq(sp_order_first(call, &callers[2].wait, &callers[2].admission), SP_WAIT);
    sp_cap_release(call, &admission);
    ck_assert_int_eq(sp_order_first(call, &callers[2].wait, &callers[2].admission), SP_PASS);
}
END_TEST

Suite *suite_queue(void);
Suite *suite_queue(void)
{
    Suite *suite = suite_create("queue");
    TCase *tests = fixture_case(suite, "queue");
    tcase_add_test(tests, the_places_go_by_age);
    tcase_add_test(tests, the_second_goes_before_the_first_once);
    tcase_add_test(tests, a_look_that_found_no_place_passed_nobody);
    tcase_add_test(tests, who_does_not_wait_is_refused_while_others_do);
    tcase_add_test(tests, a_line_that_moves_looks_for_the_dead_too);
    tcase_add_test(tests, a_wait_ends_with_its_time);
    tcase_add_test(tests, a_wait_ends_with_the_time_of_the_whole_call);
    tcase_add_test(tests, who_has_waited_says_since_when);
    tcase_add_test(tests, who_is_not_awake_is_passed_over);
    tcase_add_test(tests, a_ticket_of_a_process_that_was_replaced_is_void_at_once);
    tcase_add_test(tests, whose_ticket_was_taken_for_gone_joins_again);
    tcase_add_test(tests, a_place_given_back_rings_for_the_two_oldest);
    tcase_add_test(tests, who_gives_up_leaves_no_hole);
    tcase_add_test(tests, when_all_tickets_are_taken_the_next_is_refused);
    tcase_add_test(tests, a_breaker_that_opens_ends_the_wait);
    tcase_add_test(tests, a_probe_is_not_kept_asleep);
    tcase_add_test(tests, an_observed_destination_keeps_nobody_waiting);
    tcase_add_test(tests, what_is_missing_gives_back_the_rest);
    tcase_add_test(tests, exchanges_have_places_and_a_line_of_their_own);
    return suite;
}
