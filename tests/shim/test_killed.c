/*
 * A thousand processes are killed while they take and give back the leases of a cap of 8. The
 * connections that really lived never overlap more than 8-fold, and no lease is lost.
 */
#include "harness.h"

#include "lib/stamp.h"
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

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

static struct {
    pid_t pid;
    uint64_t killed, seen; /* its sockets were closed between the two */
} deaths[KILLS + WORKERS];
static size_t death_count;

static void kill_one(struct victim *victim)
{
    deaths[death_count].pid = victim->pid;
    deaths[death_count].killed = sp_now();
    kill(victim->pid, SIGKILL);
    waitpid(victim->pid, NULL, 0);
    deaths[death_count++].seen = sp_now();
    close(victim->in);
    close(victim->out);
    free(victim);
}

static void kill_a_thousand(const char *address)
{
    struct victim *workers[WORKERS];

    for (int i = 0; i < WORKERS; i++)
        workers[i] = victim_start("take_and_give", address, NULL);
    for (int i = 0; i < KILLS; i++) {
        struct victim **one = &workers[rand() % WORKERS];

        usleep((useconds_t)(rand() % 3000));
        kill_one(*one);
        *one = victim_start("take_and_give", address, NULL);
    }
    for (int i = 0; i < WORKERS; i++)
        kill_one(workers[i]);
}

struct edge {
    uint64_t at;
    int step;
};

static int by_time(const void *left, const void *right)
{
    const struct edge *a = left, *b = right;

    if (a->at != b->at)
        return a->at < b->at ? -1 : 1;
    return a->step - b->step; /* an end before a start */
}

/* The first death of that pid after the connection began: pids may come again. A lease is free once
 * the kernel has closed the sockets, which nobody can stamp; it has not ended before the kill. */
static uint64_t end_by_death(const struct stamp *stamp)
{
    uint64_t end = UINT64_MAX;

    for (size_t i = 0; i < death_count; i++) {
        uint64_t killed = deaths[i].killed > stamp->start ? deaths[i].killed : stamp->start;

        if (deaths[i].pid == stamp->pid && deaths[i].seen >= stamp->start && killed < end)
            end = killed;
    }
    return end;
}

static int deepest_overlap(const struct stamps *stamps, size_t count)
{
    struct edge *edges = calloc(2 * count, sizeof *edges);
    int depth = 0, deepest = 0;
    size_t used = 0;

    ck_assert_ptr_nonnull(edges);
    for (size_t i = 0; i < count; i++) {
        const struct stamp *stamp = &stamps->at[i];

        if (!stamp->start)
            continue; /* killed between taking its number and writing it */
        edges[used++] = (struct edge){stamp->start, 1};
        edges[used++] = (struct edge){stamp->end ? stamp->end : end_by_death(stamp), -1};
    }
    qsort(edges, used, sizeof *edges, by_time);
    for (size_t i = 0; i < used; i++) {
        depth += edges[i].step;
        deepest = depth > deepest ? depth : deepest;
    }
    free(edges);
    return deepest;
}

static struct stamps *share_stamps(void)
{
    const char *path = world_file("stamps");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    ck_assert_int_eq(ftruncate(fd, sizeof(struct stamps)), 0);
    void *map = mmap(NULL, sizeof(struct stamps), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne(map, MAP_FAILED);
    close(fd);
    world_env("STAMP_FILE", path);
    world_env("PRELOAD_AFTER", world_tool("tests/libstamp.so"));
    return map;
}

START_TEST(never_more_than_the_cap)
{
    struct server *server = server_start(AF_UNIX, ECHO);
    struct stamps *stamps = share_stamps();
    struct victim *holders[CAP];

    world_policy("destination d\n match %s\n cap %d\n", server->text, CAP);
    kill_a_thousand(server->text);
    ck_assert_uint_lt(stamps->count, STAMPS_MAX);
    ck_assert_int_eq(deepest_overlap(stamps, stamps->count), CAP);

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
