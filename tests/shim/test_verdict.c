/*
 * A connect that succeeds proves nothing: the kernel's backlog accepts for a dead service. The
 * first byte of an answer does.
 */
#include "harness.h"

START_TEST(connect_alone_is_none)
{
    struct server *server = server_start(AF_INET, CLOSED);

    world_policy("destination d\n match %s\n breaker streak 2  open 60s\n", server->text);
    ck_assert_str_eq(victim_says("dial", server->text, NULL), "ECONNREFUSED");
    server_become(server, ECHO);
    ck_assert_str_eq(victim_says("dial", server->text, NULL), "ok");
    ck_assert_uint_eq(world_breaker("d").streak, 1);
    ck_assert_str_eq(victim_says("ask", server->text, NULL), "ok");
    ck_assert_uint_eq(world_breaker("d").streak, 0);
}
END_TEST

START_TEST(success_connect_says_otherwise)
{
    struct server *server = server_start(AF_INET, CLOSED);

    world_policy("destination d\n match %s\n success connect\n breaker streak 2  open 60s\n",
                 server->text);
    ck_assert_str_eq(victim_says("dial", server->text, NULL), "ECONNREFUSED");
    ck_assert_uint_eq(world_breaker("d").streak, 1);
    server_become(server, HANG);
    ck_assert_str_eq(victim_says("dial", server->text, NULL), "ok");
    ck_assert_uint_eq(world_breaker("d").streak, 0);
}
END_TEST

/* It accepts every time and dies at every question: two attempts, two failures. */
START_TEST(accepting_and_dying_opens)
{
    struct server *server = server_start(AF_INET, RESET);

    world_policy("destination d\n match %s\n breaker streak 2  open 60s\n", server->text);
    ck_assert_str_eq(victim_says("ask", server->text, NULL), "ECONNRESET");
    ck_assert_uint_eq(world_breaker("d").streak, 1);
    server_become(server, EOF_EARLY);
    ck_assert_str_eq(victim_says("ask", server->text, NULL), "ENODATA");
    ck_assert_int_eq(world_breaker("d").state, SP_STATE_OPEN);

    struct sp_figures figures = world_figures("d");
    ck_assert_uint_eq(figures.connects[SP_OUTCOME_OK], 2);
    ck_assert_uint_eq(figures.exchanges[SP_OUTCOME_RESET], 1);
    ck_assert_uint_eq(figures.exchanges[SP_OUTCOME_EOF], 1);
}
END_TEST

/* Closed with nothing outstanding after an answer: no failure, no second verdict. */
START_TEST(closing_after_an_answer_is_none)
{
    struct server *server = server_start(AF_INET, ECHO);

    world_policy("destination d\n match %s\n breaker streak 1  open 60s\n", server->text);
    for (int i = 0; i < 3; i++)
        ck_assert_str_eq(victim_says("ask", server->text, NULL), "ok");
    struct sp_figures figures = world_figures("d");
    ck_assert_uint_eq(figures.connects[SP_OUTCOME_OK], 3);
    ck_assert_uint_eq(figures.exchanges[SP_OUTCOME_OK], 3);
    ck_assert_uint_eq(figures.exchanges[SP_OUTCOME_ABANDONED], 0);
    ck_assert_int_eq(world_breaker("d").state, SP_STATE_CLOSED);
}
END_TEST

/* ask_and_leave ADDRESS: does not wait for the answer. */
VICTIM(ask_and_leave)
{
    int fd = dial(argv[1]);

    say("%s", word_of(send(fd, "?", 1, 0) == 1 ? 0 : errno));
    close(fd);
    return 0;
}

START_TEST(abandoned_blames_nobody)
{
    struct server *server = server_start(AF_INET, HANG);

    world_policy("destination d\n match %s\n breaker streak 1  open 60s\n", server->text);
    ck_assert_str_eq(victim_says("ask_and_leave", server->text, NULL), "ok");
    ck_assert_uint_eq(world_figures("d").exchanges[SP_OUTCOME_ABANDONED], 1);
    ck_assert_int_eq(world_breaker("d").state, SP_STATE_CLOSED);
}
END_TEST

/* greeted ADDRESS: the server speaks first. */
VICTIM(greeted)
{
    char byte;
    int fd = dial(argv[1]);

    say("%s", word_of(read(fd, &byte, 1) == 1 ? 0 : errno));
    close(fd);
    return 0;
}

START_TEST(greeting_is_an_answer)
{
    struct server *server = server_start(AF_INET, GREETING);

    world_policy("destination d\n match %s\n exchange greeting\n breaker streak 1\n", server->text);
    ck_assert_str_eq(victim_says("greeted", server->text, NULL), "ok");
    ck_assert_uint_eq(world_figures("d").exchanges[SP_OUTCOME_OK], 1);
}
END_TEST

SCENARIO(verdict, connect_alone_is_none, success_connect_says_otherwise, accepting_and_dying_opens,
         closing_after_an_answer_is_none, abandoned_blames_nobody, greeting_is_an_answer)
