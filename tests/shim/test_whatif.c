/* `whatif` goes through a journal by the breaker's own rules: on calls made up here it trips
 * exactly when the breaker trips that is asked directly. */
#include "harness.h"

#include <spawn.h>

#define START (10 * SP_SECOND)
#define CALLS 20000
#define MOST  4096

struct changes {
    size_t count;
    uint64_t at[MOST];
};

/* --- the journal --- */

static void write_call(uint64_t at, enum sp_outcome outcome, unsigned i)
{
    struct sp_note note = {.time = at,
                           .dest = 0,
                           .outcome = (uint8_t)outcome,
                           .kind = SP_ENTRY_EXCHANGE,
                           .slot = SP_PROCESSES,
                           .conn = i & SP_JOURNAL_CONN_MASK};

    sp_journal_write(world_segment(), &note);
}

static enum sp_outcome made_up(unsigned i)
{
    unsigned hash = i * 2654435761u >> 16;
    bool bad_times = i / 500 % 3 == 1;

    return hash % 100 < (bad_times ? 60u : 4u) ? SP_OUTCOME_RESET : SP_OUTCOME_OK;
}

static uint64_t made_up_time(unsigned i)
{
    return START + i * 10 * SP_MS;
}

static void write_policy(const char *file, const char *words)
{
    FILE *out = fopen(world_file(file), "w");

    fprintf(out, "segment test\ndestination d\n match 192.0.2.1\n %s\n", words);
    ck_assert_int_eq(fclose(out), 0);
}

static void world_with_journal(void)
{
    struct server *server = server_start(AF_UNIX, ECHO);

    world_policy("defaults\n journal 1MiB\ndestination d\n match 192.0.2.1\n breaker streak 900\n");
    ck_assert_str_eq(victim_says("dial", server->text, NULL), "ok");
    ck_assert_uint_eq(world_segment()->journal_max, 65536);
}

/* --- the command --- */

static uint64_t number_behind(const char *text, const char *key)
{
    const char *at = strstr(text, key);

    ck_assert_msg(at != NULL, "no %s in %s", key, text);
    return strtoull(at + strlen(key), NULL, 10);
}

static char *whatif(const char *arguments)
{
    static char said[1 << 20];
    char line[1024];

    snprintf(line, sizeof line, "%s whatif -s test --json %s", world_tool("shearpin"), arguments);
    FILE *out = popen(line, "r");
    ck_assert_ptr_nonnull(out);
    said[fread(said, 1, sizeof said - 1, out)] = '\0';
    ck_assert_int_eq(pclose(out), 0);
    return said;
}

static void times_of(const char *said, struct changes *changes)
{
    const char *key = "\"monotonic_ns\":";

    changes->count = 0;
    for (const char *at = said; (at = strstr(at, key)) && changes->count < MOST; at++)
        changes->at[changes->count++] = strtoull(at + strlen(key), NULL, 10);
}

/* --- the breaker, asked directly --- */

static const struct sp_policy *compile(const char *file)
{
    static _Alignas(8) unsigned char room[SP_POLICY_ROOM];

    ck_assert_int_eq(sp_policy_read(world_file(file), room, sizeof room, NULL, NULL), 0);
    return (const struct sp_policy *)room;
}

static void ask_directly(const struct sp_policy *policy, struct changes *changes)
{
    static struct sp_segment segment;
    struct sp_guards guards;
    struct sp_error error;
    struct sp_admission admission;

    ck_assert_int_eq(sp_segment_private(&segment, policy, &error), 0);
    ck_assert(sp_segment_guards(&segment, 0, &guards));
    changes->count = 0;
    for (unsigned i = 0; i < CALLS; i++) {
        uint64_t before = sp_event_last(&segment);
        struct sp_call call = {.segment = &segment,
                               .dest = sp_segment_dest(&segment, 0),
                               .guards = &guards,
                               .now = made_up_time(i)};

        if (sp_order_admit(&call, false, NULL, &admission) == SP_PASS)
            sp_order_settle(&call, &admission.permit, false, made_up(i), 0);
        for (; before < sp_event_last(&segment); before++)
            changes->at[changes->count++] = call.now;
    }
}

static void same_times(const char *words)
{
    static struct changes directly, replayed;

    write_policy("trial.conf", words);
    ask_directly(compile("trial.conf"), &directly);
    char arguments[512];
    snprintf(arguments, sizeof arguments, "-p %s", world_file("trial.conf"));
    times_of(whatif(arguments), &replayed);
    ck_assert_uint_gt(directly.count, 20);
    ck_assert_uint_eq(replayed.count, directly.count);
    for (size_t i = 0; i < directly.count; i++)
        ck_assert_uint_eq(replayed.at[i], directly.at[i]);
}

START_TEST(trips_when_the_breaker_trips)
{
    world_with_journal();
    for (unsigned i = 0; i < CALLS; i++)
        write_call(made_up_time(i), made_up(i), i);
    same_times("breaker streak 3  open 200ms");
    same_times("breaker streak 4  open 100ms..2s  probe 2  close 3");
    same_times("breaker rate 30% of 20 in 1s  open 300ms..1s  close 1");
}
END_TEST

/* Counted by hand: failures at 1, 2 and 3 s, then a probe at 4 s and a second one at 5 s. */
START_TEST(counted_by_hand)
{
    static struct changes changes;
    const char *streak = "-o d.breaker.streak=3 -o d.breaker.open=1s -o d.breaker.open-max=1s "
                         "-o d.breaker.close=2";

    world_with_journal();
    for (unsigned i = 1; i <= 3; i++)
        write_call(START + i * SP_SECOND, SP_OUTCOME_RESET, i);
    write_call(START + 3500 * SP_MS, SP_OUTCOME_OK, 4);
    write_call(START + 4 * SP_SECOND, SP_OUTCOME_OK, 5);
    write_call(START + 5 * SP_SECOND, SP_OUTCOME_OK, 6);
    const char *said = whatif(streak);
    times_of(said, &changes);
    ck_assert_uint_eq(changes.count, 3);
    ck_assert_uint_eq(changes.at[0], START + 3 * SP_SECOND); /* open */
    ck_assert_uint_eq(changes.at[1], START + 4 * SP_SECOND); /* half-open */
    ck_assert_uint_eq(changes.at[2], START + 5 * SP_SECOND); /* closed */
    ck_assert_uint_eq(number_behind(said, "\"refused_by_breaker\":"), 1);
    ck_assert_uint_eq(number_behind(said, "\"calls\":"), 5);
    ck_assert_ptr_nonnull(strstr(said, "\"did\":{\"calls\":6,\"trips\":0"));
    times_of(whatif("-o d.breaker.streak=4"), &changes);
    ck_assert_uint_eq(changes.count, 0);
}
END_TEST

static void write_line(uint64_t at, enum sp_entry_kind kind, enum sp_outcome outcome,
                       uint64_t duration, uint16_t conn)
{
    struct sp_note note = {.time = at,
                           .outcome = (uint8_t)outcome,
                           .kind = (uint8_t)kind,
                           .duration = (uint16_t)sp_bin_of(duration),
                           .conn = conn};

    sp_journal_write(world_segment(), &note);
}

/* Three connections that overlap, with an exchange of 400 ms each. */
START_TEST(caps_and_deadlines)
{
    world_with_journal();
    for (uint16_t i = 0; i < 3; i++) {
        uint64_t began = START + i * 100 * SP_MS;

        write_line(began, SP_ENTRY_CONNECT, SP_OUTCOME_OK, 0, i);
        write_line(began + 401 * SP_MS, SP_ENTRY_EXCHANGE, SP_OUTCOME_OK, 400 * SP_MS, i);
        write_line(began + SP_SECOND, SP_ENTRY_CLOSED, SP_OUTCOME_OK, SP_SECOND, i);
    }
    const char *said = whatif("-o d.cap=2");
    ck_assert_uint_eq(number_behind(said, "\"refused_by_cap\":"), 1);
    ck_assert_uint_eq(number_behind(said, "\"not_made\":"), 1);
    ck_assert_uint_eq(number_behind(said, "\"cut\":"), 0);
    said = whatif("-o d.deadline.response=300ms -o d.breaker.streak=3");
    ck_assert_uint_eq(number_behind(said, "\"cut\":"), 3);
    ck_assert_uint_eq(number_behind(said, "\"trips\":"), 1);
    /* the third was sent at 201 ms, and would have been cut 300 ms later */
    ck_assert_uint_eq(number_behind(said, "\"monotonic_ns\":"), START + 501 * SP_MS);
    said = whatif("-o d.deadline.response=500ms -o d.cap=3");
    ck_assert_uint_eq(number_behind(said, "\"cut\":"), 0);
    ck_assert_uint_eq(number_behind(said, "\"refused_by_cap\":"), 0);
}
END_TEST

START_TEST(without_a_journal)
{
    struct server *server = server_start(AF_UNIX, ECHO);
    char line[1024], said[256] = "";

    world_policy("destination d\n match 192.0.2.1\n");
    ck_assert_str_eq(victim_says("dial", server->text, NULL), "ok");
    snprintf(line, sizeof line, "%s whatif -s test 2>&1", world_tool("shearpin"));
    FILE *out = popen(line, "r");
    ck_assert_ptr_nonnull(fgets(said, sizeof said, out));
    ck_assert_int_eq(pclose(out), 1 << 8);
    ck_assert_ptr_nonnull(strstr(said, "segment test has no journal"));
}
END_TEST

SCENARIO(whatif, trips_when_the_breaker_trips, counted_by_hand, caps_and_deadlines,
         without_a_journal)
