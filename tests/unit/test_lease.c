#include "fixture.h"

#include <string.h>
#include <unistd.h>

#define MS0 UINT32_C(1000000)

static sp_word *words;
static uint32_t count;

static bool living[SP_PROCESSES];
static unsigned asked, asked_late;

static enum sp_life lives(void *context, uint32_t slot, uint32_t *now_ms)
{
    (void)context;
    *now_ms += asked_late;
    asked++;
    return living[slot];
}

/* Slots 0..9 are taken, in epoch 1, by processes that live. */
static void with_processes(void)
{
    words = sp_lease_words(&fx.segment, fx.call.dest, SP_CAP_CONNECTIONS, &count);
    ck_assert_ptr_nonnull(words);
    ck_assert_uint_ge(count, 4);
    for (uint32_t slot = 0; slot < 10; slot++) {
        atomic_store(&fx.segment.processes[slot].epoch, 1);
        living[slot] = true;
    }
}

static uint32_t take(uint32_t slot, uint32_t limit, uint32_t ms)
{
    return sp_lease_take(&fx.segment, words, limit, sp_lease_word(slot, 1, 7), ms, lives, NULL);
}

static void take_all(uint32_t slot, uint32_t limit)
{
    for (uint32_t i = 0; i < limit; i++)
        ck_assert_uint_lt(take(slot, limit, MS0), limit);
}

START_TEST(a_word_gives_back_what_was_put_in)
{
    uint64_t lease = sp_lease_word(1023, 0x12345678, 0xdeadbeef);
    ck_assert_uint_eq(sp_lease_slot(lease), 1023);
    ck_assert_uint_eq(sp_lease_epoch(lease), 0x45678);
    ck_assert_uint_eq(sp_lease_detail(lease), 0xdeadbeef);
    ck_assert_uint_eq(lease & SP_LEASE_DEAD, 0);
    ck_assert_uint_ne(sp_lease_word(0, 0, 0), 0);
}
END_TEST

START_TEST(so_many_and_no_more)
{
    take_all(0, 4);
    ck_assert_uint_eq(sp_lease_held(&fx.segment, words, count), 4);
    ck_assert_uint_eq(take(1, 4, MS0), SP_NO_LEASE);
    ck_assert_uint_eq(take(1, 4, MS0 + 10000), SP_NO_LEASE);
}
END_TEST

START_TEST(a_place_given_back_is_free_at_once)
{
    take_all(0, 4);
    sp_lease_give(words, count, 2, sp_lease_word(0, 1, 7));
    ck_assert_uint_eq(take(1, 4, MS0), 2);
}
END_TEST

START_TEST(nobody_gives_back_what_is_not_his)
{
    take_all(0, 4);
    sp_lease_give(words, count, 2, sp_lease_word(1, 1, 7));
    sp_lease_give(words, count, 2, sp_lease_word(0, 2, 7));
    sp_lease_give(words, count, SP_NO_LEASE, sp_lease_word(0, 1, 7));
    ck_assert_uint_eq(take(1, 4, MS0), SP_NO_LEASE);
}
END_TEST

START_TEST(nothing_is_taken_of_nothing)
{
    ck_assert_uint_eq(take(0, 0, MS0), SP_NO_LEASE);
}
END_TEST

START_TEST(who_lives_is_asked_only_when_all_is_full_and_once_a_process)
{
    take_all(0, 3);
    take(1, 4, MS0);
    ck_assert_uint_eq(asked, 0);
    take(2, 4, MS0);
    ck_assert_uint_eq(asked, 2);
}
END_TEST

START_TEST(the_place_of_a_dead_process_is_granted_after_the_grace)
{
    take_all(0, 4);
    living[0] = false;
    ck_assert_uint_eq(take(1, 4, MS0), SP_NO_LEASE);
    ck_assert_uint_eq(sp_lease_held(&fx.segment, words, count), 0);
    ck_assert_uint_eq(take(1, 4, MS0 + SP_LEASE_GRACE_MS - 1), SP_NO_LEASE);
    ck_assert_uint_lt(take(1, 4, MS0 + SP_LEASE_GRACE_MS), 4);
}
END_TEST

START_TEST(all_places_of_the_dead_come_back_at_once)
{
    take_all(0, 3);
    take(1, 4, MS0);
    living[0] = false;
    ck_assert_uint_eq(take(1, 4, MS0), SP_NO_LEASE);
    ck_assert_uint_lt(take(1, 4, MS0 + SP_LEASE_GRACE_MS), 4);
    asked = 0;
    ck_assert_uint_lt(take(1, 4, MS0 + SP_LEASE_GRACE_MS), 4);
    ck_assert_uint_lt(take(1, 4, MS0 + SP_LEASE_GRACE_MS), 4);
    ck_assert_uint_eq(asked, 0);
}
END_TEST

START_TEST(the_dead_are_found_where_places_are_free_too)
{
    take_all(0, 2);
    living[0] = false;
    for (uint32_t ms = 0; ms <= SP_LEASE_GRACE_MS; ms += SP_LEASE_GRACE_MS)
        sp_lease_reap(&fx.segment, words, 4, MS0 + ms, lives, NULL);
    for (uint32_t i = 0; i < 4; i++)
        ck_assert_uint_eq(atomic_load(&words[i]), 0);
    take_all(1, 2);
    sp_lease_reap(&fx.segment, words, 4, MS0 + 1000, lives, NULL);
    ck_assert_uint_eq(sp_lease_held(&fx.segment, words, count), 2);
}
END_TEST

START_TEST(a_slot_taken_over_frees_the_leases_of_its_former_owner)
{
    take_all(0, 4);
    atomic_store(&fx.segment.processes[0].epoch, 2);
    ck_assert_uint_eq(sp_lease_held(&fx.segment, words, count), 0);
    ck_assert_uint_eq(take(1, 4, MS0), SP_NO_LEASE);
    ck_assert_uint_lt(take(1, 4, MS0 + SP_LEASE_GRACE_MS), 4);
}
END_TEST

START_TEST(the_grace_holds_for_one_whose_clock_was_read_earlier)
{
    take_all(0, 4);
    living[0] = false;
    take(1, 4, MS0);
    ck_assert_uint_eq(take(1, 4, MS0 - 1), SP_NO_LEASE);
    ck_assert_uint_eq(take(1, 4, MS0 - 30), SP_NO_LEASE);
}
END_TEST

START_TEST(the_grace_begins_when_the_death_is_seen)
{
    take_all(0, 4);
    living[0] = false;
    asked_late = 500; /* the call had slept since it read its clock */
    take(1, 4, MS0);
    ck_assert_uint_eq(take(1, 4, MS0 + 500 + SP_LEASE_GRACE_MS - 1), SP_NO_LEASE);
    ck_assert_uint_lt(take(1, 4, MS0 + 500 + SP_LEASE_GRACE_MS), 4);
}
END_TEST

START_TEST(the_grace_holds_while_the_clock_goes_round)
{
    take_all(0, 4);
    living[0] = false;
    take(1, 4, UINT32_MAX - 10);
    ck_assert_uint_eq(take(1, 4, 20), SP_NO_LEASE);
    ck_assert_uint_lt(take(1, 4, SP_LEASE_GRACE_MS), 4);
}
END_TEST

START_TEST(who_was_called_dead_too_early_cannot_free_the_next_ones_place)
{
    take_all(0, 4);
    living[0] = false;
    take(1, 4, MS0);
    uint32_t at = take(1, 4, MS0 + SP_LEASE_GRACE_MS);
    sp_lease_give(words, count, at, sp_lease_word(0, 1, 7));
    ck_assert_uint_eq(atomic_load(&words[at]), sp_lease_word(1, 1, 7));
}
END_TEST

START_TEST(a_place_held_by_nonsense_is_freed)
{
    for (uint32_t i = 0; i < 4; i++)
        atomic_store(&words[i], UINT64_C(0x7fffffffffffffff) - i);
    ck_assert_uint_eq(sp_lease_held(&fx.segment, words, count), 0);
    ck_assert_uint_eq(take(1, 4, MS0), SP_NO_LEASE);
    ck_assert_uint_lt(take(1, 4, MS0 + SP_LEASE_GRACE_MS), 4);
}
END_TEST

START_TEST(an_extent_outside_of_the_pool_is_none)
{
    struct sp_extent *extent = &fx.call.dest->caps[SP_CAP_CONNECTIONS];
    atomic_store(&extent->offset, fx.segment.lease_max - count + 1);
    ck_assert_ptr_null(sp_lease_words(&fx.segment, fx.call.dest, SP_CAP_CONNECTIONS, &count));
    atomic_store(&extent->offset, 0);
    atomic_store(&extent->count, UINT32_MAX);
    ck_assert_ptr_null(sp_lease_words(&fx.segment, fx.call.dest, SP_CAP_CONNECTIONS, &count));
    ck_assert_uint_eq(count, 0);
}
END_TEST

/* --- the cap as a guard, over real processes --- */

START_TEST(a_process_without_a_slot_takes_no_lease)
{
    uint64_t lease;
    fx.segment.self.slot = SP_NO_SLOT;
    ck_assert_uint_eq(sp_cap_take(&fx.call, SP_CAP_CONNECTIONS, &lease), SP_NO_LEASE);
}
END_TEST

START_TEST(a_lowered_cap_takes_back_what_lies_above_it)
{
    uint64_t lease;
    uint32_t at = 0;
    for (int i = 0; i < 4; i++)
        at = sp_cap_take(&fx.call, SP_CAP_CONNECTIONS, &lease);
    ck_assert_uint_ne(at, SP_NO_LEASE);
    fx.guards.cap[SP_CAP_CONNECTIONS] = 1;
    for (uint32_t i = 0; i < 4; i++)
        sp_cap_give(&fx.call, SP_CAP_CONNECTIONS, i, lease);
    ck_assert_uint_eq(sp_lease_held(&fx.segment, words, count), 0);
}
END_TEST

#define CROWD  16
#define ROUNDS 2000

struct crowd {
    pthread_barrier_t *start;
    _Atomic int *inside, *most;
};

static int crowd_takes(void *context)
{
    const struct crowd *crowd = context;
    uint64_t lease;
    if (sp_process_join(&fx.segment) != 0)
        return 1;
    pthread_barrier_wait(crowd->start);
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t at = sp_cap_take(&fx.call, SP_CAP_CONNECTIONS, &lease);
        if (at == SP_NO_LEASE)
            continue;
        int inside = atomic_fetch_add(crowd->inside, 1) + 1, most = atomic_load(crowd->most);
        while (inside > most && !atomic_compare_exchange_weak(crowd->most, &most, inside))
            ;
        atomic_fetch_sub(crowd->inside, 1);
        sp_cap_give(&fx.call, SP_CAP_CONNECTIONS, at, lease);
    }
    return 0;
}

START_TEST(many_processes_never_hold_more_than_the_cap)
{
    pid_t child[CROWD];
    _Atomic int *shared = fixture_shared(4096);
    struct crowd crowd = {fixture_barrier(CROWD), shared, shared + 1};
    for (int i = 0; i < CROWD; i++)
        child[i] = fixture_fork(crowd_takes, &crowd);
    for (int i = 0; i < CROWD; i++)
        ck_assert_int_eq(fixture_end(child[i]), 0);
    ck_assert_int_le(atomic_load(crowd.most), 4);
    ck_assert_int_gt(atomic_load(crowd.most), 0);
    ck_assert_uint_eq(sp_lease_held(&fx.segment, words, count), 0);
}
END_TEST

static int takes_one_and_waits(void *context)
{
    uint64_t lease;
    int *ready = context;
    if (sp_process_join(&fx.segment) != 0)
        return 1;
    char at = (char)sp_cap_take(&fx.call, SP_CAP_CONNECTIONS, &lease);
    if (write(ready[1], &at, 1) != 1)
        return 1;
    pause();
    return 0;
}

static enum sp_life really_lives(void *context, uint32_t slot, uint32_t *now_ms)
{
    (void)now_ms;
    struct sp_census census;
    (void)context;
    sp_census_open(&fx.segment, &census);
    bool alive = sp_census_alive(&fx.segment, &census, slot);
    sp_census_close(&census);
    return alive;
}

START_TEST(what_a_killed_process_held_comes_back)
{
    int ready[2];
    char at;
    uint64_t lease;
    pid_t child[4];
    ck_assert_int_eq(pipe(ready), 0);
    for (int i = 0; i < 4; i++) {
        child[i] = fixture_fork(takes_one_and_waits, ready);
        ck_assert_int_eq(read(ready[0], &at, 1), 1);
    }
    fx.call.alive = really_lives;
    ck_assert_uint_eq(sp_cap_take(&fx.call, SP_CAP_CONNECTIONS, &lease), SP_NO_LEASE);
    fixture_forward(SP_SECOND);
    ck_assert_uint_eq(sp_cap_take(&fx.call, SP_CAP_CONNECTIONS, &lease), SP_NO_LEASE);
    fixture_kill(child[2]);
    ck_assert_uint_eq(sp_cap_take(&fx.call, SP_CAP_CONNECTIONS, &lease), SP_NO_LEASE);
    ck_assert_uint_eq(sp_lease_held(&fx.segment, words, count), 3);
    fixture_forward(SP_LEASE_GRACE_MS * SP_MS);
    ck_assert_uint_ne(sp_cap_take(&fx.call, SP_CAP_CONNECTIONS, &lease), SP_NO_LEASE);
    ck_assert_uint_eq(sp_cap_take(&fx.call, SP_CAP_CONNECTIONS, &lease), SP_NO_LEASE);
    for (int i = 0; i < 4; i++)
        if (i != 2)
            fixture_kill(child[i]);
}
END_TEST

Suite *suite_lease(void);
Suite *suite_lease(void)
{
    Suite *suite = suite_create("lease");
    TCase *tests = fixture_case(suite, "lease");
    tcase_add_checked_fixture(tests, with_processes, NULL);
    tcase_add_test(tests, a_word_gives_back_what_was_put_in);
    tcase_add_test(tests, so_many_and_no_more);
    tcase_add_test(tests, a_place_given_back_is_free_at_once);
    tcase_add_test(tests, nobody_gives_back_what_is_not_his);
    tcase_add_test(tests, nothing_is_taken_of_nothing);
    tcase_add_test(tests, who_lives_is_asked_only_when_all_is_full_and_once_a_process);
    tcase_add_test(tests, the_place_of_a_dead_process_is_granted_after_the_grace);
    tcase_add_test(tests, all_places_of_the_dead_come_back_at_once);
    tcase_add_test(tests, the_dead_are_found_where_places_are_free_too);
    tcase_add_test(tests, a_slot_taken_over_frees_the_leases_of_its_former_owner);
    tcase_add_test(tests, the_grace_holds_for_one_whose_clock_was_read_earlier);
    tcase_add_test(tests, the_grace_begins_when_the_death_is_seen);
    tcase_add_test(tests, the_grace_holds_while_the_clock_goes_round);
    tcase_add_test(tests, who_was_called_dead_too_early_cannot_free_the_next_ones_place);
    tcase_add_test(tests, a_place_held_by_nonsense_is_freed);
    tcase_add_test(tests, an_extent_outside_of_the_pool_is_none);
    tcase_add_test(tests, a_process_without_a_slot_takes_no_lease);
    tcase_add_test(tests, a_lowered_cap_takes_back_what_lies_above_it);
    tcase_add_test(tests, many_processes_never_hold_more_than_the_cap);
    tcase_add_test(tests, what_a_killed_process_held_comes_back);
    return suite;
}
