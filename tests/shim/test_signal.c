/* A signal ends a blocking call, or does not, exactly as it would without us. */
#include "harness.h"

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>

static void nothing(int signal)
{
    (void)signal;
}

/* Every 30 ms, five times: what restarts must do so more than once. */
static void alarms(int flags)
{
    struct sigaction action = {.sa_handler = nothing, .sa_flags = flags};
    struct itimerval often = {.it_interval.tv_usec = 30000, .it_value.tv_usec = 30000};

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
}

static int flags_of(const char *word)
{
    return !strcmp(word, "restart") ? SA_RESTART : 0;
}

/* connect_under_alarms restart|plain ADDRESS */
VICTIM(connect_under_alarms)
{
    uint64_t start = sp_now();

    alarms(flags_of(argv[1]));
    int fd = dial(argv[2]);
    say("%s %s", word_of(fd < 0 ? fd : 0), sp_now() - start < 250 * SP_MS ? "early" : "late");
    return 0;
}

START_TEST(connect_ends_by_deadline_or_signal)
{
    struct server *server = server_start(AF_INET, DEAF);

    world_policy("destination d\n match %s\n deadline connect 250ms\n", server->text);
    ck_assert_str_eq(victim_says("connect_under_alarms", "plain", server->text, NULL),
                     "EINTR early");
    ck_assert_str_eq(victim_says("connect_under_alarms", "restart", server->text, NULL),
                     "ETIMEDOUT late");
}
END_TEST

/* recv_under_alarms restart|plain ADDRESS: the answer comes when the test says so. */
VICTIM(recv_under_alarms)
{
    int fd = dial(argv[2]);
    char byte = '?';

    alarms(flags_of(argv[1]));
    send(fd, &byte, 1, 0);
    ssize_t got = recv(fd, &byte, 1, 0);
    say("%s", got < 0 ? word_of(errno) : got == 0 ? "eof" : "ok");
    return 0;
}

static void compare(const char *victim, const char *how, struct server *server)
{
    struct victim *bare = victim_start_bare(victim, how, server->text, NULL);

    victim_hear(bare);
    ck_assert_int_eq(victim_end(bare), 0);
    ck_assert_str_eq(victim_says(victim, how, server->text, NULL), bare->line);
}

START_TEST(recv_is_interrupted_as_ever)
{
    struct server *server = server_start(AF_INET, HANG);

    world_policy("destination d\n match %s\n breaker streak 9\n", server->text);
    compare("recv_under_alarms", "plain", server);
}
END_TEST

/* poll_under_alarms restart|plain ADDRESS: poll() never restarts; a deadline elsewhere is due. */
VICTIM(poll_under_alarms)
{
    int fd = start_dial(argv[2]);
    struct pollfd quiet = {.fd = 0, .events = POLLPRI};

    alarms(flags_of(argv[1]));
    int ready = poll(&quiet, 1, 2000);
    say("%d %s %d", ready, ready < 0 ? word_of(errno) : "", fd >= 0);
    return 0;
}

START_TEST(poll_is_always_interrupted)
{
    struct server *server = server_start(AF_INET, DEAF);

    world_policy("destination d\n match %s\n deadline connect 10s\n", server->text);
    compare("poll_under_alarms", "plain", server);
    compare("poll_under_alarms", "restart", server);
}
END_TEST

/* own_poll ADDRESS: a timeout of the program's own ends when it says, with a deadline under way. */
VICTIM(own_poll)
{
    uint64_t start = sp_now();
    int fd = start_dial(argv[1]);
    struct pollfd waiting = {.fd = fd, .events = POLLOUT};
    int ready = poll(&waiting, 1, 150);
    uint64_t took = (sp_now() - start) / SP_MS;

    say("%d %s", ready, took >= 150 && took < 400 ? "in time" : "late");
    return 0;
}

START_TEST(own_timeout_of_a_wait)
{
    struct server *server = server_start(AF_INET, DEAF);

    world_policy("destination d\n match %s\n deadline connect 500ms\n", server->text);
    ck_assert_str_eq(victim_says("own_poll", server->text, NULL), "0 in time");
}
END_TEST

/* rings poll|select|epoll ADDRESS: waits for something else while a connect becomes due. */
VICTIM(rings)
{
    struct sigaction action = {.sa_handler = nothing};
    int ends[2], epoll = epoll_create1(0), fd = start_dial(argv[2]), result;
    struct epoll_event event = {.events = EPOLLIN};
    fd_set set;

    if (fd < 0 || pipe(ends) != 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event) != 0)
        return 1;
    sigaction(SIGALRM, &action, NULL);
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    if (!strcmp(argv[1], "poll"))
        result = poll(&(struct pollfd){ends[0], POLLIN, 0}, 1, 2000);
    else if (!strcmp(argv[1], "select"))
        result = select(ends[0] + 1, &set, NULL, NULL, &(struct timeval){2, 0});
    else
        result = epoll_wait(epoll, &event, 1, 2000);
    say("%s", result < 0 ? word_of(errno) : "late");
    return 0;
}

/* Where one of our waits ends and the program's does not, a signal is not lost. */
START_TEST(a_signal_between_two_waits)
{
    static const char *const ways[] = {"poll", "select", "epoll"};
    struct server *server = server_start(AF_INET, DEAF);

    world_policy("destination d\n match 127.0.0.1\n deadline connect 40ms\n");
    world_env("PRELOAD_AFTER", world_tool("tests/libring.so"));
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        ck_assert_str_eq(victim_says("rings", ways[i], server->text, NULL), "EINTR");
}
END_TEST

SCENARIO(signal, connect_ends_by_deadline_or_signal, recv_is_interrupted_as_ever,
         poll_is_always_interrupted, own_timeout_of_a_wait, a_signal_between_two_waits)
