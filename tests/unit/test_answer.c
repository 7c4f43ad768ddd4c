#include "fixture.h"

#include <stdio.h>
#include <string.h>

static struct sp_answer answer;

static void add(uint8_t family, uint8_t last)
{
    answer.families[answer.count] = family;
    memset(answer.ip[answer.count], 0, sizeof *answer.ip);
    answer.ip[answer.count++][3] = last;
}

/* The low bytes of the addresses, "4:1 4:2 6:3". */
static const char *get(const char *name, uint8_t family)
{
    static char text[128];
    struct sp_answer got;
    size_t n = 0;
    text[0] = 0;
    if (sp_answer_get(&fx.segment, name, family, &got) < 0)
        return "none";
    for (uint8_t i = 0; i < got.count; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%d:%u", i ? " " : "",
                              got.families[i] == SP_FAMILY_IPV4 ? 4 : 6, got.ip[i][3]);
    return text;
}

static void put(const char *name, uint8_t family, const char *what)
{
    memset(&answer, 0, sizeof answer);
    answer.family = family;
    for (; *what; what += what[3] ? 4 : 3)
        add(*what == '4' ? SP_FAMILY_IPV4 : SP_FAMILY_IPV6, (uint8_t)(what[2] - '0'));
    sp_answer_put(&fx.segment, name, &answer, fx.call.now);
}

START_TEST(an_answer_comes_back_in_its_order)
{
    put("a.example", SP_FAMILY_NONE, "6:3 4:1 4:2");
    ck_assert_str_eq(get("a.example", SP_FAMILY_NONE), "6:3 4:1 4:2");
    ck_assert_str_eq(get("A.Example", SP_FAMILY_NONE), "6:3 4:1 4:2");
    ck_assert_str_eq(get("b.example", SP_FAMILY_NONE), "none");
}
END_TEST

START_TEST(who_asks_for_one_family_gets_that_only)
{
    put("a.example", SP_FAMILY_NONE, "6:3 4:1 4:2");
    ck_assert_str_eq(get("a.example", SP_FAMILY_IPV4), "4:1 4:2");
    ck_assert_str_eq(get("a.example", SP_FAMILY_IPV6), "6:3");
    put("b.example", SP_FAMILY_IPV4, "4:1");
    ck_assert_str_eq(get("b.example", SP_FAMILY_IPV6), "none");
    ck_assert_str_eq(get("b.example", SP_FAMILY_NONE), "4:1");
}
END_TEST

START_TEST(the_newest_answer_counts)
{
    put("a.example", SP_FAMILY_NONE, "4:1 6:3");
    fixture_forward(SP_SECOND);
    put("a.example", SP_FAMILY_IPV4, "4:2");
    ck_assert_str_eq(get("a.example", SP_FAMILY_IPV4), "4:2");
    ck_assert_str_eq(get("a.example", SP_FAMILY_IPV6), "6:3");
    fixture_forward(SP_MS);
    put("a.example", SP_FAMILY_NONE, "4:5");
    ck_assert_str_eq(get("a.example", SP_FAMILY_IPV4), "4:5");
}
END_TEST

START_TEST(who_asks_for_any_family_gets_an_answer_to_that)
{
    put("a.example", SP_FAMILY_NONE, "4:1 6:3");
    fixture_forward(SP_SECOND);
    put("a.example", SP_FAMILY_IPV6, "6:3");
    put("a.example", SP_FAMILY_IPV4, "4:2");
    ck_assert_str_eq(get("a.example", SP_FAMILY_NONE), "4:1 6:3");
}
END_TEST

START_TEST(the_first_time_that_it_serves_is_told_and_a_new_one_begins_anew)
{
    struct sp_answer got;
    put("a.example", SP_FAMILY_NONE, "4:1");
    int place = sp_answer_get(&fx.segment, "a.example", SP_FAMILY_NONE, &got);
    ck_assert(sp_answer_served(&fx.segment, place, fx.call.now));
    ck_assert(!sp_answer_served(&fx.segment, place, fx.call.now));
    fixture_forward(SP_MS);
    put("a.example", SP_FAMILY_IPV4, "4:1");
    int other = sp_answer_get(&fx.segment, "a.example", SP_FAMILY_IPV4, &got);
    ck_assert_int_ne(other, place);
    ck_assert(!sp_answer_served(&fx.segment, other, fx.call.now));
    put("a.example", SP_FAMILY_IPV4, "4:1");
    put("a.example", SP_FAMILY_NONE, "4:1");
    ck_assert(sp_answer_served(&fx.segment, place, fx.call.now));
    ck_assert(!sp_answer_served(&fx.segment, -1, fx.call.now));
    ck_assert(!sp_answer_served(&fx.segment, SP_ANSWERS, fx.call.now));
}
END_TEST

START_TEST(the_same_within_a_second_is_not_written_again)
{
    struct sp_answer first, second;
    put("a.example", SP_FAMILY_NONE, "4:1");
    sp_answer_get(&fx.segment, "a.example", SP_FAMILY_NONE, &first);
    fixture_forward(SP_SECOND - 1);
    put("a.example", SP_FAMILY_NONE, "4:1");
    sp_answer_get(&fx.segment, "a.example", SP_FAMILY_NONE, &second);
    ck_assert_uint_eq(second.time, first.time);
    fixture_forward(1);
    put("a.example", SP_FAMILY_NONE, "4:1");
    sp_answer_get(&fx.segment, "a.example", SP_FAMILY_NONE, &second);
    ck_assert_uint_eq(second.time, fx.call.now);
}
END_TEST

START_TEST(the_oldest_makes_room)
{
    char name[32];
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "n%u.example", i);
        put(name, SP_FAMILY_NONE, "4:1");
        fixture_forward(SP_MS);
        ck_assert_str_eq(get(name, SP_FAMILY_NONE), "4:1");
    }
    ck_assert_str_eq(get("n0.example", SP_FAMILY_NONE), "none");
}
END_TEST

START_TEST(a_name_that_is_too_long_and_an_empty_answer_are_not_kept)
{
    char name[209];
    memset(name, 'a', sizeof name);
    name[208] = 0;
    put(name, SP_FAMILY_NONE, "4:1");
    ck_assert_str_eq(get(name, SP_FAMILY_NONE), "none");
    name[207] = 0;
    put(name, SP_FAMILY_NONE, "4:1");
    ck_assert_str_eq(get(name, SP_FAMILY_NONE), "4:1");
    put("a.example", SP_FAMILY_NONE, "");
    ck_assert_str_eq(get("a.example", SP_FAMILY_NONE), "none");
}
END_TEST

START_TEST(a_writer_that_died_half_way_spoils_one_place_only)
{
    struct sp_answer got;
    put("a.example", SP_FAMILY_NONE, "4:1");
    int place = sp_answer_get(&fx.segment, "a.example", SP_FAMILY_NONE, &got);
    atomic_fetch_or(&fx.segment.answers[place].sequence, 1);
    ck_assert_str_eq(get("a.example", SP_FAMILY_NONE), "none");
    put("a.example", SP_FAMILY_NONE, "4:2");
    ck_assert_str_eq(get("a.example", SP_FAMILY_NONE), "4:2");
}
END_TEST

static void *thread_puts(void *what)
{
    for (int i = 0; i < 3000; i++) {
        struct sp_answer mine;
        memset(&mine, 0, sizeof mine);
        mine.count = SP_ANSWER_MAX;
        memset(mine.families, SP_FAMILY_IPV4, sizeof mine.families);
        memset(mine.ip, *(char *)what, sizeof mine.ip);
        sp_answer_put(&fx.segment, "a.example", &mine, fx.call.now + (uint64_t)i * SP_SECOND);
    }
    return NULL;
}

START_TEST(a_reader_never_sees_half_of_an_answer)
{
    static char letters[] = "abcd";
    pthread_t thread[4];
    struct sp_answer got;
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, thread_puts, &letters[i]), 0);
    for (int i = 0; i < 5000; i++) {
        if (sp_answer_get(&fx.segment, "a.example", SP_FAMILY_NONE, &got) < 0)
            continue;
        ck_assert_uint_eq(got.count, SP_ANSWER_MAX);
        ck_assert_mem_eq(got.ip[0], got.ip[SP_ANSWER_MAX - 1], sizeof *got.ip);
        ck_assert_mem_eq(got.ip[0], got.ip[7], sizeof *got.ip);
    }
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
}
END_TEST

Suite *suite_answer(void);
Suite *suite_answer(void)
{
    Suite *suite = suite_create("answer");
    TCase *tests = fixture_case(suite, "answer");
    tcase_add_test(tests, an_answer_comes_back_in_its_order);
    tcase_add_test(tests, who_asks_for_one_family_gets_that_only);
    tcase_add_test(tests, the_newest_answer_counts);
    tcase_add_test(tests, who_asks_for_any_family_gets_an_answer_to_that);
    tcase_add_test(tests, the_first_time_that_it_serves_is_told_and_a_new_one_begins_anew);
    tcase_add_test(tests, the_same_within_a_second_is_not_written_again);
    tcase_add_test(tests, the_oldest_makes_room);
    tcase_add_test(tests, a_name_that_is_too_long_and_an_empty_answer_are_not_kept);
    tcase_add_test(tests, a_writer_that_died_half_way_spoils_one_place_only);
    tcase_add_test(tests, a_reader_never_sees_half_of_an_answer);
    return suite;
}
