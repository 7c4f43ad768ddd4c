/*
 * Waits behave as bare: the same victim with and without the shim prints the same trace, while an
 * exchange with a deadline is outstanding on another connection, so that every wait is sliced.
 */
#include "harness.h"

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>

static volatile sig_atomic_t handled;

static void note(int number)
{
    handled = handled * 10 + (number == SIGUSR1 ? 1 : 2);
}

static void handle(int number, int flags)
{
    struct sigaction action = {.sa_handler = note, .sa_flags = flags};

    sigaction(number, &action, NULL);
}

/* What a wait said: its result, what is ready, and how long it took in steps of 50 ms. */
static void trace(const char *what, int result, unsigned events, uint64_t start)
{
    int error = result < 0 ? errno : 0;
    uint64_t ms = (sp_now() - start) / SP_MS;

    say("%s: %d %s events %x after %llu handled %d", what, result, word_of(error), events,
        (unsigned long long)((ms + 10) / 50), (int)handled);
    handled = 0;
}

static void wait_epoll(const char *what, int queue, int timeout)
{
    struct epoll_event event = {0};
    uint64_t start = sp_now();
    int result = epoll_wait(queue, &event, 1, timeout);

    trace(what, result, result > 0 ? event.events : 0, start);
}

static int queue_of(int fd, uint32_t events)
{
    int queue = epoll_create1(0);

    epoll_ctl(queue, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = events});
    return queue;
}

static void hear(int fd)
{
    char bytes[8];

    if (recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) < 1)
        say("nothing came");
}

static void answer_comes(int fd)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};

    send(fd, "?", 1, 0);
    while (poll(&one, 1, 10000) != 1)
        ;
}

static void triggers(const char *address)
{
    int fd = dial(address), level = queue_of(fd, EPOLLIN), edge = queue_of(fd, EPOLLIN | EPOLLET);
    int once = queue_of(fd, EPOLLIN | EPOLLONESHOT), both = queue_of(fd, EPOLLIN | EPOLLOUT);
    int outer = queue_of(level, EPOLLIN), exclusive = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT};

    epoll_ctl(exclusive, EPOLL_CTL_ADD, fd,
              &(struct epoll_event){.events = EPOLLIN | EPOLLEXCLUSIVE});
    wait_epoll("room", both, -1);
    wait_epoll("empty", level, 100);
    answer_comes(fd);
    for (int turn = 0; turn < 2; turn++) {
        wait_epoll("level", level, 100);
        wait_epoll("edge", edge, 100);
        wait_epoll("oneshot", once, 100);
        wait_epoll("nested", outer, 100);
        wait_epoll("exclusive", exclusive, 100);
    }
    epoll_ctl(once, EPOLL_CTL_MOD, fd, &event);
    wait_epoll("oneshot again", once, -1);
    hear(fd);
    wait_epoll("read: level", level, 0);
    wait_epoll("read: nested", outer, 60);
    answer_comes(fd);
    wait_epoll("edge anew", edge, -1);
    hear(fd);
    shutdown(fd, SHUT_WR);
    wait_epoll("end: level", level, -1);
    wait_epoll("end: edge", edge, -1);
    wait_epoll("end: nested", outer, -1);
    close(fd);
    wait_epoll("closed", level, 60);
}

static void *signals_itself(void *context)
{
    usleep(100000);
    pthread_kill(*(pthread_t *)context, SIGUSR1);
    return NULL;
}

/* The other thread sends SIGUSR1 after 100 ms. */
#define SIGNALLED(call)                                       \
    do {                                                      \
        pthread_t self = pthread_self(), thread;              \
        pthread_create(&thread, NULL, signals_itself, &self); \
        call;                                                 \
        pthread_join(thread, NULL);                           \
    } while (0)

static void wait_each(const char *what, int fd, const sigset_t *mask, int ms)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};
    struct timespec limit = {ms / 1000, ms % 1000 * 1000000L}, kept = limit;
    struct timeval left = {ms / 1000, ms % 1000 * 1000};
    struct epoll_event event;
    int queue = queue_of(fd, EPOLLIN);
    fd_set set;
    uint64_t start;
    int result;

#define EACH(name, call)         \
    FD_ZERO(&set);               \
    FD_SET(fd, &set);            \
    start = sp_now();            \
    SIGNALLED(result = (call));  \
    say("%s by %s", what, name); \
    trace("", result, (unsigned)FD_ISSET(fd, &set), start)

    EACH("poll", poll(&one, 1, ms));
    EACH("ppoll", ppoll(&one, 1, &limit, mask));
    EACH("select", select(fd + 1, &set, NULL, NULL, &left));
    say("left %ld", (long)((left.tv_sec * 1000 + left.tv_usec / 1000 + 25) / 50));
    EACH("pselect", pselect(fd + 1, &set, NULL, NULL, &limit, mask));
    EACH("epoll_wait", epoll_wait(queue, &event, 1, ms));
    EACH("epoll_pwait", epoll_pwait(queue, &event, 1, ms, mask));
    EACH("epoll_pwait2", epoll_pwait2(queue, &event, 1, &limit, mask));
    say("limit %d", limit.tv_sec == kept.tv_sec && limit.tv_nsec == kept.tv_nsec);
    close(queue);
}

static void signals(const char *address)
{
    int fd = dial(address);
    sigset_t blocked, open;

    handle(SIGUSR1, SA_RESTART);
    wait_each("handler that restarts", fd, NULL, 300);
    handle(SIGUSR1, 0);
    wait_each("handler", fd, NULL, 300);
    sigemptyset(&open);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &blocked, NULL);
    wait_each("blocked, but for the wait", fd, &open, 300);
    wait_each("blocked", fd, &blocked, 200);
    pthread_sigmask(SIG_UNBLOCK, &blocked, NULL);
    say("at last %d", (int)handled);
    handled = 0;
    signal(SIGUSR1, SIG_IGN);
    wait_each("ignored", fd, NULL, 200);
}

static void odd(const char *address)
{
    int fd = dial(address);
    struct pollfd some[3] = {
        {.fd = fd, .events = POLLIN}, {.fd = -1}, {.fd = 50, .events = POLLIN}};
    struct timespec wrong = {0, 2000000000};
    struct timeval below = {-1, 0};
    struct epoll_event event;
    fd_set set;
    uint64_t start = sp_now();

    int result = poll(some, 3, -1);
    trace("a bad fd", result, (unsigned)some[2].revents, start);
    trace("no fds", poll(NULL, 0, 60), 0, start);
    trace("a wrong time", ppoll(some, 1, &wrong, NULL), 0, start);
    trace("a time below zero", select(0, NULL, NULL, NULL, &below), 0, start);
    trace("no queue", epoll_wait(fd, &event, 1, -1), 0, start);
    trace("no room", epoll_wait(queue_of(fd, EPOLLIN), &event, 0, -1), 0, start);
    FD_ZERO(&set);
    FD_SET(50, &set);
    trace("a bad set", select(51, &set, NULL, NULL, NULL), 0, start);
    start = sp_now();
    trace("sleeping", select(0, NULL, NULL, NULL, &(struct timeval){0, 150000}), 0, start);
}

/* waits WAITING ADDRESS PART: one exchange hangs on WAITING all the while. */
VICTIM(waits)
{
    int hangs = dial(argv[1]);

    if (hangs < 0 || send(hangs, "?", 1, 0) != 1)
        return 1;
    if (!strcmp(argv[3], "triggers"))
        triggers(argv[2]);
    else if (!strcmp(argv[3], "signals"))
        signals(argv[2]);
    else
        odd(argv[2]);
    say("end");
    return 0;
}

/* Line by line; a busy machine may be late by a step, so a trace gets a second chance. */
static bool same(struct victim *bare, struct victim *guarded, char *differs, size_t size)
{
    bool good = true;
    char expected[256];

    do {
        snprintf(expected, sizeof expected, "%s", victim_hear(bare));
        const char *said = victim_hear(guarded);
        if (good && strcmp(said, expected) != 0) {
            good = false;
            snprintf(differs, size, "bare: '%s', guarded: '%s'", expected, said);
        }
    } while (*expected && strcmp(expected, "end") != 0);
    ck_assert_int_eq(victim_end(bare), 0);
    ck_assert_int_eq(victim_end(guarded), 0);
    return good;
}

/* The deadline of what hangs is never reached, but every wait must look whether it is. */
static void as_bare(const char *part)
{
    struct server *hangs = server_start(AF_INET, HANG), *echoes = server_start(AF_INET, ECHO);
    char differs[600] = "";

    world_policy("destination short\n match %s\n deadline response 30ms\n"
                 "destination long\n match %s\n deadline response 5s  idle 5s\n",
                 hangs->text, echoes->text);
    for (int i = 0; i < 3; i++) {
        struct victim *bare = victim_start_bare("waits", hangs->text, echoes->text, part, NULL);
        struct victim *guarded = victim_start("waits", hangs->text, echoes->text, part, NULL);

        if (same(bare, guarded, differs, sizeof differs))
            return;
    }
    ck_abort_msg("%s", differs);
}

START_TEST(triggers_of_every_kind)
{
    as_bare("triggers");
}
END_TEST

START_TEST(signals_masks_and_timeouts)
{
    as_bare("signals");
}
END_TEST

START_TEST(odd_arguments)
{
    as_bare("odd");
}
END_TEST

SCENARIO(waits_as_bare, triggers_of_every_kind, signals_masks_and_timeouts, odd_arguments)
