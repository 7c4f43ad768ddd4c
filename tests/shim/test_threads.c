/* Many threads on many connections: every exchange is counted once, every lease comes back. */
#include "harness.h"

#include <pthread.h>

#define THREADS   8
#define ROUNDS    50
#define QUESTIONS 10

static const char *target;

static void *talker(void *context)
{
    long bad = 0;

    for (int round = 0; round < ROUNDS; round++) {
        int fd = dial(target), copy = dup(fd);

        for (int i = 0; i < QUESTIONS; i++)
            bad += ask(i % 2 ? fd : copy) != 0;
        close(fd);
        close(copy);
    }
    (void)context;
    return (void *)bad;
}

/* talk_in_threads ADDRESS */
VICTIM(talk_in_threads)
{
    pthread_t threads[THREADS];
    long bad = 0;

    target = argv[1];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, talker, NULL);
    for (int i = 0; i < THREADS; i++) {
        void *result;

        pthread_join(threads[i], &result);
        bad += (long)result;
    }
    say("%ld", bad);
    return 0;
}

START_TEST(counted_once)
{
    struct server *server = server_start(AF_UNIX, ECHO);

    world_policy("destination d\n match %s\n breaker streak 1  rate 50%% of 20 in 1s\n cap %d\n",
                 server->text, THREADS);
    ck_assert_str_eq(victim_says("talk_in_threads", server->text, NULL), "0");
    struct sp_figures figures = world_figures("d");
    for (int i = SP_OUTCOME_COUNT - 1; i >= 0; i--)
        ck_assert_msg(figures.connects[i] == (i ? 0 : THREADS * ROUNDS), "connects: %llu %s",
                      (unsigned long long)figures.connects[i], sp_outcome_word((unsigned)i));
    ck_assert_uint_eq(figures.exchanges[SP_OUTCOME_OK], THREADS * ROUNDS * QUESTIONS);
    ck_assert_uint_eq(figures.rejected[1], 0);
    ck_assert_uint_eq(world_leases("d"), 0);
}
END_TEST

/* two_halves ADDRESS: one thread sends, another receives; each answer ends one exchange. */
static void *sender(void *context)
{
    int fd = *(int *)context;

    for (int i = 0; i < 1000; i++)
        if (send(fd, "?", 1, 0) != 1)
            break;
    return NULL;
}

VICTIM(two_halves)
{
    int fd = dial(argv[1]), got = 0;
    pthread_t thread;
    char bytes[64];

    pthread_create(&thread, NULL, sender, &fd);
    while (got < 1000) {
        ssize_t more = recv(fd, bytes, sizeof bytes, 0);

        if (more <= 0)
            return 1;
        got += (int)more;
    }
    pthread_join(thread, NULL);
    close(fd);
    say("%d", got);
    return 0;
}

START_TEST(halves_of_one_connection)
{
    struct server *server = server_start(AF_UNIX, ECHO);

    world_policy("destination d\n match %s\n breaker streak 1\n", server->text);
    ck_assert_str_eq(victim_says("two_halves", server->text, NULL), "1000");
    struct sp_figures figures = world_figures("d");
    ck_assert_uint_ge(figures.exchanges[SP_OUTCOME_OK], 1);
    ck_assert_uint_le(figures.exchanges[SP_OUTCOME_OK], 1000);
    ck_assert_int_eq(world_breaker("d").state, SP_STATE_CLOSED);
}
END_TEST

SCENARIO(threads, counted_once, halves_of_one_connection)
