#include "cli/threads.h"

#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define THREADS_POLLED 256 /* fds of one poll() that are looked at */

/* Calls whose first argument is the fd. */
static const long threads_direct[] = {
    SYS_read,   SYS_readv,  SYS_recvfrom, SYS_recvmsg, SYS_recvmmsg, SYS_write,
    SYS_writev, SYS_sendto, SYS_sendmsg,  SYS_connect, SYS_sendmmsg, SYS_sendfile,
};
#define THREADS_DIRECT (sizeof threads_direct / sizeof *threads_direct)

/* gcc 12 takes the second reallocarray() of a loop for a second free(). */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wunknown-warning-option" /* clang does not know it */
#pragma GCC diagnostic ignored "-Wanalyzer-double-free"
static void threads_add(struct threads *threads, pid_t tid, int fd)
{
    struct threads_wait *more =
        reallocarray(threads->waits, threads->count + 1, sizeof *threads->waits);
    if (!more)
        return;
    threads->waits = more;
    threads->waits[threads->count++] = (struct threads_wait){tid, fd};
}
#pragma GCC diagnostic pop

static void threads_polled(struct threads *threads, pid_t pid, pid_t tid, unsigned long at,
                           unsigned long count)
{
    struct pollfd fds[THREADS_POLLED];
    count = count < THREADS_POLLED ? count : THREADS_POLLED;
    struct iovec here = {fds, count * sizeof *fds},
                 there = {(void *)(uintptr_t)at, count * sizeof *fds};
    ssize_t got = process_vm_readv(pid, &here, 1, &there, 1, 0);
    for (size_t i = 0; got > 0 && i < (size_t)got / sizeof *fds; i++)
        threads_add(threads, tid, fds[i].fd);
}

/* What an epoll instance watches: `tfd:        7 events: ...`. */
static void threads_watched(struct threads *threads, pid_t pid, pid_t tid, int epoll)
{
    char path[64], line[256];
    int fd;
    snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", (int)pid, epoll);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file)) {
        if (sscanf(line, "tfd: %d", &fd) == 1)
            threads_add(threads, tid, fd);
    }
    if (file)
        fclose(file);
}

/* `0 0x7 0x7ffd... ...`: the call and its arguments; `running` or -1: it is in none. */
static void threads_one(struct threads *threads, pid_t pid, pid_t tid)
{
    char path[64];
    long call = -1;
    unsigned long first = 0, second = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/syscall", (int)pid, (int)tid);
    FILE *file = fopen(path, "re");
    int got = file ? fscanf(file, "%ld %lx %lx", &call, &first, &second) : 0;
    if (file)
        fclose(file);
    if (got != 3)
        return;
    for (size_t i = 0; i < THREADS_DIRECT; i++) {
        if (call == threads_direct[i])
            threads_add(threads, tid, (int)first);
    }
    bool polls = call == SYS_ppoll, watches = call == SYS_epoll_pwait;
#ifdef SYS_poll
    polls = polls || call == SYS_poll;
    watches = watches || call == SYS_epoll_wait;
#endif
#ifdef SYS_epoll_pwait2
    watches = watches || call == SYS_epoll_pwait2;
#endif
    if (polls)
        threads_polled(threads, pid, tid, first, second);
    if (watches)
        threads_watched(threads, pid, tid, (int)first);
}

void threads_of(struct threads *threads, pid_t pid)
{
    char path[64];
    *threads = (struct threads){0};
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *directory = opendir(path);
    const struct dirent *entry;
    while (directory && (entry = readdir(directory)) != NULL) {
        int tid = atoi(entry->d_name);
        if (tid > 0)
            threads_one(threads, pid, tid);
    }
    if (directory)
        closedir(directory);
}

void threads_free(struct threads *threads)
{
    free(threads->waits);
    *threads = (struct threads){0};
}

pid_t threads_on(const struct threads *threads, int fd)
{
    for (size_t i = 0; i < threads->count; i++) {
        if (threads->waits[i].fd == fd)
            return threads->waits[i].tid;
    }
    return 0;
}
