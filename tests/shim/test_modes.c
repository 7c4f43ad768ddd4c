/* Observe runs everything and interferes with nothing; off does not even count. */
#include "harness.h"

START_TEST(observe_only_counts)
{
    struct server *server = server_start(AF_INET, CLOSED);

    world_policy("destination d\n match %s\n mode observe\n breaker streak 2  open 60s\n cap 1\n",
                 server->text);
    for (int i = 0; i < 2; i++)
        ck_assert_str_eq(victim_says("dial", server->text, NULL), "ECONNREFUSED");
    ck_assert_int_eq(world_breaker("d").state, SP_STATE_OPEN);
    server_become(server, ECHO);
    ck_assert_str_eq(victim_says("dial_twice", server->text, NULL), "ok ok");
    AWAIT(server_accepted(server) == 2);

    struct sp_figures figures = world_figures("d");
    ck_assert_uint_eq(figures.rejected[0] + figures.rejected[1], 0);
    ck_assert_uint_ge(figures.detected[0], 2);
}
END_TEST

START_TEST(observe_never_refuses)
{
    struct server *server = server_start(AF_INET, ECHO);

    world_policy("destination d\n match %s\n mode observe\n cap 1\n", server->text);
    ck_assert_str_eq(victim_says("dial_twice", server->text, NULL), "ok ok");
    ck_assert_uint_eq(world_figures("d").detected[1], 1);
}
END_TEST

START_TEST(off_is_libc)
{
    struct server *server = server_start(AF_INET, CLOSED);

    world_policy("destination d\n match %s\n mode off\n breaker streak 1  open 60s\n cap 1\n",
                 server->text);
    ck_assert_str_eq(victim_says("dial", server->text, NULL), "ECONNREFUSED");
    server_become(server, ECHO);
    ck_assert_str_eq(victim_says("dial_twice", server->text, NULL), "ok ok");
    ck_assert_uint_eq(world_figures("d").detected[1], 0);
}
END_TEST

/* One word changed for one process tree, by the environment. */
START_TEST(set_changes_one_word)
{
    struct server *server = server_start(AF_INET, ECHO);

    world_policy("destination d\n match %s\n cap 1\n", server->text);
    ck_assert_str_eq(victim_says("dial_twice", server->text, NULL), "ok ECONNREFUSED");
    world_env("SHEARPIN_SET", "d.mode=observe");
    ck_assert_str_eq(victim_says("dial_twice", server->text, NULL), "ok ok");
}
END_TEST

SCENARIO(modes, observe_only_counts, observe_never_refuses, off_is_libc, set_changes_one_word)
