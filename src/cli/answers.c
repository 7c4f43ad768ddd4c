/* answers.c - the process that gives canned answers, one for a segment: started by `run`,
 * `reload` or `serve` (answer_start.c), it goes soon after the last process of the segment has. */
#include "cli/answers.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/kernel.h"
#include "cli/say.h"
#include "state/process.h"

#define ANSWERS_READY 3   /* the pipe on which it is said that we listen */
#define ANSWERS_TICK  250 /* ms from one look at who still lives to the next */

/* --- how long? --- */

static bool answers_used(const struct answers *a)
{
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = SP_LOCK_LIFE, .l_len = SP_PROCESSES};
    return sp_now() < atomic_load(&a->segment.head->reply_until) ||
           fcntl(a->lock, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

/* A `run` that found us alive has raised `reply_until` before it looked: whoever saw our lock is
 * seen here, and whoever comes later finds none. */
static bool answers_leave(struct answers *a)
{
    struct flock unlock = {
        .l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = SP_LOCK_REPLY, .l_len = 2};
    answers_unload(a);
    fcntl(a->lock, F_OFD_SETLK, &unlock);
    if (!answers_used(a) || sp_process_lock(a->lock, SP_LOCK_REPLY, 1, false) != 0)
        return true;
    answers_load(a);
    return sp_process_lock(a->lock, SP_LOCK_READY, 1, false) != 0;
}

/* --- one round --- */

struct answers_poll {
    struct pollfd *fds;
    uint32_t *dests; /* of a listener */
    size_t listeners, count;
    struct answers_talk *talks[ANSWERS_TALKS];
};

static void answers_gather(struct answers *a, struct answers_poll *p)
{
    bool full = answers_full(a);
    p->count = 0;
    for (uint32_t dest = 0; !full && dest < a->segment.dest_max; dest++) {
        for (size_t i = 0; a->places[dest].file && i < ANSWERS_LISTENERS; i++) {
            if (a->places[dest].fds[i] < 0)
                continue;
            p->dests[p->count] = dest;
            p->fds[p->count++] = (struct pollfd){a->places[dest].fds[i], POLLIN, 0};
        }
    }
    p->listeners = p->count;
    for (size_t i = 0; i < ANSWERS_TALKS; i++) {
        struct answers_talk *talk = &a->talks[i];
        if (talk->fd < 0)
            continue;
        short events =
            (short)((talk->ended ? 0 : POLLIN) | (talk->sent < talk->length ? POLLOUT : 0));
        p->talks[p->count - p->listeners] = talk;
        p->fds[p->count++] = (struct pollfd){talk->fd, events, 0};
    }
}

static void answers_round(struct answers *a, struct answers_poll *p)
{
    answers_gather(a, p);
    int ready = poll(p->fds, p->count, ANSWERS_TICK);
    uint64_t now = sp_now();
    for (size_t i = p->listeners; i < p->count; i++)
        answers_step(a, p->talks[i - p->listeners],
                     ready > 0 && (p->fds[i].revents & (POLLIN | POLLERR | POLLHUP)), now);
    for (size_t i = 0; ready > 0 && i < p->listeners; i++) {
        if (p->fds[i].revents)
            answers_accept(a, p->fds[i].fd, p->dests[i]);
    }
    if (sp_segment_generation(atomic_load(&a->segment.head->policy)) != a->generation)
        answers_load(a);
}

/* --- from start to end --- */

static void answers_serve(struct answers *a, int command)
{
    struct answers_poll p = {0};
    size_t most = (size_t)a->segment.dest_max * ANSWERS_LISTENERS + ANSWERS_TALKS;
    p.fds = calloc(most, sizeof *p.fds);
    p.dests = calloc(most, sizeof *p.dests);
    uint64_t looked = sp_now();
    for (int unused = 0; p.fds && p.dests;) {
        answers_round(a, &p);
        struct pollfd gone = {.fd = command, .events = POLLIN};
        if (sp_now() - looked < ANSWERS_TICK * SP_MS)
            continue;
        looked = sp_now();
        bool lives = command >= 0 && poll(&gone, 1, 0) == 0;
        unused = lives || answers_used(a) ? 0 : unused + 1;
        /* twice: a child between fork and its first call holds no lock yet */
        if (unused >= 2 && answers_leave(a))
            break;
    }
    free(p.fds);
    free(p.dests);
}

static void answers_begin(struct answers *a)
{
    struct rlimit files;
    struct stat st;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    umask(0077);
    a->group = fstat(a->lock, &st) == 0 && (st.st_mode & S_IWGRP);
    for (size_t i = 0; i < ANSWERS_TALKS; i++)
        a->talks[i].fd = -1;
    answers_load(a);
}

int answers_main(struct cli *cli)
{
    struct answers *a = calloc(1, sizeof *a);
    struct sp_error error;
    if (!a || sp_segment_attach(&a->segment, cli->words[0], &error) != 0) {
        say_error("%s", a ? error.text : "out of memory");
        return CLI_SYSTEM;
    }
    int command = cli->count > 1 ? kernel_pidfd((pid_t)strtol(cli->words[1], NULL, 10)) : -1;
    a->places = calloc(a->segment.dest_max, sizeof *a->places);
    a->lock = sp_process_reopen(&a->segment);
    if (a->places && a->lock >= 0 && sp_process_lock(a->lock, SP_LOCK_REPLY, 1, false) == 0) {
        answers_begin(a);
        bool ready = sp_process_lock(a->lock, SP_LOCK_READY, 1, false) == 0;
        if (cli->count > 1)
            close(ANSWERS_READY);
        if (ready)
            answers_serve(a, command);
    }
    return CLI_OK;
}
