/* What an address was found to belong to is asked once: until the policy or its names change. */
#include "fixture.h"

#include <string.h>

#include "base/addr.h"
#include "conn/route.h"

static const char *const first = "destination named\n    match db.example.com:5432\n"
                                 "destination net\n    match 10.0.0.0/8:5432\n";
static const char *const second = "destination net\n    match 10.0.0.0/8:5432\n"
                                  "destination named\n    match db.example.com:5432\n";

static void start(const char *text)
{
    sp_here.segment = fx.segment;
    sp_here_start(64);
    ck_assert_int_eq(sp_here_tables(), SP_TABLES_THERE);
    ck_assert_int_eq(sp_segment_apply(&sp_here.segment, fixture_policy(text), NULL), 0);
}

static struct sp_addr address(uint8_t last, uint16_t port)
{
    return (struct sp_addr){.family = SP_FAMILY_IPV4, .port = port, .ip = {10, 0, 0, last}};
}

static int place(const char *name)
{
    uint32_t index;
    ck_assert_ptr_nonnull(sp_segment_dest_named(&sp_here.segment, name, &index));
    return (int)index;
}

static int known(const struct sp_addr *a)
{
    struct sp_peer peer = sp_peer_of(a->family, a->port, a->ip);
    return sp_route_known(&peer, atomic_load(&sp_here.segment.head->policy));
}

START_TEST(it_is_asked_once)
{
    start(first);
    struct sp_addr a = address(1, 5432), other = address(1, 80);
    ck_assert_int_eq(known(&a), ROUTE_UNKNOWN);
    ck_assert_int_eq(sp_here_route(&a), place("net"));
    ck_assert_int_eq(known(&a), place("net"));
    ck_assert_int_eq(known(&other), ROUTE_UNKNOWN);
    ck_assert_int_eq(sp_here_route(&other), -1);
    ck_assert_int_eq(known(&other), -1);
    ck_assert_int_eq(sp_here_route(&other), -1);
    ck_assert_uint_eq(atomic_load(&sp_here.segment.head->unmatched), 2);
}
END_TEST

START_TEST(a_name_that_is_learnt_counts_at_once)
{
    start(first);
    struct sp_addr a = address(1, 5432);
    ck_assert_int_eq(sp_here_route(&a), place("net"));
    sp_names_learn("db.example.com", &a);
    ck_assert_int_eq(known(&a), ROUTE_UNKNOWN);
    ck_assert_int_eq(sp_here_route(&a), place("named"));
    ck_assert_int_eq(known(&a), place("named"));
}
END_TEST

START_TEST(a_reload_counts_at_once)
{
    start(first);
    struct sp_addr a = address(1, 5432);
    sp_names_learn("db.example.com", &a);
    ck_assert_int_eq(sp_here_route(&a), place("named"));
    ck_assert_int_eq(sp_segment_apply(&sp_here.segment, fixture_policy(second), NULL), 0);
    ck_assert_int_eq(known(&a), ROUTE_UNKNOWN);
    ck_assert_int_eq(sp_here_route(&a), place("net"));
}
END_TEST

/* More addresses than places: each is answered right, whoever has its place. */
START_TEST(many_share_the_places)
{
    start(first);
    for (int round = 0; round < 2; round++)
        for (unsigned i = 0; i < 1024; i++) {
            struct sp_addr a = address((uint8_t)(i % 256), (uint16_t)(5430 + i / 256));
            ck_assert_int_eq(sp_here_route(&a), i / 256 == 2 ? place("net") : -1);
        }
}
END_TEST

Suite *suite_route(void);
Suite *suite_route(void)
{
    Suite *suite = suite_create("route");
    TCase *tests = fixture_case(suite, "what is known");
    tcase_add_test(tests, it_is_asked_once);
    tcase_add_test(tests, a_name_that_is_learnt_counts_at_once);
    tcase_add_test(tests, a_reload_counts_at_once);
    tcase_add_test(tests, many_share_the_places);
    return suite;
}
