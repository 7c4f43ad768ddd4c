/* An open breaker reaches pooled connections: the next exchange fails, without a signal. */
#include "harness.h"

#include <signal.h>
#include <sys/syscall.h>

static void trip(const char *name)
{
    struct sp_guards guards;
    struct sp_call call = {.segment = world_segment(), .guards = &guards, .now = sp_now()};

    call.dest = sp_segment_dest_named(call.segment, name, &call.index);
    sp_segment_guards(call.segment, call.index, &guards);
    sp_breaker_trip(&call);
}

/* pooled ADDRESS: an exchange before, and calls after the breaker opened. No MSG_NOSIGNAL. */
VICTIM(pooled)
{
    int fd = dial(argv[1]);
    char byte = '?';

    signal(SIGPIPE, SIG_DFL);
    say("%s", word_of(ask(fd)));
    pause_here();
    say("%s", word_of(write(fd, &byte, 1) == 1 ? 0 : errno));
    say("%s", word_of(send(fd, &byte, 1, 0) == 1 ? 0 : errno));
    say("%s", word_of(recv(fd, &byte, 1, 0) == 1 ? 0 : errno));
    return 0;
}

static struct victim *pooled_when_open(struct server *server)
{
    struct victim *victim = victim_start("pooled", server->text, NULL);

    ck_assert_str_eq(victim_hear(victim), "ok");
    trip("d");
    victim_tell(victim);
    return victim;
}

START_TEST(fails_without_a_signal)
{
    struct server *server = server_start(AF_INET, ECHO);

    world_policy("destination d\n match %s\n breaker streak 3  open 60s\n", server->text);
    struct victim *victim = pooled_when_open(server);
    ck_assert_str_eq(victim_hear(victim), "ECONNRESET");
    ck_assert_str_eq(victim_hear(victim), "ECONNRESET");
    ck_assert_str_eq(victim_hear(victim), "ECONNRESET");
    ck_assert_int_eq(victim_end(victim), 0);
    ck_assert_uint_ge(world_figures("d").rejected[0], 1);
    ck_assert_uint_eq(world_figures("d").exchanges[SP_OUTCOME_RESET], 0);
}
END_TEST

START_TEST(may_be_let_pass)
{
    struct server *server = server_start(AF_INET, ECHO);

    world_policy("destination d\n match %s\n breaker streak 3  open 60s  established pass\n",
                 server->text);
    struct victim *victim = pooled_when_open(server);
    ck_assert_str_eq(victim_hear(victim), "ok");
    ck_assert_str_eq(victim_hear(victim), "ok");
    ck_assert_str_eq(victim_hear(victim), "ok");
    ck_assert_int_eq(victim_end(victim), 0);
}
END_TEST

START_TEST(observed_is_let_pass)
{
    struct server *server = server_start(AF_INET, ECHO);

    world_policy("destination d\n match %s\n mode observe\n breaker streak 3  open 60s\n",
                 server->text);
    struct victim *victim = pooled_when_open(server);
    for (int i = 0; i < 3; i++)
        ck_assert_str_eq(victim_hear(victim), "ok");
    ck_assert_int_eq(victim_end(victim), 0);
    ck_assert_uint_ge(world_figures("d").detected[0], 1);
    ck_assert_uint_eq(world_figures("d").rejected[0], 0);
}
END_TEST

/* broken_pipe ADDRESS: what the peer breaks raises SIGPIPE, as without us. */
VICTIM(broken_pipe)
{
    int fd = dial(argv[1]);

    signal(SIGPIPE, SIG_DFL);
    send(fd, "?", 1, 0);
    poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, -1);
    socket_error(fd);
    say("reset");
    write(fd, "?", 1);
    say("alive");
    return 0;
}

START_TEST(real_sigpipe_stays)
{
    struct server *server = server_start(AF_INET, RESET);

    world_policy("destination d\n match %s\n breaker streak 30\n", server->text);
    struct victim *bare = victim_start_bare("broken_pipe", server->text, NULL);
    ck_assert_int_eq(victim_end(bare), 128 + SIGPIPE);
    struct victim *guarded = victim_start("broken_pipe", server->text, NULL);
    ck_assert_int_eq(victim_end(guarded), 128 + SIGPIPE);
}
END_TEST

/* switched ADDRESS: the panic switch in the segment works at the next call. */
START_TEST(disabled_at_the_next_call)
{
    struct server *server = server_start(AF_INET, ECHO);

    world_policy("destination d\n match %s\n breaker streak 3  open 60s\n", server->text);
    struct victim *victim = victim_start("pooled", server->text, NULL);
    ck_assert_str_eq(victim_hear(victim), "ok");
    trip("d");
    atomic_store(&world_segment()->head->disabled, 1);
    victim_tell(victim);
    ck_assert_str_eq(victim_hear(victim), "ok");
    ck_assert_int_eq(victim_end(victim), 0);
    ck_assert_str_eq(victim_says("ask", server->text, NULL), "ok");

    atomic_store(&world_segment()->head->disabled, 0);
    ck_assert_str_eq(victim_says("ask", server->text, NULL), "connect ECONNREFUSED");
    atomic_store(&world_dest("d")->odd, 1);
    ck_assert_str_eq(victim_says("ask", server->text, NULL), "ok");
}
END_TEST

SCENARIO(established, fails_without_a_signal, may_be_let_pass, observed_is_let_pass,
         real_sigpipe_stays, disabled_at_the_next_call)
