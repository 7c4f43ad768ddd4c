/* Endpoints that are met for the first time by many at once get one place each. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#define PROCESSES 8
#define ENDPOINTS 10

static struct sp_segment segment;
static pthread_barrier_t *together;
static int (*found)[ENDPOINTS];

static void origin_open(uint32_t learn)
{
    struct sp_error error;
    char path[160];
    snprintf(path, sizeof path, "%s/learn", fx.directory);
    remove(path);
    struct sp_policy *policy =
        (struct sp_policy *)(uintptr_t)fixture_policy("destination all\n match *\n cap 16\n");
    policy->learn = learn;
    ck_assert_int_eq(sp_segment_open(&segment, path, "learn", policy, NULL, &error), 0);
}

static int place_of(unsigned endpoint)
{
    char text[64];
    snprintf(text, sizeof text, "host-%u.example.com:443", endpoint);
    return sp_origin_place(&segment, text, 0, atomic_load(&segment.head->policy));
}

static int learn_all(void *context)
{
    int *mine = found[*(int *)context];
    pthread_barrier_wait(together);
    for (unsigned i = 0; i < ENDPOINTS; i++)
        mine[i] = place_of(i);
    return 0;
}

START_TEST(many_at_once_get_one_place)
{
    pid_t children[PROCESSES];
    struct sp_guards guards;
    together = fixture_barrier(PROCESSES);
    found = fixture_shared(PROCESSES * sizeof *found);
    for (int round = 0; round < 20; round++) {
        origin_open(64);
        for (int i = 0; i < PROCESSES; i++)
            children[i] = fixture_fork(learn_all, &i);
        for (int i = 0; i < PROCESSES; i++)
            ck_assert_int_eq(fixture_end(children[i]), 0);
        for (unsigned e = 0; e < ENDPOINTS; e++) {
            ck_assert_int_ge(found[0][e], 0);
            for (int i = 1; i < PROCESSES; i++)
                ck_assert_int_eq(found[i][e], found[0][e]);
            ck_assert(sp_segment_guards(&segment, (uint32_t)found[0][e], &guards));
            ck_assert_uint_eq(guards.cap[SP_CAP_CONNECTIONS], 16);
        }
        ck_assert_str_eq(segment.dests[found[0][3]].name, "host-3.example.com-443");
        sp_segment_detach(&segment);
    }
}
END_TEST

START_TEST(places_end)
{
    unsigned placed = 0;
    origin_open(16);
    for (unsigned i = 0; i < 100; i++)
        placed += place_of(i) >= 0;
    ck_assert_uint_eq(placed, segment.dest_max - 1);
    ck_assert_int_ge(place_of(0), 0);
    ck_assert_int_eq(place_of(99), -1);
    sp_segment_detach(&segment);
}
END_TEST

START_TEST(names_that_look_alike_differ)
{
    uint64_t word;
    origin_open(16);
    word = atomic_load(&segment.head->policy);
    int a = sp_origin_place(&segment, "unix:/run/a+b", 0, word);
    int b = sp_origin_place(&segment, "unix:/run/a-b", 0, word);
    ck_assert_int_ne(a, b);
    ck_assert_str_eq(segment.dests[a].name, "run-a-b");
    ck_assert_str_eq(segment.dests[b].name, "run-a-b-2");
    sp_segment_detach(&segment);
}
END_TEST

Suite *suite_origin(void);
Suite *suite_origin(void)
{
    Suite *suite = suite_create("origin");
    TCase *tests = fixture_case(suite, "origin");
    tcase_add_test(tests, many_at_once_get_one_place);
    tcase_add_test(tests, places_end);
    tcase_add_test(tests, names_that_look_alike_differ);
    return suite;
}
