/* The journal is a ring that nobody waits for: what is read of it is whole, or not read. */
#include "fixture.h"

#include <stdio.h>
#include <unistd.h>

#define ENTRIES 256u

static struct sp_segment segment;

static void journal_open(void)
{
    struct sp_error error;
    char path[160];
    snprintf(path, sizeof path, "%s/journal", fx.directory);
    unlink(path);
    const struct sp_policy *policy =
        fixture_policy("defaults\n journal 4KiB\ndestination db\n match *\n");
    ck_assert_msg(sp_segment_open(&segment, path, "journal", policy, NULL, &error) == 0, "%s",
                  error.text);
    ck_assert_uint_eq(segment.journal_max, ENTRIES);
}

static struct sp_note note_of(uint64_t i)
{
    return (struct sp_note){.time = i * SP_US,
                            .dest = i % 1024,
                            .outcome = i % SP_OUTCOME_COUNT,
                            .kind = i % 3,
                            .observed = i % 2,
                            .duration = i % SP_BINS,
                            .slot = i % (SP_PROCESSES + 1),
                            .conn = i & SP_JOURNAL_CONN_MASK};
}

static void check_note(const struct sp_note *note)
{
    struct sp_note expected = note_of(note->time / SP_US);
    ck_assert_uint_eq(note->dest, expected.dest);
    ck_assert_uint_eq(note->outcome, expected.outcome);
    ck_assert_uint_eq(note->kind, expected.kind);
    ck_assert_uint_eq(note->observed, expected.observed);
    ck_assert_uint_eq(note->duration, expected.duration);
    ck_assert_uint_eq(note->slot, expected.slot);
    ck_assert_uint_eq(note->conn, expected.conn);
}

START_TEST(what_was_written_is_read)
{
    struct sp_note note;
    uint64_t oldest;
    journal_open();
    ck_assert_int_eq(sp_journal_read(&segment, 0, &note), 0);
    for (uint64_t i = 0; i < 3 * ENTRIES + 7; i++) {
        note = note_of(i);
        sp_journal_write(&segment, &note);
    }
    ck_assert_uint_eq(sp_journal_count(&segment, &oldest), 3 * ENTRIES + 7);
    ck_assert_uint_eq(oldest, 2 * ENTRIES + 7);
    ck_assert_int_eq(sp_journal_read(&segment, oldest - 1, &note), -1);
    for (uint64_t i = oldest; i < 3 * ENTRIES + 7; i++) {
        ck_assert_int_eq(sp_journal_read(&segment, i, &note), 1);
        ck_assert_uint_eq(note.time / SP_US, i);
        check_note(&note);
    }
    sp_segment_detach(&segment);
}
END_TEST

static int write_on(void *context)
{
    const _Atomic bool *enough = context;
    for (uint64_t i = 0; i < 200000 || !*enough; i++) {
        struct sp_note note = note_of(i);
        sp_journal_write(&segment, &note);
    }
    return 0;
}

/* Four writers go round the ring while it is read. */
START_TEST(an_entry_of_two_writers_is_not_read)
{
    struct sp_note note;
    uint64_t oldest, count, read = 0;
    _Atomic bool *enough = fixture_shared(sizeof *enough);
    pid_t writers[4];
    journal_open();
    for (int i = 0; i < 4; i++)
        writers[i] = fixture_fork(write_on, (void *)enough);
    while ((count = sp_journal_count(&segment, &oldest)) < 800000 || read < 1000) {
        for (uint64_t i = oldest; i < count; i++) {
            if (sp_journal_read(&segment, i, &note) != 1)
                continue;
            check_note(&note);
            read++;
        }
    }
    *enough = true;
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(fixture_end(writers[i]), 0);
    sp_segment_detach(&segment);
}
END_TEST

START_TEST(noise_is_bounded)
{
    struct sp_note note;
    uint64_t oldest;
    journal_open();
    for (uint64_t seed = 1; seed < 200; seed++) {
        fixture_noise(segment.journal, ENTRIES * sizeof *segment.journal, seed);
        atomic_store(&segment.head->journal_next, seed * 0x9e3779b97f4a7c15u);
        uint64_t count = sp_journal_count(&segment, &oldest);
        for (uint64_t i = oldest; i < count; i++) {
            if (sp_journal_read(&segment, i, &note) == 1)
                ck_assert(note.outcome < SP_OUTCOME_COUNT && note.duration < SP_BINS);
        }
        note = note_of(seed);
        sp_journal_write(&segment, &note);
    }
    sp_segment_detach(&segment);
}
END_TEST

START_TEST(settled_and_refused_calls_are_written_down)
{
    struct sp_admission admission;
    struct sp_note note;
    journal_open();
    struct sp_call call = fx.call;
    call.segment = &segment;
    call.dest = sp_segment_dest(&segment, 0);
    call.conn = 5;
    segment.self = fx.segment.self;
    fx.guards.journal = 4096;
    fx.guards.breaker.streak = 1;
    ck_assert_int_eq(sp_order_admit(&call, false, NULL, &admission), SP_PASS);
    sp_order_settle(&call, &admission.permit, false, SP_OUTCOME_RESET, 30 * SP_MS);
    ck_assert_int_eq(sp_order_admit(&call, true, NULL, &admission), SP_REFUSED_BREAKER);
    sp_order_closed(&call, SP_SECOND);
    ck_assert_int_eq(sp_journal_read(&segment, 0, &note), 1);
    ck_assert_uint_eq(note.outcome, SP_OUTCOME_RESET);
    ck_assert_uint_eq(note.kind, SP_ENTRY_EXCHANGE);
    ck_assert_uint_eq(note.time, call.now);
    ck_assert_uint_eq(sp_bin_low(note.duration), 30 * SP_MS);
    ck_assert_uint_eq(note.conn, 5);
    ck_assert_int_eq(sp_journal_read(&segment, 1, &note), 1);
    ck_assert_uint_eq(note.outcome, SP_OUTCOME_REJECTED_BREAKER);
    ck_assert_uint_eq(note.kind, SP_ENTRY_CONNECT);
    ck_assert_int_eq(sp_journal_read(&segment, 2, &note), 1);
    ck_assert_uint_eq(note.kind, SP_ENTRY_CLOSED);
    fx.guards.journal = 0;
    sp_order_closed(&call, SP_SECOND);
    ck_assert_int_eq(sp_journal_read(&segment, 3, &note), 0);
    sp_segment_detach(&segment);
}
END_TEST

START_TEST(a_reload_cannot_make_it_larger)
{
    struct sp_error error;
    journal_open();
    const struct sp_policy *less = fixture_policy("destination db\n match *\n"),
                           *more = fixture_policy("destination db\n match *\n journal 8KiB\n");
    ck_assert_int_eq(sp_segment_apply(&segment, less, &error), 0);
    ck_assert_int_eq(sp_segment_apply(&segment, more, &error), -1);
    ck_assert_str_eq(error.text, "the segment was made with a journal, but not of that size; end "
                                 "its programs and `shearpin rm` it");
    sp_segment_detach(&segment);
}
END_TEST

Suite *suite_journal(void);
Suite *suite_journal(void)
{
    Suite *suite = suite_create("journal");
    TCase *tests = fixture_case(suite, "journal");
    tcase_add_test(tests, what_was_written_is_read);
    tcase_add_test(tests, an_entry_of_two_writers_is_not_read);
    tcase_add_test(tests, noise_is_bounded);
    tcase_add_test(tests, settled_and_refused_calls_are_written_down);
    tcase_add_test(tests, a_reload_cannot_make_it_larger);
    return suite;
}
