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

START_TEST(a_server_that_comes_up_is_reached)
{
    struct server *server = server_start(AF_INET, CLOSED);

    world_policy("destination d\n match %s\n retry 20 backoff 100ms..100ms on refused\n",
                 server->text);
    struct victim *victim = victim_start("retry_dial", server->text, NULL);
    AWAIT(world_has_segment() && world_figures("d").connects[SP_OUTCOME_REFUSED] > 0);
    server_become(server, ECHO);
    ck_assert_str_eq(victim_hear(victim), "ok");
    ck_assert_int_eq(victim_end(victim), 0);
    ck_assert_uint_eq(retried(SP_RETRIED_OK), 1);
    ck_assert_uint_eq(world_events(SP_EVENT_RETRY), 0);
}
END_TEST

/* Two tries on refused, one on timeout. */
START_TEST(the_line_that_names_the_outcome)
{
    struct server *refuses = server_start(AF_INET, CLOSED), *deaf = server_start(AF_INET, DEAF);

    world_policy("destination d\n match 127.0.0.1\n deadline connect 50ms\n breaker streak 1000\n"
                 " retry 2 backoff 1ms on refused\n retry 1 backoff 1ms on timeout\n");
    ck_assert_str_eq(victim_says("retry_dial", refuses->text, NULL), "ECONNREFUSED");
    ck_assert_uint_eq(world_figures("d").connects[SP_OUTCOME_REFUSED], 3);
    ck_assert_str_eq(victim_says("retry_dial", deaf->text, NULL), "ETIMEDOUT");
    ck_assert_uint_eq(world_figures("d").connects[SP_OUTCOME_CONNECT_TIMEOUT], 2);
}
END_TEST

START_TEST(observed_it_is_left_alone)
{
    struct server *server = server_start(AF_INET, CLOSED);

    world_policy("destination d\n match %s\n mode observe\n retry 5 backoff 1ms\n", server->text);
    ck_assert_str_eq(victim_says("retry_dial", server->text, NULL), "ECONNREFUSED");
    ck_assert_uint_eq(world_figures("d").connects[SP_OUTCOME_REFUSED], 1);
}
END_TEST

/* What a guard of ours refuses is never tried again, and never told instead of the network's. */
START_TEST(refused_by_us)
{
    struct server *server = server_start(AF_INET, DEAF);

    world_policy("destination d\n match %s\n deadline connect 50ms\n breaker streak 2  open 60s\n"
                 " retry 5 backoff 1ms on refused,timeout\n",
                 server->text);
    ck_assert_str_eq(victim_says("retry_dial", server->text, NULL), "ETIMEDOUT");
    ck_assert_uint_eq(world_figures("d").connects[SP_OUTCOME_CONNECT_TIMEOUT], 2);
    ck_assert_str_eq(victim_says("retry_dial", server->text, NULL), "ECONNREFUSED");
    ck_assert_uint_eq(world_figures("d").connects[SP_OUTCOME_CONNECT_TIMEOUT], 2);
    ck_assert_uint_eq(world_figures("d").rejected[0], 2);
}
END_TEST

static void rings(int signal)
{
    (void)signal;
    if (write(STDOUT_FILENO, "rang\n", 5) != 5)
        abort();
}

/* retry_alarm ADDRESS FLAGS: SIGALRM at 30 ms, while the first try's backoff lasts. */
VICTIM(retry_alarm)
{
    struct sigaction action = {.sa_handler = rings, .sa_flags = atoi(argv[2])};
    uint64_t start = sp_now();

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &(struct itimerval){.it_value.tv_usec = 30000}, NULL);
    int fd = dial(argv[1]);
    say("%s %s", word_of(fd < 0 ? -fd : 0), sp_now() - start < 3 * SP_SECOND ? "early" : "late");
    return 0;
}

/* EINTR would promise a connect that goes on behind the program. */
START_TEST(a_signal_ends_it_with_the_error_that_stands)
{
    struct server *server = server_start(AF_INET, CLOSED);
    char restart[16];

    snprintf(restart, sizeof restart, "%d", SA_RESTART);
    world_policy("destination d\n match %s\n retry 5 backoff 1h on refused\n", server->text);
    struct victim *plain = victim_start("retry_alarm", server->text, "0", NULL);
    ck_assert_str_eq(victim_hear(plain), "rang");
    ck_assert_str_eq(victim_hear(plain), "ECONNREFUSED early");
    ck_assert_int_eq(victim_end(plain), 0);
    ck_assert_uint_eq(world_figures("d").connects[SP_OUTCOME_REFUSED], 1);
    struct victim *victim = victim_start("retry_alarm", server->text, restart, NULL);
    ck_assert_str_eq(victim_hear(victim), "rang");
    ck_assert_int_eq(poll(&(struct pollfd){.fd = victim->out, .events = POLLIN}, 1, 50), 0);
    kill(victim->pid, SIGKILL);
    victim_end(victim);
}
END_TEST

/* retry_limited ADDRESS: its own SO_SNDTIMEO is 200 ms, and stays so. */
VICTIM(retry_limited)
{
    struct sockaddr_storage to;
    socklen_t length;
    struct timeval own = {0, 200000}, after = {0, 0};
    int fd = socket_for(argv[1], 0, &to, &length);
    uint64_t start = sp_now();

    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &own, sizeof own);
    int result = connect(fd, (struct sockaddr *)&to, length), error = errno;
    uint64_t took = sp_now() - start;
    length = sizeof after;
    getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &after, &length);
    say("%s %s %s", word_of(result ? error : 0), took < SP_SECOND ? "early" : "late",
        after.tv_usec == own.tv_usec ? "kept" : "changed");
    return 0;
}

START_TEST(the_programs_own_limit_comes_first)
{
    struct server *server = server_start(AF_INET, CLOSED);

    world_policy("destination d\n match %s\n retry 20 backoff 1s on refused\n", server->text);
    ck_assert_str_eq(victim_says("retry_limited", server->text, NULL), "ECONNREFUSED early kept");
}
END_TEST

START_TEST(the_whole_program_ends_first)
{
    struct server *server = server_start(AF_INET, CLOSED);
    char end[32];

    world_policy("destination d\n match %s\n retry 20 backoff 1s on refused\n", server->text);
    snprintf(end, sizeof end, "%llu", (unsigned long long)(sp_now() + 500 * SP_MS));
    world_env("SHEARPIN_DEADLINE", end);
    uint64_t start = sp_now();
    ck_assert_str_eq(victim_says("retry_dial", server->text, NULL), "ECONNREFUSED");
    ck_assert_uint_lt(sp_now() - start, 2 * SP_SECOND);
}
END_TEST

START_TEST(a_cap_is_held_by_no_rest)
{
    struct server *server = server_start(AF_INET, CLOSED);

    world_policy("destination d\n match %s\n cap 1\n retry 20 backoff 1h on refused\n",
                 server->text);
    struct victim *victim = victim_start("retry_dial", server->text, NULL);
    AWAIT(world_has_segment() && world_figures("d").connects[SP_OUTCOME_REFUSED] == 1);
    ck_assert_uint_eq(world_leases("d"), 0);
    kill(victim->pid, SIGKILL);
    victim_end(victim);
}
END_TEST

SCENARIO(retry, refused_to_the_last, each_try_is_an_attempt, a_server_that_comes_up_is_reached,
         the_line_that_names_the_outcome, observed_it_is_left_alone, refused_by_us,
         a_signal_ends_it_with_the_error_that_stands, the_programs_own_limit_comes_first,
         the_whole_program_ends_first, a_cap_is_held_by_no_rest)
