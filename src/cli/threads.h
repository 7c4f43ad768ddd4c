/* threads.h - which threads of another process wait in the kernel, and for which fds. */
#ifndef SHEARPIN_CLI_THREADS_H
#define SHEARPIN_CLI_THREADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct threads_wait {
    pid_t tid;
    int fd;
};
struct threads {
    struct threads_wait *waits; /* a thread in poll() or epoll_wait() stands here with each fd */
    size_t count;
};

/* What may be looked at: without permission, nothing. Free with threads_free(). */
void threads_of(struct threads *threads, pid_t pid);
void threads_free(struct threads *threads);
/* The first that waits for the fd; 0: none. */
pid_t threads_on(const struct threads *threads, int fd);

#endif
