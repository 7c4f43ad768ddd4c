/*
 * Thread A sleeps without an end, alone with its wait; thread B sends meanwhile on a connection of
 * A's set: A is woken on time.
 */
#include "harness.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/select.h>

#define DEADLINE_MS 250
#define LATE_MS     150

static struct {
    int fd;
    const char *how;
    _Atomic bool sleeps;
    uint64_t woke;
    int error;
} a;

static int sleep_on_queue(const char *how)
{
    int queue = epoll_create1(0), outer = queue;
    struct epoll_event event = {.events = EPOLLIN | (!strcmp(how, "edge") ? EPOLLET : 0)};

    epoll_ctl(queue, EPOLL_CTL_ADD, a.fd, &event);
    if (!strcmp(how, "nested")) {
        outer = epoll_create1(0);
        event.events = EPOLLIN;
        epoll_ctl(outer, EPOLL_CTL_ADD, queue, &event);
    }
    a.sleeps = true;
    if (!strcmp(how, "epoll_pwait"))
        return epoll_pwait(outer, &event, 1, -1, NULL);
    if (!strcmp(how, "epoll_pwait2"))
        return epoll_pwait2(outer, &event, 1, NULL, NULL);
    return epoll_wait(outer, &event, 1, -1);
}

static int sleep_by(const char *how)
{
    struct pollfd one = {.fd = a.fd, .events = POLLIN};
    fd_set readable;
    char byte;

    FD_ZERO(&readable);
    FD_SET(a.fd, &readable);
    a.sleeps = true;
    if (!strcmp(how, "recv"))
        return recv(a.fd, &byte, 1, 0) < 0 ? 1 : 0;
    if (!strcmp(how, "poll"))
        return poll(&one, 1, -1);
    if (!strcmp(how, "ppoll"))
        return ppoll(&one, 1, NULL, NULL);
    if (!strcmp(how, "select"))
        return select(a.fd + 1, &readable, NULL, NULL, NULL);
    if (!strcmp(how, "pselect"))
        return pselect(a.fd + 1, &readable, NULL, NULL, NULL, NULL);
    a.sleeps = false;
    return sleep_on_queue(how);
}

static void *sleeper(void *context)
{
    int result = sleep_by(a.how);
    char byte;

    a.woke = sp_now();
    a.error = result != 1 ? -result : recv(a.fd, &byte, 1, MSG_DONTWAIT) < 0 ? errno : 0;
    return context;
}

/* sleep_and_send ADDRESS HOW PAUSE: what the sleeper got and how long after the send. */
VICTIM(sleep_and_send)
{
    pthread_t thread;

    a.fd = dial(argv[1]);
    a.how = argv[2];
    pthread_create(&thread, NULL, sleeper, NULL);
    while (!a.sleeps)
        usleep(100);
    usleep((useconds_t)atoi(argv[3]) * 1000);
    uint64_t start = sp_now();
    if (send(a.fd, "?", 1, 0) != 1)
        return 1;
    pthread_join(thread, NULL);
    say("%s %lu", word_of(a.error), (unsigned long)((a.woke - start) / SP_US));
    return 0;
}

static void sleeps_on(const char *pause)
{
    static const char *const ways[] = {"poll", "ppoll",       "select",       "pselect", "epoll",
                                       "edge", "epoll_pwait", "epoll_pwait2", "nested",  "recv"};
    struct server *server = server_start(AF_INET, HANG);

    world_policy("destination d\n match %s\n deadline response %dms\n", server->text, DEADLINE_MS);
    for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) {
        const char *said = victim_says("sleep_and_send", server->text, ways[i], pause, NULL);
        char word[32];
        unsigned long took;

        ck_assert_int_eq(sscanf(said, "%31s %lu", word, &took), 2);
        ck_assert_msg(!strcmp(word, "ETIMEDOUT"), "%s: %s", ways[i], said);
        ck_assert_msg(took >= DEADLINE_MS * 1000 && took < (DEADLINE_MS + LATE_MS) * 1000,
                      "%s: after %lu us", ways[i], took);
    }
}

START_TEST(who_just_fell_asleep)
{
    sleeps_on("5");
}
END_TEST

START_TEST(who_has_slept_longer_than_a_deadline)
{
    sleeps_on("330");
}
END_TEST

SCENARIO(sleeping_thread, who_just_fell_asleep, who_has_slept_longer_than_a_deadline)
