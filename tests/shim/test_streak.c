/*
 * Failures seen by three processes open the breaker for a fourth. The listener that nobody reached
 * is the proof that no SYN was sent: it stands in time to be reached.
 */
#include "harness.h"

static void opens_over_processes(int family)
{
    struct server *server = server_start(family, CLOSED);

    world_policy("destination d\n match %s\n breaker streak 3  open 60s\n", server->text);
    for (int i = 0; i < 3; i++)
        ck_assert_str_eq(victim_says("dial", server->text, NULL), "ECONNREFUSED");
    ck_assert_int_eq(world_breaker("d").state, SP_STATE_OPEN);
    ck_assert_uint_eq(world_events(SP_EVENT_BREAKER), 1);

    server_become(server, ECHO);
    ck_assert_str_eq(victim_says("dial", server->text, NULL), "ECONNREFUSED");
    ck_assert_uint_eq(server_accepted(server), 0);

    struct sp_figures figures = world_figures("d");
    ck_assert_uint_eq(figures.connects[SP_OUTCOME_REFUSED], 3);
    ck_assert_uint_eq(figures.rejected[0], 1);
}

START_TEST(ipv4)
{
    opens_over_processes(AF_INET);
}
END_TEST

START_TEST(ipv6)
{
    opens_over_processes(AF_INET6);
}
END_TEST

START_TEST(unix_socket)
{
    opens_over_processes(AF_UNIX);
}
END_TEST

/* A v4-mapped address is the same endpoint: one of each makes two in a row. */
START_TEST(mapped_is_the_same)
{
    struct server *server = server_start(AF_INET, CLOSED);
    char mapped[160];

    snprintf(mapped, sizeof mapped, "mapped:%s", server->text);
    world_policy("destination d\n match %s\n breaker streak 2  open 60s\n", server->text);
    ck_assert_str_eq(victim_says("dial", mapped, NULL), "ECONNREFUSED");
    ck_assert_str_eq(victim_says("dial", server->text, NULL), "ECONNREFUSED");
    server_become(server, ECHO);
    ck_assert_str_eq(victim_says("dial", mapped, NULL), "ECONNREFUSED");
    ck_assert_uint_eq(server_accepted(server), 0);
}
END_TEST

/* A second destination has a breaker of its own, and an address that none takes has none. */
START_TEST(neighbours_are_apart)
{
    struct server *down = server_start(AF_INET, CLOSED);
    struct server *up = server_start(AF_INET, ECHO);
    struct server *stranger = server_start(AF_INET, CLOSED);

    world_policy("destination d\n match %s\n breaker streak 1  open 60s\n"
                 "destination e\n match %s\n breaker streak 1  open 60s\n",
                 down->text, up->text);
    ck_assert_str_eq(victim_says("dial", down->text, NULL), "ECONNREFUSED");
    ck_assert_str_eq(victim_says("dial", stranger->text, NULL), "ECONNREFUSED");
    server_become(stranger, ECHO);
    ck_assert_str_eq(victim_says("ask", stranger->text, NULL), "ok");
    ck_assert_str_eq(victim_says("ask", up->text, NULL), "ok");
    ck_assert_str_eq(victim_says("ask", down->text, NULL), "connect ECONNREFUSED");
    ck_assert_uint_eq(atomic_load(&world_segment()->head->unmatched), 2);
}
END_TEST

/* rate 50% of 4: two of four fail, one after the other and never twice in a row. */
START_TEST(rate_opens)
{
    struct server *down = server_start(AF_INET, CLOSED);
    struct server *up = server_start(AF_INET, ECHO);

    world_policy("destination d\n match %s %s\n breaker rate 50%% of 4 in 60s  open 60s\n",
                 down->text, up->text);
    for (int i = 0; i < 2; i++) {
        ck_assert_str_eq(victim_says("ask", up->text, NULL), "ok");
        ck_assert_int_eq(world_breaker("d").state, SP_STATE_CLOSED);
        ck_assert_str_eq(victim_says("dial", down->text, NULL), "ECONNREFUSED");
    }
    ck_assert_int_eq(world_breaker("d").state, SP_STATE_OPEN);
    ck_assert_str_eq(victim_says("ask", up->text, NULL), "connect ECONNREFUSED");
}
END_TEST

SCENARIO(streak, ipv4, ipv6, unix_socket, mapped_is_the_same, neighbours_are_apart, rate_opens)
