/* overlap.c - see overlap.h. */
#include "overlap.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define DEATHS_MAX 2048

static struct {
    pid_t pid;
    uint64_t killed, seen; /* its sockets were closed between the two */
} deaths[DEATHS_MAX];
static size_t death_count;

void overlap_kill(struct victim *victim)
{
    ck_assert_uint_lt(death_count, DEATHS_MAX);
    deaths[death_count].pid = victim->pid;
    deaths[death_count].killed = sp_now();
    kill(victim->pid, SIGKILL);
    waitpid(victim->pid, NULL, 0);
    deaths[death_count++].seen = sp_now();
    close(victim->in);
    close(victim->out);
    free(victim);
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

/* Sorted by time; the room is the caller's. */
static struct edge *all_edges(const struct stamps *stamps, size_t *used)
{
    size_t count = stamps->count;
    struct edge *edges = calloc(2 * count + 1, sizeof *edges);

    ck_assert_uint_lt(count, STAMPS_MAX);
    ck_assert_ptr_nonnull(edges);
    *used = 0;
    for (size_t i = 0; i < count; i++) {
        const struct stamp *stamp = &stamps->at[i];

        if (!stamp->start)
            continue; /* killed between taking its number and writing it */
        edges[(*used)++] = (struct edge){stamp->start, 1};
        edges[(*used)++] = (struct edge){stamp->end ? stamp->end : end_by_death(stamp), -1};
    }
    qsort(edges, *used, sizeof *edges, by_time);
    return edges;
}

int overlap_deepest(const struct stamps *stamps)
{
    int depth = 0, deepest = 0;
    size_t used;
    struct edge *edges = all_edges(stamps, &used);

    for (size_t i = 0; i < used; i++) {
        depth += edges[i].step;
        deepest = depth > deepest ? depth : deepest;
    }
    free(edges);
    return deepest;
}

double overlap_average(const struct stamps *stamps, uint64_t from, uint64_t to)
{
    int depth = 0;
    double sum = 0;
    size_t used;
    struct edge *edges = all_edges(stamps, &used);

    for (size_t i = 0; i < used && edges[i].at < to; i++) {
        uint64_t end = i + 1 < used && edges[i + 1].at < to ? edges[i + 1].at : to;

        depth += edges[i].step;
        if (end > from)
            sum += depth * (double)(end - (edges[i].at > from ? edges[i].at : from));
    }
    free(edges);
    return sum / (double)(to - from);
}

struct stamps *overlap_share(void)
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
