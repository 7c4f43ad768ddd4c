/* `enforce N%`: exactly N of every hundred connections meet the guards, and go on to meet them; the
 * others never do, and tell the breaker all the same what became of them. */
#include "harness.h"

#include <pthread.h>

#define PROCESSES 8
#define DIALS     1250

/* dial_many ADDRESS N: how many of N connects were refused. */
VICTIM(dial_many)
{
    int refused = 0;

    for (int left = atoi(argv[2]); left > 0; left--) {
        int fd = dial(argv[1]);

        refused += fd == -ECONNREFUSED;
        if (fd >= 0)
            close(fd);
    }
    say("%d", refused);
    return 0;
}

/* keep_asking ADDRESS N: opens N connections, waits, and asks three times on each: how many are
 * answered three times, and how many not once. */
VICTIM(keep_asking)
{
    int count = atoi(argv[2]), whole = 0, none = 0, *fds = calloc((size_t)count, sizeof *fds);

    for (int i = 0; i < count; i++)
        if ((fds[i] = dial(argv[1])) < 0 || ask(fds[i]) != 0)
            return 1;
    say("ready");
    pause_here();
    for (int i = 0; i < count; i++) {
        int answered = 0;

        for (int turn = 0; turn < 3; turn++)
            answered += ask(fds[i]) == 0;
        whole += answered == 3;
        none += answered == 0;
    }
    say("%d %d", whole, none);
    return 0;
}

static void hold_open(const char *name)
{
    struct sp_guards guards;
    struct sp_call call = {.segment = world_segment(), .guards = &guards, .now = sp_now()};

    call.dest = sp_segment_dest_named(call.segment, name, &call.index);
    ck_assert_ptr_nonnull(call.dest);
    sp_segment_guards(call.segment, call.index, &guards);
    sp_breaker_hold(&call, SP_HOLD_OPEN, 0);
}

START_TEST(ten_percent_of_ten_thousand_are_a_thousand)
{
    struct server *server = server_start(AF_UNIX, ECHO);
    struct victim *victims[PROCESSES];
    int refused = 0;

    world_policy("destination d\n match %s\n mode enforce 10%%\n breaker streak 5\n", server->text);
    ck_assert_str_eq(victim_says("dial", server->text, NULL), "ok");
    hold_open("d");
    for (int i = 0; i < PROCESSES; i++)
        victims[i] = victim_start("dial_many", server->text, "1250", NULL);
    for (int i = 0; i < PROCESSES; i++) {
        refused += atoi(victim_hear(victims[i]));
        ck_assert_int_eq(victim_end(victims[i]), 0);
    }
    ck_assert_int_eq(refused, PROCESSES * DIALS / 10);
    struct sp_figures figures = world_figures("d");
    ck_assert_uint_eq(figures.rejected[0], PROCESSES * DIALS / 10);
    ck_assert_uint_eq(figures.detected[0], PROCESSES * DIALS / 10 * 9);
    ck_assert_uint_eq(server_accepted(server), PROCESSES * DIALS / 10 * 9 + 1);
}
END_TEST

START_TEST(a_connection_keeps_its_side)
{
    struct server *server = server_start(AF_UNIX, ECHO);

    world_policy("destination d\n match %s\n mode enforce 50%%\n breaker streak 5\n", server->text);
    struct victim *victim = victim_start("keep_asking", server->text, "100", NULL);
    ck_assert_str_eq(victim_hear(victim), "ready");
    struct sp_figures figures = world_figures("d");
    ck_assert_uint_eq(figures.exchanges[SP_OUTCOME_OK], 100);
    ck_assert_uint_eq(figures.observed.exchanges[SP_OUTCOME_OK], 50);
    ck_assert_uint_eq(figures.enforced.exchanges[SP_OUTCOME_OK], 50);
    hold_open("d");
    victim_tell(victim);
    ck_assert_str_eq(victim_hear(victim), "50 50");
    ck_assert_int_eq(victim_end(victim), 0);
    figures = world_figures("d");
    ck_assert_uint_eq(figures.rejected[0], 50);
    ck_assert_uint_eq(figures.detected[0], 150);
}
END_TEST

START_TEST(the_observed_feed_the_real_breaker)
{
    struct server *server = server_start(AF_INET, CLOSED);

    world_policy("destination d\n match %s\n mode enforce 1%%\n breaker streak 3  open 60s\n",
                 server->text);
    ck_assert_str_eq(victim_says("dial_many", server->text, "4", NULL), "4");
    ck_assert_int_eq(world_breaker("d").state, SP_STATE_OPEN);
    server_become(server, ECHO);
    ck_assert_str_eq(victim_says("dial_many", server->text, "100", NULL), "1");
}
END_TEST

/* slow_answer PATH MS: asks itself, and answers so late. */
static int slow_fd;
static useconds_t slow_by;

static void *answer_late(void *context)
{
    char byte;

    if (recv(slow_fd, &byte, 1, 0) == 1) {
        usleep(slow_by);
        send(slow_fd, &byte, 1, MSG_NOSIGNAL);
    }
    return context;
}

VICTIM(slow_answer)
{
    pthread_t thread;
    int listening = listen_unix(argv[1] + strlen("unix:"));
    int fd = dial(argv[1]);
    slow_fd = accept(listening, NULL, NULL);
    slow_by = (useconds_t)atoi(argv[2]) * 1000;
    pthread_create(&thread, NULL, answer_late, NULL);
    int error = ask(fd);
    pthread_join(thread, NULL);
    say("%s", word_of(error));
    return 0;
}

START_TEST(an_observed_deadline_cuts_nothing)
{
    char path[512];

    snprintf(path, sizeof path, "unix:%s", world_file("late"));
    world_policy("destination d\n match %s\n mode observe\n deadline response 30ms\n"
                 " breaker streak 1  open 60s\n",
                 path);
    ck_assert_str_eq(victim_says("slow_answer", path, "80", NULL), "ok");
    struct sp_figures figures = world_figures("d");
    ck_assert_uint_eq(figures.observed.late[SP_DEADLINE_RESPONSE], 1);
    ck_assert_uint_eq(figures.expired[SP_DEADLINE_RESPONSE], 0);
    ck_assert_uint_eq(figures.exchanges[SP_OUTCOME_OK], 1);
    ck_assert_int_eq(world_breaker("d").state, SP_STATE_OPEN);
}
END_TEST

/* The same program under `enforce`: the deadline is real. */
START_TEST(an_enforced_deadline_cuts)
{
    char path[512];

    snprintf(path, sizeof path, "unix:%s", world_file("late"));
    world_policy("destination d\n match %s\n deadline response 30ms\n", path);
    ck_assert_str_eq(victim_says("slow_answer", path, "80", NULL), "ETIMEDOUT");
    ck_assert_uint_eq(world_figures("d").expired[SP_DEADLINE_RESPONSE], 1);
}
END_TEST

SCENARIO(share, ten_percent_of_ten_thousand_are_a_thousand, a_connection_keeps_its_side,
         the_observed_feed_the_real_breaker, an_observed_deadline_cuts_nothing,
         an_enforced_deadline_cuts)
