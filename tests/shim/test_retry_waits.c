/* A non-blocking connect that fails is tried again while the program waits: it sees one slow
 * connect, whichever way it waits. */
#include "harness.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/select.h>

#define UNTIL_UP \
    "destination d\n match %s\n breaker streak 1000\n retry 20 backoff 100ms..100ms on refused\n"
#define IN_VAIN \
    "destination d\n match %s\n breaker streak 1000\n retry 2 backoff 1ms..2ms on refused\n"

static const char *const ways[] = {"poll", "ppoll", "select",  "pselect",
                                   "lt",   "et",    "oneshot", "pwait2"};
#define WAYS (int)(sizeof ways / sizeof *ways)

static int by_epoll(int fd, const char *way, int timeout)
{
    uint32_t how = !strcmp(way, "et") ? EPOLLET : !strcmp(way, "oneshot") ? EPOLLONESHOT : 0;
    struct epoll_event event = {.events = EPOLLOUT | EPOLLIN | EPOLLRDHUP | how,
                                .data.u64 = 0x1234567800000000u | (unsigned)fd};
    struct timespec time = {timeout / 1000, timeout % 1000 * 1000000};
    int set = epoll_create1(0), other[2];

    pipe(other);
    epoll_ctl(set, EPOLL_CTL_ADD, other[0], &(struct epoll_event){.events = EPOLLIN});
    epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
    memset(&event, 0, sizeof event);
    int got = strcmp(way, "pwait2") ? epoll_wait(set, &event, 1, timeout)
                                    : epoll_pwait2(set, &event, 1, &time, NULL);
    if (got == 1 && event.data.u64 != (0x1234567800000000u | (unsigned)fd))
        return -1;
    return got == 1 ? (int)(event.events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) : -got;
}

static int by_select(int fd, bool plain, int timeout)
{
    struct timeval time = {timeout / 1000, timeout % 1000 * 1000};
    struct timespec fine = {timeout / 1000, timeout % 1000 * 1000000};
    fd_set in, out;

    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_SET(fd, &in);
    FD_SET(fd, &out);
    int got = plain ? select(fd + 1, &in, &out, NULL, &time)
                    : pselect(fd + 1, &in, &out, NULL, &fine, NULL);
    if (got != FD_ISSET(fd, &in) + FD_ISSET(fd, &out))
        return -1;
    return FD_ISSET(fd, &in) ? POLLOUT | POLLERR | POLLHUP : FD_ISSET(fd, &out) ? POLLOUT : 0;
}

/* The bits POLLOUT, POLLERR and POLLHUP of what the wait saw, which epoll shares; 0: its time was
 * over. */
static int by(const char *way, int fd, int timeout)
{
    struct pollfd two[2] = {{.fd = -1, .revents = 77}, {.fd = fd, .events = POLLOUT | POLLIN}};
    struct timespec fine = {timeout / 1000, timeout % 1000 * 1000000};

    if (strstr(way, "select"))
        return by_select(fd, *way == 's', timeout);
    if (!strstr(way, "poll"))
        return by_epoll(fd, way, timeout);
    int got = *way == 'p' && way[1] == 'o' ? poll(two, 2, timeout) : ppoll(two, 2, &fine, NULL);
    if (two[0].revents != 0 || got != (two[1].revents != 0))
        return -1;
    return two[1].revents & (POLLOUT | POLLERR | POLLHUP);
}

/* retry_wait ADDRESS WAY TIMEOUT: how it came out, and whether the socket then works. */
VICTIM(retry_wait)
{
    int fd = start_dial(argv[1]);
    int one = 1;
    socklen_t length = sizeof one;

    if (fd < 0)
        return 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, length);
    int seen = by(argv[2], fd, atoi(argv[3]));
    if (seen == 0) {
        say("timeout");
        return 0;
    }
    int error = socket_error(fd);
    one = 0;
    getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, &length);
    bool nonblocking = fcntl(fd, F_GETFL) & O_NONBLOCK;
    fcntl(fd, F_SETFL, 0);
    say("%s%s%s%s %s", seen & POLLOUT ? "out" : "", seen & POLLERR ? " err" : "",
        seen & POLLHUP ? " hup" : "", one && nonblocking ? "" : " changed",
        word_of(error ? error : ask(fd)));
    return 0;
}

static uint64_t refused(void)
{
    return world_has_segment() ? world_figures("d").connects[SP_OUTCOME_REFUSED] : 0;
}

START_TEST(a_server_that_comes_up_is_reached)
{
    struct server *server = server_start(AF_INET, CLOSED);

    world_policy(UNTIL_UP, server->text);
    struct victim *victim = victim_start("retry_wait", server->text, ways[_i], "20000", NULL);
    AWAIT(refused() > 0);
    server_become(server, ECHO);
    ck_assert_str_eq(victim_hear(victim), "out ok");
    ck_assert_int_eq(victim_end(victim), 0);
    ck_assert_uint_eq(world_figures("d").retried[SP_RETRIED_OK], 1);
    ck_assert_uint_eq(world_figures("d").retried[SP_RETRIED_FAILED], refused() - 1);
    ck_assert_uint_eq(world_figures("d").connects[SP_OUTCOME_OK], 1);
    ck_assert_uint_eq(world_events(SP_EVENT_RETRY), 0);
}
END_TEST

START_TEST(the_last_error_is_the_programs)
{
    struct server *server = server_start(AF_INET, CLOSED);

    world_policy(IN_VAIN, server->text);
    const char *said = victim_says("retry_wait", server->text, ways[_i], "20000", NULL);
    ck_assert_msg(!strcmp(said, "out err hup ECONNREFUSED"), "%s: %s", ways[_i], said);
    ck_assert_uint_eq(refused(), 3);
    ck_assert_uint_eq(world_breaker("d").streak, 3);
    ck_assert_uint_eq(world_figures("d").retried[SP_RETRIED_FAILED], 2);
    ck_assert_uint_eq(world_events(SP_EVENT_RETRY), 1);
}
END_TEST

START_TEST(its_own_timeout_comes_first)
{
    struct server *server = server_start(AF_INET, CLOSED);

    world_policy("destination d\n match %s\n retry 20 backoff 10s..10s on refused\n", server->text);
    ck_assert_str_eq(victim_says("retry_wait", server->text, ways[_i], "100", NULL), "timeout");
}
END_TEST

START_TEST(a_deadline_is_a_failure_like_others)
{
    struct server *server = server_start(AF_INET, DEAF);

    world_policy("destination d\n match %s\n breaker streak 1000\n deadline connect 50ms\n"
                 " retry 2 backoff 1ms..2ms on timeout\n",
                 server->text);
    const char *said = victim_says("retry_wait", server->text, ways[_i], "20000", NULL);
    ck_assert_msg(strstr(said, "ETIMEDOUT") != NULL, "%s: %s", ways[_i], said);
    ck_assert_uint_eq(world_figures("d").connects[SP_OUTCOME_CONNECT_TIMEOUT], 3);
    ck_assert_uint_eq(world_figures("d").expired[SP_DEADLINE_CONNECT], 3);
}
END_TEST

/* What fails at once rests at once, and the program sees a connect that is under way. */
START_TEST(refused_at_once)
{
    struct server *server = server_start(AF_INET, ECHO);

    world_policy(IN_VAIN, server->text);
    world_env("SHEARPIN_SET", "d.inject=refuse at 1..2");
    ck_assert_str_eq(victim_says("retry_wait", server->text, ways[_i], "20000", NULL), "out ok");
    ck_assert_uint_eq(refused(), 2);
    ck_assert_uint_eq(world_figures("d").connects[SP_OUTCOME_OK], 1);
    ck_assert_uint_eq(world_figures("d").retried[SP_RETRIED_OK], 1);
    world_env("SHEARPIN_SET", "d.inject=refuse");
    victim_end(victim_start("retry_wait", server->text, ways[_i], "20000", NULL));
    ck_assert_uint_ge(refused(), 4); /* the budget is three in a second */
}
END_TEST

Suite *suite_retry_waits(void);
Suite *suite_retry_waits(void)
{
    Suite *suite = suite_create("retry_waits");
    TCase *tests = tcase_create("retry_waits");

    tcase_add_checked_fixture(tests, world_begin, world_end);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, a_server_that_comes_up_is_reached, 0, WAYS);
    tcase_add_loop_test(tests, the_last_error_is_the_programs, 0, WAYS);
    tcase_add_loop_test(tests, its_own_timeout_comes_first, 0, WAYS);
    tcase_add_loop_test(tests, a_deadline_is_a_failure_like_others, 0, WAYS);
    tcase_add_loop_test(tests, refused_at_once, 0, WAYS);
    suite_add_tcase(suite, tests);
    return suite;
}
