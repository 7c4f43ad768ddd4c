/* After the open time exactly one of many processes gets through, and its answer closes. */
#include "harness.h"

#include <signal.h>

#define CROWD 16

static struct server *opened(void)
{
    struct server *server = server_start(AF_INET, CLOSED);

    world_policy(
        "destination d\n match %s\n breaker streak 1  open 300ms..300ms  probe 1  close 1\n",
        server->text);
    ck_assert_str_eq(victim_says("dial", server->text, NULL), "ECONNREFUSED");
    ck_assert_int_eq(world_breaker("d").state, SP_STATE_OPEN);
    server_become(server, ECHO);
    return server;
}

static void open_time_over(void)
{
    AWAIT(world_breaker("d").until == 0);
}

START_TEST(one_of_sixteen)
{
    struct server *server = opened();
    struct victim *crowd[CROWD], *probe = NULL;
    int refused = 0;

    open_time_over();
    victim_gate_shut();
    for (int i = 0; i < CROWD; i++)
        crowd[i] = victim_start("hold", server->text, NULL);
    victim_gate_open();
    for (int i = 0; i < CROWD; i++) {
        const char *said = victim_hear(crowd[i]);

        if (!strcmp(said, "ok"))
            probe = crowd[i];
        refused += !strcmp(said, "ECONNREFUSED");
    }
    ck_assert_int_eq(refused, CROWD - 1);
    ck_assert_ptr_nonnull(probe);
    ck_assert_uint_eq(server_accepted(server), 1);
    ck_assert_int_eq(world_breaker("d").state, SP_STATE_HALF_OPEN);

    victim_tell(probe);
    ck_assert_str_eq(victim_hear(probe), "ok");
    ck_assert_int_eq(world_breaker("d").state, SP_STATE_CLOSED);
    for (int i = 0; i < CROWD; i++)
        ck_assert_int_eq(victim_end(crowd[i]), 0);
}
END_TEST

/* The probe that closes unasked gives its place back without a verdict. */
START_TEST(no_verdict_gives_back)
{
    struct server *server = opened();

    open_time_over();
    ck_assert_str_eq(victim_says("dial", server->text, NULL), "ok");
    ck_assert_int_eq(world_breaker("d").state, SP_STATE_HALF_OPEN);
    ck_assert_str_eq(victim_says("ask", server->text, NULL), "ok");
    ck_assert_int_eq(world_breaker("d").state, SP_STATE_CLOSED);
}
END_TEST

START_TEST(dead_probe_is_given_up)
{
    struct server *server = opened();

    open_time_over();
    struct victim *probe = victim_start("hold", server->text, NULL);
    ck_assert_str_eq(victim_hear(probe), "ok");
    ck_assert_str_eq(victim_says("ask", server->text, NULL), "connect ECONNREFUSED");
    kill(probe->pid, SIGKILL);
    ck_assert_int_eq(victim_end(probe), 128 + SIGKILL);
    AWAIT(!strcmp(victim_says("ask", server->text, NULL), "ok"));
    ck_assert_int_eq(world_breaker("d").state, SP_STATE_CLOSED);
}
END_TEST

/* A probe that fails opens again. */
START_TEST(failing_probe_opens)
{
    struct server *server = server_start(AF_INET, CLOSED);

    world_policy("destination d\n match %s\n breaker streak 1  open 200ms..60s\n", server->text);
    for (int i = 0; i < 2; i++) {
        ck_assert_str_eq(victim_says("dial", server->text, NULL), "ECONNREFUSED");
        ck_assert_int_eq(world_breaker("d").state, SP_STATE_OPEN);
        ck_assert_uint_eq(world_figures("d").connects[SP_OUTCOME_REFUSED], (unsigned)i + 1);
        open_time_over();
    }
}
END_TEST

SCENARIO(probe, one_of_sixteen, no_verdict_gives_back, dead_probe_is_given_up, failing_probe_opens)
