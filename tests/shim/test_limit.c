/* A rate is shared by all processes; beyond it calls are refused, or sleep until it allows them. */
#include "harness.h"

#define CALLERS 8

/* count_passed ADDRESS N: of N connects. */
VICTIM(count_passed)
{
    int passed = 0, refused = 0;

    pause_here();
    for (int i = 0; i < atoi(argv[2]); i++) {
        int fd = dial(argv[1]);

        passed += fd >= 0;
        refused += fd == -ECONNREFUSED;
        if (fd >= 0)
            close(fd);
    }
    say("%d %d", passed, refused);
    return 0;
}

static void limited(struct server *server, const char *limit)
{
    world_policy("destination d\n match %s\n breaker streak 1\n limit %s\n", server->text, limit);
}

static int total_passed(struct server *server, const char *tries)
{
    struct victim *callers[CALLERS];
    int total = 0, passed, refused;

    for (int i = 0; i < CALLERS; i++)
        callers[i] = victim_start("count_passed", server->text, tries, NULL);
    for (int i = 0; i < CALLERS; i++)
        victim_tell(callers[i]);
    for (int i = 0; i < CALLERS; i++) {
        ck_assert_int_eq(sscanf(victim_hear(callers[i]), "%d %d", &passed, &refused), 2);
        ck_assert_int_eq(passed + refused, atoi(tries));
        total += passed;
        ck_assert_int_eq(victim_end(callers[i]), 0);
    }
    return total;
}

START_TEST(a_burst_over_all_processes)
{
    struct server *server = server_start(AF_INET, ECHO);

    limited(server, "20/h");
    ck_assert_int_eq(total_passed(server, "10"), 20);
    ck_assert_uint_eq(server_accepted(server), 20);
    ck_assert_uint_eq(world_figures("d").rejected[SP_REFUSED_RATE - 1], 8 * 10 - 20);
    ck_assert_int_eq(world_breaker("d").state, SP_STATE_CLOSED); /* nobody's failure */
}
END_TEST

START_TEST(who_waits_gets_through_at_the_rate)
{
    struct server *server = server_start(AF_INET, ECHO);
    uint64_t start = sp_now();

    limited(server, "200/s burst 1 wait 1m");
    ck_assert_int_eq(total_passed(server, "10"), 80);
    ck_assert_uint_ge(sp_now() - start, 79 * 5 * SP_MS);
    ck_assert_uint_eq(world_figures("d").rejected[SP_REFUSED_RATE - 1], 0);
}
END_TEST

/* exchanges ADDRESS: on one connection, until one is refused; how many were answered. */
VICTIM(exchanges)
{
    int fd = dial(argv[1]), answered = 0, error;

    while ((error = ask(fd)) == 0)
        answered++;
    say("%d %s", answered, word_of(error));
    return 0;
}

START_TEST(a_connect_and_its_first_exchange_are_one_call)
{
    struct server *server = server_start(AF_INET, ECHO);

    limited(server, "5/h");
    ck_assert_str_eq(victim_says("exchanges", server->text, NULL), "5 ECONNRESET");
    ck_assert_int_eq(world_breaker("d").state, SP_STATE_CLOSED);
}
END_TEST

SCENARIO(limit, a_burst_over_all_processes, who_waits_gets_through_at_the_rate,
         a_connect_and_its_first_exchange_are_one_call)
