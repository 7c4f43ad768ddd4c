/* A thread that is slow to hear what its wait has seen of a resting connect: until it does, another
 * one has dialled again, and the program uses what stands, or has closed it. */
#include "harness.h"
#include "lib/stall.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/select.h>

#define SLOW_MS 20000

struct slow {
    const char *how;
    struct stall *stall;
    int fd, set, bell[2]; /* the bell ends the wait */
    int saw;
};

static void watch(int set, int fd, uint32_t events)
{
    if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &(struct epoll_event){events, {.fd = fd}}) != 0)
        abort();
}

static int by_epoll(const struct slow *slow)
{
    struct epoll_event event;

    return epoll_wait(slow->set, &event, 1, SLOW_MS) == 1 ? event.data.fd : -1;
}

static int by_poll(const struct slow *slow)
{
    struct pollfd both[] = {{.fd = slow->fd, .events = POLLIN},
                            {.fd = slow->bell[0], .events = POLLIN}};

    return poll(both, 2, SLOW_MS) < 1 ? -1 : both[0].revents ? slow->fd : slow->bell[0];
}

static int by_select(const struct slow *slow)
{
    struct timeval time = {SLOW_MS / 1000, 0};
    fd_set in;

    FD_ZERO(&in);
    FD_SET(slow->fd, &in);
    FD_SET(slow->bell[0], &in);
    if (select(slow->bell[0] + 1, &in, NULL, NULL, &time) < 1)
        return -1;
    return FD_ISSET(slow->fd, &in) ? slow->fd : slow->bell[0];
}

static void *waits(void *context)
{
    struct slow *slow = context;

    slow->stall->thread = gettid();
    slow->stall->state = STALL_WANTED;
    slow->saw = !strcmp(slow->how, "poll")     ? by_poll(slow)
                : !strcmp(slow->how, "select") ? by_select(slow)
                                               : by_epoll(slow);
    return NULL;
}

static void await_stall(const struct slow *slow)
{
    while (slow->stall->state != STALL_THERE)
        sched_yield();
}

/* The first event of a rest is taken, and muted; then the registration says that it hangs up. */
static void prepare(struct slow *slow)
{
    slow->set = epoll_create1(0);
    if (pipe(slow->bell) != 0 || slow->set < 0)
        abort();
    watch(slow->set, slow->bell[0], EPOLLIN);
    watch(slow->set, slow->fd, EPOLLOUT | EPOLLONESHOT);
    if (strcmp(slow->how, "poll") != 0 && strcmp(slow->how, "select") != 0)
        slow->stall->seen = EPOLLHUP;
}

/* retry_slow ADDRESS HOW: what the program sees of its connect, and then the slow thread. */
VICTIM(retry_slow)
{
    struct slow slow = {.how = argv[2], .stall = dlsym(RTLD_DEFAULT, "stall")};
    struct epoll_event event;
    pthread_t thread;

    slow.fd = start_dial(argv[1]);
    if (slow.fd < 0 || !slow.stall)
        return 1;
    prepare(&slow);
    pthread_create(&thread, NULL, waits, &slow);
    await_stall(&slow);
    say("there");
    pause_here();
    int got = epoll_wait(slow.set, &event, 1, SLOW_MS), error = socket_error(slow.fd);
    if (!strcmp(slow.how, "closed"))
        close(slow.fd);
    if (write(slow.bell[1], "x", 1) != 1)
        return 1;
    slow.stall->state = STALL_OVER;
    pthread_join(thread, NULL);
    say("%s, %s", got == 1 && event.events == EPOLLOUT ? word_of(error) : "odd",
        slow.saw == slow.bell[0] ? "the bell"
        : slow.saw == slow.fd    ? "the connect"
                                 : "nothing");
    return 0;
}

static void slow(const char *how)
{
    struct server *server = server_start(AF_INET, CLOSED);

    world_env("PRELOAD_AFTER", world_tool("tests/libstall.so"));
    world_policy("destination d\n match %s\n breaker streak 1000\n"
                 " retry 20 backoff 100ms budget 100%% on refused\n",
                 server->text);
    struct victim *victim = victim_start("retry_slow", server->text, how, NULL);
    ck_assert_str_eq(victim_hear(victim), "there");
    server_become(server, ECHO);
    victim_tell(victim);
    ck_assert_str_eq(victim_hear(victim), "ok, the bell");
    ck_assert_int_eq(victim_end(victim), 0);
}

START_TEST(epoll_hears_late)
{
    slow("epoll");
}
END_TEST

START_TEST(epoll_hears_when_it_is_closed)
{
    slow("closed");
}
END_TEST

START_TEST(poll_hears_late)
{
    slow("poll");
}
END_TEST

START_TEST(select_hears_late)
{
    slow("select");
}
END_TEST

SCENARIO(retry_stale, epoll_hears_late, epoll_hears_when_it_is_closed, poll_hears_late,
         select_hears_late)
