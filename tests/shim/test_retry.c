/* A blocking connect that fails is tried again: the program sees one connect. */
#include "harness.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/time.h>

#define ON_REFUSED \
    "destination d\n match %s\n breaker streak 1000\n retry 2 backoff 1ms..2ms on refused\n"

/* dial ADDRESS */
VICTIM(retry_dial)
{
    int fd = dial(argv[1]);

    say("%s", word_of(fd < 0 ? -fd : ask(fd)));
    return 0;
}

static uint64_t retried(enum sp_retried how)
{
    return world_figures("d").retried[how];
}

START_TEST(refused_to_the_last)
{
    static const int families[] = {AF_INET, AF_INET6, AF_UNIX};

    for (unsigned i = 0; i < 3; i++) {
        struct server *server = server_start(families[i], CLOSED);
        unlink(world_file("policy.conf"));
        world_policy("destination d%u\n match %s\n breaker streak 1000\n"
                     " retry 2 backoff 1ms..2ms on refused\n",
                     i, server->text);
        world_env("SHEARPIN_SEGMENT", i == 0 ? "a" : i == 1 ? "b" : "c");
        ck_assert_str_eq(victim_says("retry_dial", server->text, NULL), "ECONNREFUSED");
    }
}
END_TEST

START_TEST(each_try_is_an_attempt)
{
    struct server *server = server_start(AF_INET, CLOSED);

    world_policy(ON_REFUSED, server->text);
    ck_assert_str_eq(victim_says("retry_dial", server->text, NULL), "ECONNREFUSED");
    ck_assert_uint_eq(world_figures("d").connects[SP_OUTCOME_REFUSED], 3);
    ck_assert_uint_eq(world_breaker("d").streak, 3);
    ck_assert_uint_eq(retried(SP_RETRIED_FAILED), 2);
    ck_assert_uint_eq(retried(SP_RETRIED_OK), 0);
    ck_assert_uint_eq(world_events(SP_EVENT_RETRY), 1);
}
END_TEST

SCENARIO(retry, refused_to_the_last, each_try_is_an_attempt)
