/*
 * A thousand processes are killed while they take and give back the leases of a cap of 8. The
 * connections that really lived never overlap more than 8-fold, and no lease is lost.
 */
#include "overlap.h"

#define CAP     8
#define KILLS   1000
#define WORKERS 16

/* take_and_give ADDRESS: for ever. */
VICTIM(take_and_give)
{
    unsigned random = (unsigned)getpid();

    for (;;) {
        int fd = dial(argv[1]);

        random = random * 1103515245u + 12345u;
        for (volatile unsigned spin = random >> 16 & 0x1fff; spin; spin--)
            ;
        if (fd >= 0)
            close(fd);
    }
    return 0;
}

static void kill_a_thousand(const char *address)
{
    struct victim *workers[WORKERS];

    for (int i = 0; i < WORKERS; i++)
        workers[i] = victim_start("take_and_give", address, NULL);
    for (int i = 0; i < KILLS; i++) {
        struct victim **one = &workers[rand() % WORKERS];

        usleep((useconds_t)(rand() % 3000));
        overlap_kill(*one);
        *one = victim_start("take_and_give", address, NULL);
    }
    for (int i = 0; i < WORKERS; i++)
        overlap_kill(workers[i]);
}

START_TEST(never_more_than_the_cap)
{
    struct server *server = server_start(AF_UNIX, ECHO);
    struct stamps *stamps = overlap_share();
    struct victim *holders[CAP];

    world_policy("destination d\n match %s\n cap %d\n", server->text, CAP);
    kill_a_thousand(server->text);
    ck_assert_int_eq(overlap_deepest(stamps), CAP);

    for (int i = 0; i < CAP; i++) {
        do
            holders[i] = victim_start("hold", server->text, NULL);
        while (strcmp(victim_hear(holders[i]), "ok") != 0);
    }
    ck_assert_str_eq(victim_says("dial", server->text, NULL), "ECONNREFUSED");
    ck_assert_uint_eq(world_leases("d"), CAP);
    for (int i = 0; i < CAP; i++)
        ck_assert_int_eq(victim_end(holders[i]), 0);
}
END_TEST

SCENARIO(killed, never_more_than_the_cap)
