/* Many threads connect and wait in every way, while half of all tries are refused: each connect
 * stands in the end, none is lost, and none is told to stand that does not. */
#include "harness.h"

#include <pthread.h>
#include <sys/epoll.h>

#define THREADS 6
#define ROUNDS  40

static const char *address;
static int shared;
static _Atomic unsigned good, bad;

/* Waits until the connect of `fd` says something, in a way that depends on the round. */
static bool wait_for(int fd, int round, int own)
{
    uint32_t how = round % 3 == 0 ? EPOLLET : round % 3 == 1 ? EPOLLONESHOT : 0;
    struct epoll_event event = {EPOLLOUT | how, {.u64 = (uint64_t)fd}};
    struct pollfd one = {.fd = fd, .events = POLLOUT};

    if (round % 4 == 3)
        return poll(&one, 1, 20000) == 1;
    if (epoll_ctl(own, EPOLL_CTL_ADD, fd, &event) != 0)
        return false;
    return epoll_wait(own, &event, 1, 20000) == 1;
}

static void *hammers(void *context)
{
    int own = epoll_create1(0);

    for (int i = 0; i < ROUNDS; i++) {
        int fd = start_dial(address), error = fd < 0 ? -fd : 0;

        if (!error && !wait_for(fd, i + (int)(intptr_t)context, own))
            error = ETIME;
        if (!error)
            error = socket_error(fd);
        if (!error)
            fcntl(fd, F_SETFL, 0);
        if (!error)
            error = ask(fd);
        atomic_fetch_add(error ? &bad : &good, 1);
        if (error)
            say("round %d: %s", i, word_of(error));
        close(fd);
    }
    return NULL;
}

/* One set, in which all threads wait for each other's connects. */
static void *serves(void *context)
{
    struct epoll_event event;

    (void)context;
    while (atomic_load(&good) + atomic_load(&bad) < THREADS * ROUNDS) {
        if (epoll_wait(shared, &event, 1, 50) != 1)
            continue;
        int fd = (int)event.data.u64, error = socket_error(fd);
        fcntl(fd, F_SETFL, 0);
        if (!error)
            error = ask(fd);
        atomic_fetch_add(error ? &bad : &good, 1);
        if (error)
            say("%x: %s", event.events, word_of(error));
        close(fd);
    }
    return NULL;
}

static int run(void *(*work)(void *))
{
    pthread_t threads[THREADS];

    for (intptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, (void *)i);
    if (work == serves) {
        for (int i = 0; i < THREADS * ROUNDS; i++) {
            int fd = start_dial(address);
            struct epoll_event event = {EPOLLOUT | EPOLLONESHOT, {.u64 = (uint64_t)fd}};
            if (fd < 0 || epoll_ctl(shared, EPOLL_CTL_ADD, fd, &event) != 0)
                return 1;
        }
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    say("%u good, %u bad", good, bad);
    return 0;
}

/* retry_hammer ADDRESS */
VICTIM(retry_hammer)
{
    address = argv[1];
    return run(hammers);
}

/* retry_hammer_shared ADDRESS */
VICTIM(retry_hammer_shared)
{
    address = argv[1];
    shared = epoll_create1(0);
    return run(serves);
}

static void hammer(const char *victim)
{
    struct server *server = server_start(AF_INET, ECHO);
    char all[32];

    world_policy("destination d\n match %s\n breaker streak 1000\n"
                 " retry 20 backoff 1ms..8ms budget 100%% on refused\n",
                 server->text);
    world_env("SHEARPIN_SET", "d.inject=refuse share 40% seed 7");
    snprintf(all, sizeof all, "%u good, 0 bad", THREADS * ROUNDS);
    const char *said = victim_says(victim, server->text, NULL);
    ck_assert_msg(!strcmp(said, all), "%s; %u over budget", said,
                  (unsigned)world_figures("d").retried[SP_RETRIED_OVER_BUDGET]);
    ck_assert_uint_eq(world_figures("d").connects[SP_OUTCOME_OK], THREADS * ROUNDS);
    ck_assert_uint_eq(world_figures("d").connects[SP_OUTCOME_REFUSED],
                      world_figures("d").retried[SP_RETRIED_FAILED] +
                          world_figures("d").retried[SP_RETRIED_OK]);
}

START_TEST(each_thread_its_own)
{
    hammer("retry_hammer");
}
END_TEST

START_TEST(one_set_for_all)
{
    hammer("retry_hammer_shared");
}
END_TEST

SCENARIO(retry_hammer, each_thread_its_own, one_set_for_all)
