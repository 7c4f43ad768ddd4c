/* Shares in force: set, tried under a lease, and whole whenever their writer dies. */
#include "fixture.h"

#include "base/clock.h"

#include <string.h>
#include <unistd.h>

static const uint64_t lines = 0x1234;
static const uint16_t policy_shares[SP_SHIFT_ARMS] = {9500, 500};
static const uint16_t quarter[SP_SHIFT_ARMS] = {7500, 2500};
static const uint16_t half[SP_SHIFT_ARMS] = {5000, 5000};
static const uint16_t all[SP_SHIFT_ARMS] = {0, 10000};

static struct sp_shift_hand hand(void)
{
    struct sp_shift_hand made = {
        .shift = &fx.call.dest->shift, .of = lines, .arms = 2, .pid = 1, .target = 1};
    memcpy(made.policy, policy_shares, sizeof made.policy);
    return made;
}

/* The share of the second arm. */
static unsigned in_force(uint64_t now)
{
    uint16_t out[SP_SHIFT_ARMS] = {0};
    sp_shift_in_force(&fx.call.dest->shift, lines, policy_shares, 2, now, out);
    ck_assert_uint_eq(out[0] + out[1], SP_SHARE_ALL);
    return out[1];
}

START_TEST(the_policy_s_until_others_are_set)
{
    struct sp_shift_hand mine = hand();
    uint16_t out[SP_SHIFT_ARMS];
    ck_assert_uint_eq(in_force(fx.call.now), 500);
    ck_assert_int_eq(sp_shift_set(&mine, quarter, SP_SHIFT_SET, fx.call.now), SP_SHIFT_DONE);
    ck_assert_uint_eq(in_force(fx.call.now), 2500);
    ck_assert(!sp_shift_in_force(mine.shift, lines + 1, policy_shares, 2, fx.call.now, out));
    ck_assert_uint_eq(out[1], 500); /* other lines: the policy's shares */
    ck_assert(!sp_shift_in_force(mine.shift, lines, policy_shares, 3, fx.call.now, out));
}
END_TEST

START_TEST(a_way_back_leads_back_once)
{
    struct sp_shift_hand mine = hand();
    ck_assert_int_eq(sp_shift_back(&mine, fx.call.now), SP_SHIFT_NOTHING);
    sp_shift_set(&mine, quarter, SP_SHIFT_SET, fx.call.now);
    sp_shift_set(&mine, half, SP_SHIFT_SET, fx.call.now);
    sp_shift_set(&mine, half, SP_SHIFT_SET, fx.call.now); /* again: nothing changes */
    ck_assert_int_eq(sp_shift_back(&mine, fx.call.now), SP_SHIFT_DONE);
    ck_assert_uint_eq(in_force(fx.call.now), 2500);
    ck_assert_int_eq(sp_shift_back(&mine, fx.call.now), SP_SHIFT_NOTHING);
}
END_TEST

START_TEST(what_is_tried_ends_with_its_lease)
{
    struct sp_shift_hand mine = hand();
    ck_assert_int_eq(sp_shift_begin(&mine, fx.call.now), SP_SHIFT_DONE);
    ck_assert_uint_eq(in_force(fx.call.now), 500);
    ck_assert_int_eq(sp_shift_try(&mine, quarter, fx.call.now), SP_SHIFT_DONE);
    ck_assert_uint_eq(in_force(fx.call.now), 2500);
    for (int i = 0; i < 20; i++) {
        fixture_forward(SP_SHIFT_RENEW);
        ck_assert_int_eq(sp_shift_renew(&mine, fx.call.now), SP_SHIFT_DONE);
        ck_assert_uint_eq(in_force(fx.call.now), 2500);
        ck_assert(!sp_shift_lapsed(mine.shift, fx.call.now));
    }
    ck_assert_uint_eq(in_force(fx.call.now + SP_SHIFT_LEASE - SP_MS), 2500);
    fixture_forward(SP_SHIFT_LEASE);
    ck_assert_uint_eq(in_force(fx.call.now), 500);
    ck_assert_int_eq(sp_shift_renew(&mine, fx.call.now), SP_SHIFT_LOST); /* was stopped, say */
    ck_assert_int_eq(sp_shift_try(&mine, half, fx.call.now), SP_SHIFT_LOST);
    ck_assert_int_eq(sp_shift_keep(&mine, fx.call.now), SP_SHIFT_LOST);
    ck_assert(sp_shift_lapsed(mine.shift, fx.call.now));
    ck_assert(!sp_shift_lapsed(mine.shift, fx.call.now));
    ck_assert_uint_eq(in_force(fx.call.now), 500);
}
END_TEST

START_TEST(the_first_to_find_it_says_so)
{
    struct sp_shift_hand mine = hand();
    uint64_t events = fixture_events(SP_EVENT_SHIFT);
    sp_shift_begin(&mine, fx.call.now);
    sp_shift_mourn(&fx.segment, fx.call.dest, fx.call.now);
    ck_assert_uint_eq(fixture_events(SP_EVENT_SHIFT), events);
    fixture_forward(SP_SHIFT_LEASE);
    sp_shift_mourn(&fx.segment, fx.call.dest, fx.call.now);
    sp_shift_mourn(&fx.segment, fx.call.dest, fx.call.now);
    ck_assert_uint_eq(fixture_events(SP_EVENT_SHIFT), events + 1);
}
END_TEST

START_TEST(what_is_kept_is_stable)
{
    struct sp_shift_hand mine = hand();
    sp_shift_begin(&mine, fx.call.now);
    sp_shift_try(&mine, half, fx.call.now);
    sp_shift_try(&mine, all, fx.call.now);
    ck_assert_int_eq(sp_shift_keep(&mine, fx.call.now), SP_SHIFT_DONE);
    fixture_forward(10 * SP_SHIFT_LEASE);
    ck_assert_uint_eq(in_force(fx.call.now), 10000);
    ck_assert(!sp_shift_lapsed(mine.shift, fx.call.now));
    ck_assert_int_eq(sp_shift_back(&mine, fx.call.now), SP_SHIFT_DONE);
    ck_assert_uint_eq(in_force(fx.call.now), 500);
}
END_TEST

START_TEST(one_at_a_time)
{
    struct sp_shift_hand mine = hand(), other = hand();
    other.pid = 2;
    sp_shift_begin(&mine, fx.call.now);
    sp_shift_try(&mine, quarter, fx.call.now);
    ck_assert_int_eq(sp_shift_begin(&other, fx.call.now), SP_SHIFT_BUSY);
    ck_assert_int_eq(sp_shift_set(&other, all, SP_SHIFT_SET, fx.call.now), SP_SHIFT_BUSY);
    ck_assert_uint_eq(in_force(fx.call.now), 2500);
    ck_assert_int_eq(sp_shift_drop(&mine, fx.call.now), SP_SHIFT_DONE);
    ck_assert_uint_eq(in_force(fx.call.now), 500);
    ck_assert_int_eq(sp_shift_begin(&other, fx.call.now), SP_SHIFT_DONE);
    ck_assert_int_eq(sp_shift_renew(&mine, fx.call.now), SP_SHIFT_LOST);
    ck_assert_int_eq(sp_shift_drop(&mine, fx.call.now), SP_SHIFT_LOST);
    ck_assert_int_eq(sp_shift_renew(&other, fx.call.now), SP_SHIFT_DONE);
}
END_TEST

START_TEST(another_may_end_it)
{
    struct sp_shift_hand mine = hand(), other = hand();
    sp_shift_set(&mine, quarter, SP_SHIFT_SET, fx.call.now);
    sp_shift_begin(&mine, fx.call.now);
    sp_shift_try(&mine, half, fx.call.now);
    ck_assert_int_eq(sp_shift_back(&other, fx.call.now), SP_SHIFT_DONE);
    ck_assert_uint_eq(in_force(fx.call.now), 2500); /* what was stable, not what was before that */
    ck_assert_int_eq(sp_shift_renew(&mine, fx.call.now), SP_SHIFT_LOST);
    ck_assert_uint_eq(in_force(fx.call.now), 2500);
}
END_TEST

START_TEST(other_lines_end_it)
{
    struct sp_shift_hand mine = hand(), other = hand();
    other.of = lines + 1;
    sp_shift_begin(&mine, fx.call.now);
    sp_shift_try(&mine, half, fx.call.now);
    ck_assert_int_eq(sp_shift_set(&other, quarter, SP_SHIFT_SET, fx.call.now), SP_SHIFT_DONE);
    ck_assert_int_eq(sp_shift_renew(&mine, fx.call.now), SP_SHIFT_LOST);
    ck_assert_uint_eq(in_force(fx.call.now), 500);
}
END_TEST

START_TEST(nonsense_means_the_policy)
{
    for (uint64_t seed = 1; seed < 2000; seed++) {
        struct sp_shift *shift = &fx.call.dest->shift;
        fixture_noise(shift, sizeof *shift, seed);
        for (int i = 0; i < 2; i++) {
            shift->bank[i].of = lines;
            shift->bank[i].arms = 2;
        }
        in_force(fx.call.now);
    }
}
END_TEST

static const uint16_t *const turns[] = {quarter, half, all};

static int writer(void *stop)
{
    for (unsigned i = 0; !atomic_load((_Atomic int *)stop); i++) {
        struct sp_shift_hand mine = hand();
        int fd = sp_shift_lock(&fx.segment, NULL);
        uint64_t now = sp_now();
        sp_shift_begin(&mine, now);
        sp_shift_try(&mine, turns[i % 3], now);
        sp_shift_try(&mine, turns[(i + 1) % 3], now);
        if (i % 2)
            sp_shift_keep(&mine, now);
        else
            sp_shift_drop(&mine, now);
        close(fd);
    }
    return 0;
}

/* in_force() asks for sums; here, for pairs that somebody has written. */
static bool known(uint64_t now)
{
    unsigned share = in_force(now);
    return share == 500 || share == 2500 || share == 5000 || share == 10000;
}

START_TEST(whole_whenever_a_writer_dies)
{
    _Atomic int *stop = fixture_shared(sizeof *stop);
    for (int round = 0; round < 60; round++) {
        pid_t children[2] = {fixture_fork(writer, stop), fixture_fork(writer, stop)};
        uint64_t end = sp_now() + (uint64_t)(round % 7) * 700 * SP_US;
        do
            ck_assert(known(sp_now()));
        while (sp_now() < end);
        fixture_kill(children[0]);
        ck_assert(known(sp_now()));
        fixture_kill(children[1]);
        uint64_t later = sp_now() + SP_SHIFT_LEASE;
        ck_assert(known(later));
        struct sp_shift_hand mine = hand();
        int fd = sp_shift_lock(&fx.segment, NULL); /* nobody holds it any more */
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(sp_shift_set(&mine, quarter, SP_SHIFT_SET, later), SP_SHIFT_DONE);
        close(fd);
        ck_assert_uint_eq(in_force(later), 2500);
    }
}
END_TEST

Suite *suite_shift(void)
{
    Suite *suite = suite_create("shift");
    TCase *tests = fixture_case(suite, "shift");
    tcase_add_test(tests, the_policy_s_until_others_are_set);
    tcase_add_test(tests, a_way_back_leads_back_once);
    tcase_add_test(tests, what_is_tried_ends_with_its_lease);
    tcase_add_test(tests, the_first_to_find_it_says_so);
    tcase_add_test(tests, what_is_kept_is_stable);
    tcase_add_test(tests, one_at_a_time);
    tcase_add_test(tests, another_may_end_it);
    tcase_add_test(tests, other_lines_end_it);
    tcase_add_test(tests, nonsense_means_the_policy);
    tcase_add_test(tests, whole_whenever_a_writer_dies);
    return suite;
}
