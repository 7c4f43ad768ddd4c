#include "fixture.h"

#include <string.h>

#include "base/addr.h"

static struct sp_addr address(unsigned n)
{
    return (struct sp_addr){
        .family = SP_FAMILY_IPV4, .port = 80, .ip = {10, 0, (uint8_t)(n >> 8), (uint8_t)n}};
}

static struct sp_aim aim(unsigned n, bool take)
{
    struct sp_addr of = address(n);
    return sp_endpoint_aim(&fx.segment, fx.call.index, &of, fx.call.now, take, NULL);
}

static struct sp_endpoint *endpoint(unsigned n)
{
    return sp_endpoint_at(&fx.segment, aim(n, true));
}

static unsigned places(void)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < SP_ENDPOINTS; i++)
        count += sp_endpoint_of(&fx.segment, fx.call.index, i, NULL) != NULL;
    return count;
}

START_TEST(an_address_has_one_place_and_is_read_back)
{
    struct sp_addr of = address(1), read;
    struct sp_aim first = aim(1, true);
    ck_assert_uint_lt(first.index, SP_ENDPOINTS);
    ck_assert_uint_eq(aim(1, true).index, first.index);
    ck_assert_ptr_eq(sp_endpoint_of(&fx.segment, fx.call.index, first.index, &read),
                     &fx.segment.endpoints[first.index]);
    ck_assert(sp_addr_equal(&of, &read));
    ck_assert_ptr_null(sp_endpoint_of(&fx.segment, fx.call.index + 1, first.index, &read));
    ck_assert_uint_eq(places(), 1);
}
END_TEST

START_TEST(to_look_takes_no_place)
{
    ck_assert_uint_eq(aim(1, false).index, SP_NO_ENDPOINT);
    ck_assert_uint_eq(places(), 0);
    ck_assert_ptr_null(sp_endpoint_at(&fx.segment, aim(1, false)));
}
END_TEST

START_TEST(another_port_or_destination_is_another_endpoint)
{
    struct sp_addr of = address(1);
    struct sp_aim here = aim(1, true);
    of.port = 81;
    ck_assert_uint_ne(sp_endpoint_aim(&fx.segment, 0, &of, fx.call.now, true, NULL).index,
                      here.index);
    of.port = 80;
    ck_assert_uint_ne(sp_endpoint_aim(&fx.segment, 7, &of, fx.call.now, true, NULL).index,
                      here.index);
}
END_TEST

START_TEST(fresh_is_what_nobody_asked_about_for_a_second)
{
    struct sp_addr of = address(1);
    static const unsigned after[] = {0, 1, 998, 1, 999, 1000, 2000};
    static const bool expected[] = {true, false, false, true, false, true, true};
    for (size_t i = 0; i < sizeof after / sizeof *after; i++) {
        bool fresh;
        fixture_forward(after[i] * SP_MS);
        sp_endpoint_aim(&fx.segment, 0, &of, fx.call.now, true, &fresh);
        ck_assert_msg(fresh == expected[i], "%zu", i);
    }
}
END_TEST

START_TEST(when_all_places_are_taken_the_next_gets_none)
{
    for (unsigned i = 0; i < SP_ENDPOINTS; i++)
        ck_assert_uint_ne(aim(i, true).index, SP_NO_ENDPOINT);
    ck_assert_uint_eq(aim(SP_ENDPOINTS, true).index, SP_NO_ENDPOINT);
    ck_assert_uint_eq(places(), SP_ENDPOINTS);
}
END_TEST

START_TEST(the_longest_idle_gives_way_and_begins_anew)
{
    for (unsigned i = 0; i < SP_ENDPOINTS; i++) {
        aim(i, true);
        fixture_forward(SP_MS);
    }
    struct sp_aim old = aim(0, false);
    struct sp_endpoint *e = sp_endpoint_at(&fx.segment, old);
    fx.call.endpoint = e;
    sp_breaker_trip(&fx.call);
    sp_count(&e->errors, 3);
    uint16_t epoch = sp_breaker_unpack(atomic_load(&e->cell.word)).epoch;
    fixture_forward(SP_ENDPOINT_IDLE - SP_ENDPOINTS * SP_MS - SP_SECOND);
    ck_assert_uint_eq(aim(SP_ENDPOINTS, true).index, SP_NO_ENDPOINT);
    fixture_forward(SP_ENDPOINTS * SP_MS + SP_SECOND);
    struct sp_aim fresh = aim(SP_ENDPOINTS, true);
    ck_assert_uint_eq(fresh.index, old.index);
    ck_assert_ptr_null(sp_endpoint_at(&fx.segment, old));
    struct sp_breaker b = sp_breaker_unpack(atomic_load(&e->cell.word));
    ck_assert_uint_eq(b.state, SP_STATE_CLOSED);
    ck_assert_uint_gt(b.epoch, epoch);
    ck_assert_uint_eq(atomic_load(&e->errors), 0);
}
END_TEST

START_TEST(what_an_operator_holds_keeps_its_place)
{
    for (unsigned i = 0; i < SP_ENDPOINTS; i++) {
        fx.call.endpoint = endpoint(i);
        sp_breaker_hold(&fx.call, SP_HOLD_OPEN, 0);
    }
    fixture_forward(2 * SP_ENDPOINT_IDLE);
    ck_assert_uint_eq(aim(SP_ENDPOINTS, true).index, SP_NO_ENDPOINT);
    sp_breaker_reset(&fx.call);
    ck_assert_uint_ne(aim(SP_ENDPOINTS, true).index, SP_NO_ENDPOINT);
}
END_TEST

/* Busy is the low bit of its key. */
START_TEST(a_place_whose_taker_died_half_way_is_made_ready_by_the_next)
{
    struct sp_aim mine = aim(1, true);
    atomic_fetch_or(&fx.segment.endpoint_keys[mine.index], 1);
    memset(&fx.segment.endpoints[mine.index].address, 0xff, sizeof(struct sp_addr));
    ck_assert_ptr_null(sp_endpoint_at(&fx.segment, mine));
    ck_assert_uint_eq(places(), 0);
    ck_assert_uint_eq(aim(1, true).index, mine.index);
    struct sp_addr of = address(1), read;
    ck_assert_ptr_nonnull(sp_endpoint_of(&fx.segment, fx.call.index, mine.index, &read));
    ck_assert(sp_addr_equal(&of, &read));
}
END_TEST

START_TEST(an_address_that_does_not_hash_to_its_key_is_not_shown)
{
    struct sp_aim mine = aim(1, true);
    struct sp_addr read = address(3);
    fx.segment.endpoints[mine.index].address.port++;
    ck_assert_ptr_nonnull(sp_endpoint_of(&fx.segment, fx.call.index, mine.index, &read));
    ck_assert_int_eq(read.family, SP_FAMILY_NONE);
}
END_TEST

START_TEST(a_destination_that_goes_takes_its_addresses_along)
{
    struct sp_addr other = address(9);
    aim(1, true);
    aim(2, true);
    sp_endpoint_aim(&fx.segment, 5, &other, fx.call.now, true, NULL);
    sp_endpoint_forget(&fx.segment, fx.call.index);
    ck_assert_uint_eq(places(), 0);
    ck_assert_uint_ne(sp_endpoint_aim(&fx.segment, 5, &other, fx.call.now, false, NULL).index,
                      SP_NO_ENDPOINT);
}
END_TEST

static pthread_barrier_t barrier;

static void *thread_takes(void *out)
{
    struct sp_aim *mine = out;
    pthread_barrier_wait(&barrier);
    for (unsigned i = 0; i < 100; i++)
        mine[i] = aim(i, true);
    return NULL;
}

START_TEST(many_that_meet_at_once_give_an_address_one_place)
{
    static struct sp_aim mine[4][100];
    pthread_t thread[4];
    pthread_barrier_init(&barrier, NULL, 4);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, thread_takes, mine[i]), 0);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
    for (int i = 1; i < 4; i++)
        ck_assert_mem_eq(mine[i], mine[0], sizeof mine[0]);
    ck_assert_uint_eq(places(), 100);
}
END_TEST

Suite *suite_endpoint(void);
Suite *suite_endpoint(void)
{
    Suite *suite = suite_create("endpoint");
    TCase *tests = fixture_case(suite, "endpoint");
    tcase_add_test(tests, an_address_has_one_place_and_is_read_back);
    tcase_add_test(tests, to_look_takes_no_place);
    tcase_add_test(tests, another_port_or_destination_is_another_endpoint);
    tcase_add_test(tests, fresh_is_what_nobody_asked_about_for_a_second);
    tcase_add_test(tests, when_all_places_are_taken_the_next_gets_none);
    tcase_add_test(tests, the_longest_idle_gives_way_and_begins_anew);
    tcase_add_test(tests, what_an_operator_holds_keeps_its_place);
    tcase_add_test(tests, a_place_whose_taker_died_half_way_is_made_ready_by_the_next);
    tcase_add_test(tests, an_address_that_does_not_hash_to_its_key_is_not_shown);
    tcase_add_test(tests, a_destination_that_goes_takes_its_addresses_along);
    tcase_add_test(tests, many_that_meet_at_once_give_an_address_one_place);
    return suite;
}
