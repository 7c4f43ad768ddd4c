/* Faults sit below the guards, which take them for the network. */
#include "harness.h"

/* ask_timed ADDRESS: how long connect and exchange took. */
VICTIM(ask_timed)
{
    uint64_t start = sp_now();
    int fd = dial(argv[1]);
    uint64_t connected = sp_now();
    int error = fd < 0 ? fd : ask(fd);

    say("%s %lu %lu", word_of(error), (unsigned long)((connected - start) / SP_MS),
        (unsigned long)((sp_now() - connected) / SP_MS));
    return 0;
}

static uint64_t injected(void)
{
    struct sp_figures figures = world_figures("d");
    uint64_t sum = 0;

    for (size_t i = 0; i < sizeof figures.injected / sizeof *figures.injected; i++)
        sum += figures.injected[i];
    return sum;
}

START_TEST(latency_delays)
{
    struct server *server = world_faulty("latency 300ms", "breaker streak 3");
    unsigned long connect_time, ask_time;
    char word[32];

    const char *said = victim_says("ask_timed", server->text, NULL);
    ck_assert_int_eq(sscanf(said, "%31s %lu %lu", word, &connect_time, &ask_time), 3);
    ck_assert_str_eq(word, "ok");
    ck_assert_uint_ge(connect_time, 300);
    ck_assert_uint_ge(ask_time, 300);
    ck_assert_uint_lt(connect_time + ask_time, 2000);
    ck_assert_uint_ge(injected(), 2);
}
END_TEST

START_TEST(refuse_opens_the_breaker)
{
    struct server *server = world_faulty("refuse", "breaker streak 2  open 60s");

    for (int i = 0; i < 3; i++)
        ck_assert_str_eq(victim_says("dial", server->text, NULL), "ECONNREFUSED");
    ck_assert_uint_eq(server_accepted(server), 0);
    ck_assert_int_eq(world_breaker("d").state, SP_STATE_OPEN);
    ck_assert_uint_eq(world_figures("d").connects[SP_OUTCOME_REFUSED], 2);
    ck_assert_uint_eq(world_figures("d").rejected[0], 1);
    ck_assert_uint_eq(injected(), 2);

    world_env("SHEARPIN_SET", NULL);
    ck_assert_str_eq(victim_says("dial", server->text, NULL), "ECONNREFUSED");
}
END_TEST

/* dial_often ADDRESS N: how many were refused. */
VICTIM(dial_often)
{
    int refused = 0;

    for (int i = 0; i < atoi(argv[2]); i++) {
        int fd = dial(argv[1]);

        refused += fd == -ECONNREFUSED;
        if (fd >= 0)
            close(fd);
    }
    say("%d", refused);
    return 0;
}

/* 500 draws at 20 %: 100 expected; six standard deviations to either side. */
START_TEST(share_is_kept)
{
    struct server *server = world_faulty("refuse share 20%", "cap 99");
    int refused = atoi(victim_says("dial_often", server->text, "500", NULL));

    ck_assert_int_ge(refused, 46);
    ck_assert_int_le(refused, 154);
    ck_assert_uint_eq(injected(), (unsigned)refused);
}
END_TEST

/* A latency beyond the connect deadline is a timeout, as from a slow network. */
START_TEST(deadline_reacts)
{
    struct server *server = world_faulty("latency 5s", "deadline connect 200ms");
    unsigned long connect_time;
    char word[32];

    const char *said = victim_says("ask_timed", server->text, NULL);
    ck_assert_int_eq(sscanf(said, "%31s %lu", word, &connect_time), 2);
    ck_assert_str_eq(word, "ETIMEDOUT");
    ck_assert_uint_ge(connect_time, 200);
    ck_assert_uint_lt(connect_time, 1000);
}
END_TEST

SCENARIO(inject, latency_delays, refuse_opens_the_breaker, share_is_kept, deadline_reacts)
