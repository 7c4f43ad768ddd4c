#include "fixture.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static uint64_t first; /* the next sequence when a test begins */

static void begin(void)
{
    first = sp_event_last(&fx.segment) + 1;
}

static void write_some(uint64_t from, uint64_t count)
{
    for (uint64_t i = from; i < from + count; i++) {
        struct sp_event event = {.kind = SP_EVENT_TRIP, .a = i, .b = ~i};
        snprintf(event.text, sizeof event.text, "%llu", (unsigned long long)i);
        sp_event_write(&fx.segment, &event);
    }
}

static void whole(const struct sp_event *event)
{
    char text[80];
    snprintf(text, sizeof text, "%llu", (unsigned long long)event->a);
    ck_assert_uint_eq(event->b, ~event->a);
    ck_assert_str_eq(event->text, text);
}

START_TEST(an_event_tells_who_wrote_it)
{
    struct sp_event event;
    uint64_t at = first;
    ck_assert_int_eq(sp_event_read(&fx.segment, &at, &event), 0);
    write_some(7, 1);
    ck_assert_int_eq(sp_event_read(&fx.segment, &at, &event), 1);
    whole(&event);
    ck_assert_uint_eq(at, first);
    ck_assert_uint_eq(atomic_load(&event.sequence), first);
    ck_assert_uint_eq(event.pid, (unsigned)getpid());
    ck_assert_uint_eq(event.uid, geteuid());
    ck_assert_str_eq(event.command, fx.segment.self.command);
    ck_assert_uint_gt(event.wall, 0);
}
END_TEST

START_TEST(the_first_event_is_number_one)
{
    struct sp_event event;
    uint64_t at = 0;
    write_some(0, 1);
    sp_event_read(&fx.segment, &at, &event);
    ck_assert_uint_eq(at, 1);
}
END_TEST

START_TEST(a_late_reader_is_told_and_goes_on_with_the_oldest_kept)
{
    struct sp_event event;
    uint64_t at = first;
    write_some(0, SP_EVENTS + 100);
    ck_assert_int_eq(sp_event_read(&fx.segment, &at, &event), -1);
    ck_assert_uint_eq(at, sp_event_last(&fx.segment) - SP_EVENTS + 1);
    for (unsigned i = 0; i < SP_EVENTS; i++, at++) {
        ck_assert_int_eq(sp_event_read(&fx.segment, &at, &event), 1);
        ck_assert_uint_eq(event.a, i + 100);
        whole(&event);
    }
    ck_assert_int_eq(sp_event_read(&fx.segment, &at, &event), 0);
}
END_TEST

START_TEST(a_writer_that_died_half_way_stops_nobody)
{
    struct sp_event event;
    uint64_t at = first;
    atomic_fetch_add(&fx.segment.head->event_next, 1); /* as far as it came */
    write_some(1, 2);
    ck_assert_int_eq(sp_event_read(&fx.segment, &at, &event), 0);
    write_some(3, 2);
    ck_assert_int_eq(sp_event_read(&fx.segment, &at, &event), -1);
    ck_assert_uint_eq(at, first + 1);
    ck_assert_int_eq(sp_event_read(&fx.segment, &at, &event), 1);
    ck_assert_uint_eq(event.a, 1);
}
END_TEST

START_TEST(a_place_left_half_written_is_taken_over)
{
    struct sp_event event;
    uint64_t at = first + SP_EVENTS;
    atomic_store(&fx.segment.events[first % SP_EVENTS].sequence, UINT64_C(1) << 63 | first);
    write_some(0, SP_EVENTS + 1);
    ck_assert_int_eq(sp_event_read(&fx.segment, &at, &event), 1);
    ck_assert_uint_eq(event.a, SP_EVENTS);
}
END_TEST

START_TEST(a_writer_that_was_overtaken_writes_nothing)
{
    struct sp_event event;
    uint64_t at = first + SP_EVENTS;
    write_some(0, SP_EVENTS + 1);
    atomic_store(&fx.segment.head->event_next, first - 1); /* as if it had slept since */
    write_some(99, 1);
    atomic_store(&fx.segment.head->event_next, first + SP_EVENTS);
    ck_assert_int_eq(sp_event_read(&fx.segment, &at, &event), 1);
    ck_assert_uint_eq(event.a, SP_EVENTS);
}
END_TEST

START_TEST(an_event_that_two_wrote_at_once_is_told_as_lost)
{
    struct sp_event event;
    uint64_t at = first;
    write_some(0, 5);
    fx.segment.events[first % SP_EVENTS].text[0] ^= 1;
    ck_assert_int_eq(sp_event_read(&fx.segment, &at, &event), -1);
    ck_assert_uint_eq(at, first + 1);
    ck_assert_int_eq(sp_event_read(&fx.segment, &at, &event), 1);
}
END_TEST

#define WRITERS 8
#define EACH    2000

static int writes_many(void *context)
{
    pthread_barrier_wait(context);
    write_some(0, EACH);
    return 0;
}

/* A writer that slept for a whole round loses its own event and spoils one of another's. */
static unsigned kept_whole(void)
{
    struct sp_event event;
    unsigned kept = 0;
    uint64_t last = sp_event_last(&fx.segment);
    for (uint64_t i = 0, at = last; i < SP_EVENTS; i++, at = last - i) {
        if (sp_event_read(&fx.segment, &at, &event) != 1)
            continue;
        whole(&event);
        kept++;
    }
    return kept;
}

START_TEST(many_writers_and_a_reader_that_sees_only_whole_events)
{
    pid_t child[WRITERS];
    struct sp_event event;
    uint64_t at = first, seen = 0;
    pthread_barrier_t *start = fixture_barrier(WRITERS + 1);
    for (int i = 0; i < WRITERS; i++)
        child[i] = fixture_fork(writes_many, start);
    pthread_barrier_wait(start);
    while (at < first + WRITERS * EACH) {
        int result = sp_event_read(&fx.segment, &at, &event);
        if (result == 1) {
            whole(&event);
            seen++;
            at++;
        }
        if (result == 0 && sp_event_last(&fx.segment) >= first + WRITERS * EACH - 1 &&
            at + 4 > first + WRITERS * EACH - 1)
            break;
    }
    for (int i = 0; i < WRITERS; i++)
        ck_assert_int_eq(fixture_end(child[i]), 0);
    ck_assert_uint_eq(sp_event_last(&fx.segment), first + WRITERS * EACH - 1);
    ck_assert_uint_gt(seen, 0);
    ck_assert_uint_ge(kept_whole(), SP_EVENTS - 2 * WRITERS);
}
END_TEST

/* --- the note of who steered --- */

START_TEST(a_note_is_read_as_it_was_written)
{
    struct sp_steer note = {.kind = SP_EVENT_HOLD, .uid = 7, .until = 9}, out;
    sp_steer_read(fx.call.dest, &out);
    ck_assert_uint_eq(out.kind, 0);
    snprintf(note.reason, sizeof note.reason, "the night of the move");
    sp_steer_write(fx.call.dest, &note);
    sp_steer_read(fx.call.dest, &out);
    ck_assert_uint_eq(out.kind, SP_EVENT_HOLD);
    ck_assert_uint_eq(out.until, 9);
    ck_assert_str_eq(out.reason, note.reason);
}
END_TEST

START_TEST(a_note_left_half_written_is_none_until_the_next)
{
    struct sp_steer note = {.kind = SP_EVENT_HOLD}, out;
    sp_steer_write(fx.call.dest, &note);
    atomic_fetch_add(&fx.call.dest->steer.sequence, 1);
    sp_steer_read(fx.call.dest, &out);
    ck_assert_uint_eq(out.kind, 0);
    sp_steer_write(fx.call.dest, &note);
    sp_steer_read(fx.call.dest, &out);
    ck_assert_uint_eq(out.kind, SP_EVENT_HOLD);
}
END_TEST

Suite *suite_event(void);
Suite *suite_event(void)
{
    Suite *suite = suite_create("event");
    TCase *tests = fixture_case(suite, "event");
    tcase_add_checked_fixture(tests, begin, NULL);
    tcase_add_test(tests, an_event_tells_who_wrote_it);
    tcase_add_test(tests, the_first_event_is_number_one);
    tcase_add_test(tests, a_late_reader_is_told_and_goes_on_with_the_oldest_kept);
    tcase_add_test(tests, a_writer_that_died_half_way_stops_nobody);
    tcase_add_test(tests, a_place_left_half_written_is_taken_over);
    tcase_add_test(tests, a_writer_that_was_overtaken_writes_nothing);
    tcase_add_test(tests, an_event_that_two_wrote_at_once_is_told_as_lost);
    tcase_add_test(tests, many_writers_and_a_reader_that_sees_only_whole_events);
    tcase_add_test(tests, a_note_is_read_as_it_was_written);
    tcase_add_test(tests, a_note_left_half_written_is_none_until_the_next);
    return suite;
}
