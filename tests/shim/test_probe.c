/* After the open time exactly one of many processes gets through, and its answer closes. */
#include "harness.h"

#include <signal.h>

#define CROWD 64

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

START_TEST(one_of_sixty_four)
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

/* One a half-open turn, too: the crowd that comes while a probe hangs stays out until `giveup`, and
 * then one more gets through. */
START_TEST(a_hanging_probe_is_replaced)
{
    struct server *server = server_start(AF_INET, CLOSED);

    world_policy("destination d\n match %s\n breaker streak 1  open 300ms..300ms  close 1"
                 "  giveup 1s\n",
                 server->text);
    ck_assert_str_eq(victim_says("dial", server->text, NULL), "ECONNREFUSED");
    server_become(server, ECHO);
    open_time_over();
    uint64_t start = sp_now();
    struct victim *hanging = victim_start("hold", server->text, NULL);
    ck_assert_str_eq(victim_hear(hanging), "ok");
    do
        ck_assert_uint_le(server_accepted(server), 1);
    while (sp_now() < start + 900 * SP_MS &&
           !strcmp(victim_says("ask", server->text, NULL), "connect ECONNREFUSED"));
    AWAIT(!strcmp(victim_says("ask", server->text, NULL), "ok"));
    ck_assert_uint_ge(sp_now() - start, SP_SECOND - 2 * SP_MS);
    ck_assert_uint_eq(server_accepted(server), 2);
    ck_assert_int_eq(world_breaker("d").state, SP_STATE_CLOSED);
    victim_tell(hanging);
    victim_hear(hanging);
    victim_end(hanging);
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

SCENARIO(probe, one_of_sixty_four, a_hanging_probe_is_replaced, no_verdict_gives_back,
         dead_probe_is_given_up, failing_probe_opens)
