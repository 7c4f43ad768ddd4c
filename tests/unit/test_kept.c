/* A process's own copies of the guards in force: handed out by pointer, whole over reloads. */
#include "fixture.h"

#include <sched.h>
#include <stdio.h>

#include "base/clock.h"
#include "shearpin/conn.h"

static struct sp_guards room;

static void start(void)
{
    sp_here.segment = fx.segment;
    sp_here_start(64);
    ck_assert_int_eq(sp_here_tables(), SP_TABLES_THERE);
}

static const struct sp_guards *ask(void)
{
    struct sp_call call;
    ck_assert(sp_here_call(&call, fx.call.index, 0, sp_now(), &room));
    ck_assert_ptr_eq(call.dest, fx.call.dest);
    return call.guards;
}

/* db with `streak` in two places. */
static void reload(unsigned streak)
{
    char text[200];
    snprintf(text, sizeof text,
             "destination db\n    match 10.0.0.1:1\n    breaker streak %u\n"
             "    deadline connect %us\n    cap 4\n",
             streak, streak);
    ck_assert_int_eq(sp_segment_apply(&fx.segment, fixture_policy(text), NULL), 0);
}

START_TEST(they_are_copied_once_a_generation)
{
    start();
    const struct sp_guards *first = ask();
    ck_assert_ptr_ne(first, &room);
    ck_assert_ptr_eq(ask(), first);
    ck_assert_uint_eq(first->breaker.streak, 3);
    reload(7);
    const struct sp_guards *second = ask();
    ck_assert_uint_eq(second->breaker.streak, 7);
    ck_assert_ptr_ne(second, first);
    ck_assert_uint_eq(first->breaker.streak, 3);
}
END_TEST

/* A third generation within the grace stands in the caller's room, and then where the first did. */
START_TEST(what_a_call_may_still_read_is_not_written_over)
{
    start();
    const struct sp_guards *first = ask();
    reload(7);
    ask();
    reload(8);
    ck_assert_ptr_eq(ask(), &room);
    ck_assert_uint_eq(room.breaker.streak, 8);
    ck_assert_uint_eq(first->breaker.streak, 3);
    struct sp_kept *kept = sp_kept_at(fx.call.index, atomic_load(&fx.segment.head->policy));
    ck_assert_ptr_eq(&kept->guards, first);
    atomic_fetch_sub(&kept->retired, SP_SECOND); /* a second later */
    ck_assert_ptr_eq(ask(), first);
    ck_assert_uint_eq(first->breaker.streak, 8);
}
END_TEST

START_TEST(who_left_one_half_filled_stops_nobody)
{
    start();
    struct sp_kept *kept = sp_kept_at(fx.call.index, atomic_load(&fx.segment.head->policy));
    atomic_store(&kept->word, UINT64_C(1) << 63 | sp_here.pid); /* by a thread that sleeps */
    ck_assert_ptr_eq(ask(), &room);
    ck_assert_uint_eq(room.breaker.streak, 3);
    sp_here.pid++; /* in a child that thread does not live */
    ask();
    atomic_fetch_sub(&kept->retired, SP_SECOND);
    ck_assert_ptr_eq(ask(), &kept->guards);
}
END_TEST

START_TEST(overrides_and_sides_are_this_process_s)
{
    struct sp_conn conn = {.drawn = 5000};
    struct sp_call call;
    ck_assert_int_eq(sp_override_parse("db.deadline.response=3s; db.mode=enforce 10%", NULL,
                                       sp_here.overrides, SP_OVERRIDES_MAX, NULL),
                     2);
    sp_here.override_count = 2;
    start();
    ck_assert(sp_here_call(&call, fx.call.index, 0, sp_now(), &room));
    const struct sp_guards *kept = call.guards;
    ck_assert_ptr_ne(kept, &room);
    ck_assert_uint_eq(kept->deadline[SP_DEADLINE_RESPONSE], 3 * SP_SECOND);
    sp_conn_side(&conn, &call, &room);
    ck_assert_ptr_eq(call.guards, &room);
    ck_assert_int_eq(room.mode, SP_MODE_OBSERVE);
    ck_assert_uint_eq(room.deadline[SP_DEADLINE_RESPONSE], 0);
    ck_assert_int_eq(kept->mode, SP_MODE_ENFORCE);
    ck_assert_uint_eq(kept->deadline[SP_DEADLINE_RESPONSE], 3 * SP_SECOND);
}
END_TEST

START_TEST(a_destination_that_is_no_more_is_off)
{
    struct sp_call call;
    start();
    ask();
    ck_assert_int_eq(sp_segment_apply(&fx.segment,
                                      fixture_policy("destination other\n    match 10.0.0.2:1\n"),
                                      NULL),
                     0);
    ck_assert(!sp_here_call(&call, fx.call.index, 0, sp_now(), &room));
    ck_assert_int_eq(call.guards->mode, SP_MODE_OFF);
    ck_assert_ptr_eq(call.dest, fx.call.dest);
    ck_assert(!sp_here_call(&call, fx.segment.dest_max, 0, sp_now(), &room));
    ck_assert_ptr_null(call.dest);
}
END_TEST

/* --- many reloads under threads that ask --- */

#define RELOADS 1000
static _Atomic unsigned done, torn;
static const struct sp_policy *policies[3];
static pthread_barrier_t *ready;

static int reloads(void *context)
{
    (void)context;
    pthread_barrier_wait(ready);
    for (unsigned i = 0; i < RELOADS; i++)
        if (sp_segment_apply(&fx.segment, policies[i % 3], NULL) != 0)
            return 1;
    return 0;
}

static void *asks(void *context)
{
    struct sp_guards own;
    struct sp_call call;
    while (atomic_load(&done) == 0) {
        sp_here_call(&call, fx.call.index, 0, sp_now(), &own);
        uint64_t streak = call.guards->breaker.streak;
        if (call.guards->deadline[SP_DEADLINE_CONNECT] != streak * SP_SECOND)
            atomic_fetch_add(&torn, 1);
        sched_yield();
    }
    return context;
}

START_TEST(a_thousand_reloads_tear_nothing_and_take_no_more_memory)
{
    pthread_t threads[3];
    char text[200];
    for (unsigned i = 0; i < 3; i++) {
        snprintf(text, sizeof text,
                 "destination db\n    match 10.0.0.1:1\n    breaker streak %u\n"
                 "    deadline connect %us\n    cap 4\n",
                 i + 5, i + 5);
        policies[i] = fixture_policy(text);
    }
    ck_assert_int_eq(sp_segment_apply(&fx.segment, policies[2], NULL), 0);
    ready = fixture_barrier(2);
    pid_t writer = fixture_fork(reloads, NULL);
    start();
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, asks, NULL), 0);
    pthread_barrier_wait(ready);
    ck_assert_int_eq(fixture_end(writer), 0);
    atomic_store(&done, 1);
    for (size_t i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(atomic_load(&torn), 0);
    ck_assert_uint_eq(ask()->breaker.streak, 5 + (RELOADS - 1) % 3);
}
END_TEST

Suite *suite_kept(void);
Suite *suite_kept(void)
{
    Suite *suite = suite_create("kept");
    TCase *tests = fixture_case(suite, "guards in force, by pointer");
    tcase_add_test(tests, they_are_copied_once_a_generation);
    tcase_add_test(tests, what_a_call_may_still_read_is_not_written_over);
    tcase_add_test(tests, who_left_one_half_filled_stops_nobody);
    tcase_add_test(tests, overrides_and_sides_are_this_process_s);
    tcase_add_test(tests, a_destination_that_is_no_more_is_off);
    tcase_add_test(tests, a_thousand_reloads_tear_nothing_and_take_no_more_memory);
    return suite;
}
