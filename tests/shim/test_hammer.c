/*
 * 32 processes of 4 threads, all waiting for one of 10 places: never more than 10 connections at a
 * time, and hardly ever fewer. The same while processes are killed at random.
 */
#include "overlap.h"

#include <pthread.h>

#define CAP     10
#define THREADS 4
#define HOLD_MS 20
#ifdef __SANITIZE_THREAD__ /* as many as it can start in time; it has no speed to be measured */
#define PROCESSES 8
#define KILLS     30
#define LEAST     0.0
#else
#define PROCESSES 32
#define KILLS     200
#define LEAST     (CAP - 0.5)
#endif

static const char *hammered;
static _Atomic bool stop;

static void *hammer(void *unused)
{
    while (!stop) {
        int fd = dial(hammered);

        usleep(HOLD_MS * 1000); /* its work */
        if (fd >= 0)
            close(fd);
    }
    return unused;
}

/* hammer ADDRESS: with four threads, until told. */
VICTIM(hammer)
{
    pthread_t threads[THREADS];

    hammered = argv[1];
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, hammer, NULL))
            return 1;
    say("ok");
    pause_here();
    stop = true;
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    return 0;
}

/* try ADDRESS: a connect that does not wait. */
VICTIM(try)
{
    int fd = start_dial(argv[1]);

    say("%s", word_of(fd < 0 ? fd : 0));
    return 0;
}

static struct victim *hammers[PROCESSES];

static struct stamps *hammer_all(struct server **server)
{
    struct stamps *stamps = overlap_share();

    *server = server_start(AF_UNIX, ECHO);
    world_policy("destination d\n match %s\n cap %d wait 30s\n", (*server)->text, CAP);
    for (int i = 0; i < PROCESSES; i++)
        hammers[i] = victim_start("hammer", (*server)->text, NULL);
    for (int i = 0; i < PROCESSES; i++)
        ck_assert_str_eq(victim_hear(hammers[i]), "ok");
    return stamps;
}

/* Other work on the machine may keep it from anybody's connections: one of three windows counts. */
static double most_held(const struct stamps *stamps)
{
    uint64_t at[4] = {sp_now()};
    double most = 0;

    for (int i = 1; i < 4; i++) {
        uint64_t count = stamps->count;

        AWAIT(stamps->count >= count + 400);
        at[i] = sp_now();
    }
    for (int i = 1; i < 4; i++) {
        double held = overlap_average(stamps, at[i - 1], at[i]);

        most = held > most ? held : most;
    }
    return most;
}

START_TEST(exactly_the_cap)
{
    struct server *server;
    struct stamps *stamps = hammer_all(&server);
    double held = most_held(stamps);

    for (int i = 0; i < PROCESSES; i++)
        victim_tell(hammers[i]);
    for (int i = 0; i < PROCESSES; i++)
        ck_assert_int_eq(victim_end(hammers[i]), 0);
    fprintf(stderr, "# exactly_the_cap: %.2f of %d places were held\n", held, CAP);
    ck_assert_int_eq(overlap_deepest(stamps), CAP);
    ck_assert_msg(held >= LEAST, "%.2f of %d places were held", held, CAP);
    ck_assert_uint_eq(world_leases("d"), 0);
    ck_assert_uint_eq(world_figures("d").rejected[SP_REFUSED_CAP - 1], 0);
}
END_TEST

START_TEST(kills_lose_nothing)
{
    struct server *server;
    struct stamps *stamps = hammer_all(&server);
    struct victim *holders[CAP];

    for (int i = 0; i < KILLS; i++) {
        struct victim **one = &hammers[rand() % PROCESSES];

        usleep((useconds_t)(rand() % 10000));
        overlap_kill(*one);
        *one = victim_start("hammer", server->text, NULL);
    }
    for (int i = 0; i < PROCESSES; i++)
        overlap_kill(hammers[i]);
    ck_assert_int_eq(overlap_deepest(stamps), CAP);
    for (int i = 0; i < CAP; i++) {
        holders[i] = victim_start("hold", server->text, NULL);
        ck_assert_str_eq(victim_hear(holders[i]), "ok");
    }
    ck_assert_str_eq(victim_says("try", server->text, NULL), "ECONNREFUSED");
    ck_assert_uint_eq(world_leases("d"), CAP);
    for (int i = 0; i < CAP; i++)
        ck_assert_int_eq(victim_end(holders[i]), 0);
}
END_TEST

SCENARIO(hammer, exactly_the_cap, kills_lose_nothing)
