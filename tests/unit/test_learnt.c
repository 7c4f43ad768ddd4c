#include "fixture.h"

#include <stdio.h>
#include <string.h>

static struct sp_addr address(uint8_t last)
{
    return (struct sp_addr){.family = SP_FAMILY_IPV4, .port = 80, .ip = {10, 0, 0, last}};
}

static char names[16][208];

static size_t get(uint8_t last, size_t max)
{
    struct sp_addr of = address(last);
    return sp_learnt_get(&fx.segment, &of, names, max);
}

static void put(uint8_t last, const char *name)
{
    struct sp_addr of = address(last);
    sp_learnt_put(&fx.segment, &of, name);
}

START_TEST(names_come_back_newest_first)
{
    put(1, "a.example");
    put(1, "b.example");
    put(1, "c.example");
    put(1, "a.example");
    ck_assert_uint_eq(get(1, 16), 3);
    ck_assert_str_eq(names[0], "a.example");
    ck_assert_str_eq(names[1], "c.example");
    ck_assert_str_eq(names[2], "b.example");
    ck_assert_uint_eq(get(2, 16), 0);
}
END_TEST

START_TEST(the_newest_are_given_where_not_all_fit)
{
    for (char c = 'a'; c < 'h'; c++) {
        char name[] = {c, 0};
        put(1, name);
    }
    ck_assert_uint_eq(get(1, 0), 0);
    ck_assert_uint_eq(get(1, 2), 2);
    ck_assert_str_eq(names[0], "g");
    ck_assert_str_eq(names[1], "f");
}
END_TEST

START_TEST(the_oldest_name_makes_room)
{
    for (unsigned i = 0; i < 100; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%u", i);
        put(1, name);
    }
    ck_assert_uint_eq(get(1, 16), 8);
    for (unsigned i = 0; i < 8; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%u", 99 - i);
        ck_assert_str_eq(names[i], name);
    }
}
END_TEST

START_TEST(a_name_of_any_length_is_kept_whole_or_not_at_all)
{
    char name[300];
    memset(name, 'x', sizeof name);
    name[208] = 0;
    put(1, name);
    ck_assert_uint_eq(get(1, 16), 0);
    name[207] = 0;
    put(1, name);
    ck_assert_uint_eq(get(1, 16), 1);
    ck_assert_str_eq(names[0], name);
}
END_TEST

START_TEST(only_the_process_that_looked_up_and_what_it_execs_reads_it)
{
    put(1, "a.example");
    ck_assert_uint_eq(get(1, 16), 1);
    fx.segment.self.start = UINT64_MAX;
    ck_assert_uint_eq(get(1, 16), 0); /* another process of the same number */
    fx.segment.self.start = 0;
    fx.segment.self.pid++;
    ck_assert_uint_eq(get(1, 16), 0);
    fx.segment.self.pid--;
    ck_assert_int_eq(sp_process_join(&fx.segment), 0); /* as after exec: another slot */
    ck_assert_uint_eq(get(1, 16), 1);
}
END_TEST

static void half_write_all(void)
{
    for (unsigned i = 0; i < SP_LEARNT; i++)
        atomic_store(&fx.segment.learnt[i].sequence, 1);
}

START_TEST(a_writer_that_died_half_way_spoils_one_place_only)
{
    put(1, "a.example");
    for (unsigned i = 0; i < SP_LEARNT; i++)
        if (fx.segment.learnt[i].pid)
            atomic_fetch_add(&fx.segment.learnt[i].sequence, 1);
    ck_assert_uint_eq(get(1, 16), 0);
    put(1, "b.example");
    put(1, "c.example");
    ck_assert_uint_eq(get(1, 16), 2);
    half_write_all();
    put(1, "d.example");
    ck_assert_uint_eq(get(1, 16), 0);
}
END_TEST

static void *thread_puts(void *context)
{
    char name[200];
    memset(name, *(char *)context, sizeof name - 1);
    name[sizeof name - 1] = 0;
    for (int i = 0; i < 5000; i++)
        put(1, name);
    return NULL;
}

START_TEST(a_reader_never_sees_half_of_a_name)
{
    char letters[] = "abcdefghijkl";
    pthread_t thread[4];
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, thread_puts, &letters[i * 3]), 0);
    for (int i = 0; i < 5000; i++) {
        size_t n = get(1, 16);
        for (size_t at = 0; at < n; at++) {
            ck_assert_uint_eq(strlen(names[at]), 199);
            ck_assert_uint_eq(strspn(names[at], (char[]){names[at][0], 0}), 199);
        }
    }
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
}
END_TEST

Suite *suite_learnt(void);
Suite *suite_learnt(void)
{
    Suite *suite = suite_create("learnt");
    TCase *tests = fixture_case(suite, "learnt");
    tcase_add_test(tests, names_come_back_newest_first);
    tcase_add_test(tests, the_newest_are_given_where_not_all_fit);
    tcase_add_test(tests, the_oldest_name_makes_room);
    tcase_add_test(tests, a_name_of_any_length_is_kept_whole_or_not_at_all);
    tcase_add_test(tests, only_the_process_that_looked_up_and_what_it_execs_reads_it);
    tcase_add_test(tests, a_writer_that_died_half_way_spoils_one_place_only);
    tcase_add_test(tests, a_reader_never_sees_half_of_a_name);
    return suite;
}
