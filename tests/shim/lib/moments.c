/*
 * moments.c - stands between a program and the shim and notes, as the program sees it, how long it
 * had waited when a call told it ETIMEDOUT. One line each in MOMENTS_FILE:
 *   CALL us-since-its-last-send us-since-it-last-received us-since-its-connect PROCESS (-1: never)
 * The wait ends where the waiting call returned: poll() or its like, or the telling call itself. A
 * program that hangs up without asking for the error has the line `close`.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define FDS_MAX 4096
#define QUICK   2000 /* us: a call that took longer has waited itself */

ssize_t __recv_chk(int fd, void *buffer, size_t length, size_t size, int flags);
ssize_t __read_chk(int fd, void *buffer, size_t length, size_t size);
int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t size);

struct moments {
    _Atomic int64_t dialed, sent, heard; /* us; 0: never, or not a connection */
    _Atomic int told;
};

static struct moments table[FDS_MAX];
static _Thread_local int64_t woke;
static char path[256];

/* Kept from the start: nginx empties its environment. */
__attribute__((constructor)) static void prepare(void)
{
    const char *given = getenv("MOMENTS_FILE");

    snprintf(path, sizeof path, "%s", given ? given : "");
}

static int64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * INT64_C(1000000) + time.tv_nsec / 1000;
}

static struct moments *at(int fd)
{
    return fd >= 0 && fd < FDS_MAX && table[fd].dialed ? &table[fd] : NULL;
}

static long since(int64_t then, int64_t end)
{
    return then ? (long)(end - then) : -1;
}

static void tell(struct moments *m, const char *call, int64_t began)
{
    int64_t end = now();
    char line[200];

    if (!*path || atomic_exchange(&m->told, 1))
        return;
    if (end - began < QUICK && woke)
        end = woke;
    int length =
        snprintf(line, sizeof line, "%s %ld %ld %ld %s\n", call, since(m->sent, end),
                 since(m->heard, end), since(m->dialed, end), program_invocation_short_name);
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (fd >= 0) {
        (void)!write(fd, line, (size_t)length);
        close(fd);
    }
}

static void after(int fd, const char *call, int64_t began, ssize_t result, _Atomic int64_t *moved)
{
    struct moments *m = at(fd);
    int error = errno;

    if (m && result > 0)
        *moved = moved == &m->sent ? began : now();
    if (m && result < 0 && error == ETIMEDOUT)
        tell(m, call, began);
    errno = error;
}

#define NEXT(name)                 \
    static __typeof__(name) *next; \
    if (!next)                     \
    next = (__typeof__(name) *)(uintptr_t)dlsym(RTLD_NEXT, #name)

#define MOVING(name, field, parameters, arguments)                               \
    __attribute__((visibility("default"))) ssize_t name parameters               \
    {                                                                            \
        NEXT(name);                                                              \
        int64_t began = fd >= 0 && fd < FDS_MAX && table[fd].dialed ? now() : 0; \
        ssize_t result = next arguments;                                         \
        if (began)                                                               \
            after(fd, #name, began, result, &table[fd].field);                   \
        return result;                                                           \
    }

MOVING(send, sent, (int fd, const void *b, size_t n, int flags), (fd, b, n, flags))
MOVING(sendto, sent,
       (int fd, const void *b, size_t n, int flags, const struct sockaddr *to, socklen_t l),
       (fd, b, n, flags, to, l))
MOVING(sendmsg, sent, (int fd, const struct msghdr *m, int flags), (fd, m, flags))
MOVING(write, sent, (int fd, const void *b, size_t n), (fd, b, n))
MOVING(writev, sent, (int fd, const struct iovec *v, int n), (fd, v, n))
MOVING(sendfile, sent, (int fd, int from, off_t *o, size_t n), (fd, from, o, n))
MOVING(sendfile64, sent, (int fd, int from, off64_t *o, size_t n), (fd, from, o, n))
MOVING(recv, heard, (int fd, void *b, size_t n, int flags), (fd, b, n, flags))
MOVING(recvfrom, heard, (int fd, void *b, size_t n, int flags, struct sockaddr *from, socklen_t *l),
       (fd, b, n, flags, from, l))
MOVING(recvmsg, heard, (int fd, struct msghdr *m, int flags), (fd, m, flags))
MOVING(read, heard, (int fd, void *b, size_t n), (fd, b, n))
MOVING(readv, heard, (int fd, const struct iovec *v, int n), (fd, v, n))
MOVING(__recv_chk, heard, (int fd, void *b, size_t n, size_t s, int flags), (fd, b, n, s, flags))
MOVING(__read_chk, heard, (int fd, void *b, size_t n, size_t s), (fd, b, n, s))

#define WAITING(name, parameters, arguments)                   \
    __attribute__((visibility("default"))) int name parameters \
    {                                                          \
        NEXT(name);                                            \
        int result = next arguments;                           \
        woke = now();                                          \
        return result;                                         \
    }

WAITING(poll, (struct pollfd * fds, nfds_t n, int timeout), (fds, n, timeout))
WAITING(__poll_chk, (struct pollfd * fds, nfds_t n, int timeout, size_t s), (fds, n, timeout, s))
WAITING(ppoll, (struct pollfd * fds, nfds_t n, const struct timespec *t, const sigset_t *mask),
        (fds, n, t, mask))
WAITING(select, (int n, fd_set *r, fd_set *w, fd_set *e, struct timeval *t), (n, r, w, e, t))
WAITING(pselect,
        (int n, fd_set *r, fd_set *w, fd_set *e, const struct timespec *t, const sigset_t *mask),
        (n, r, w, e, t, mask))
WAITING(epoll_wait, (int fd, struct epoll_event *e, int n, int timeout), (fd, e, n, timeout))
WAITING(epoll_pwait, (int fd, struct epoll_event *e, int n, int timeout, const sigset_t *mask),
        (fd, e, n, timeout, mask))

static int is_tcp(int fd, const struct sockaddr *to)
{
    int type = 0;

    return (to->sa_family == AF_INET || to->sa_family == AF_INET6) &&
           getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &(socklen_t){sizeof type}) == 0 &&
           type == SOCK_STREAM;
}

__attribute__((visibility("default"))) int connect(int fd, const struct sockaddr *to,
                                                   socklen_t length)
{
    static _Atomic int pending[FDS_MAX];
    NEXT(connect);
    int64_t began = now();
    int tracked = fd >= 0 && fd < FDS_MAX && is_tcp(fd, to);

    if (tracked && !(at(fd) && pending[fd])) {
        table[fd].sent = table[fd].heard = 0;
        table[fd].told = 0;
        table[fd].dialed = began;
    }
    int result = next(fd, to, length);
    int error = errno;
    if (tracked) {
        pending[fd] = result < 0 && (error == EINPROGRESS || error == EALREADY);
        after(fd, "connect", began, result, &table[fd].sent);
    }
    errno = error;
    return result;
}

__attribute__((visibility("default"))) int getsockopt(int fd, int level, int name, void *value,
                                                      socklen_t *length)
{
    NEXT(getsockopt);
    int result = next(fd, level, name, value, length);
    int error = errno;

    if (result == 0 && level == SOL_SOCKET && name == SO_ERROR && *(int *)value == ETIMEDOUT &&
        at(fd))
        tell(at(fd), "SO_ERROR", now());
    errno = error;
    return result;
}

__attribute__((visibility("default"))) int close(int fd)
{
    NEXT(close);

    if (at(fd)) {
        if (at(fd)->sent)
            tell(at(fd), "close", now());
        table[fd].dialed = 0;
    }
    return next(fd);
}
