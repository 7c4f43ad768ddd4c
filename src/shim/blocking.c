/* blocking.c - the kernel's connect on a socket that blocks, within its deadline. */
#include "shim/await.h"
#include "shim/connect.h"
#include "shim/kind.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"

/* False: another thread has closed the fd, or found the connect due and cut it. To connect once
 * more would then be a new attempt, or a stranger's. */
static bool connect_stands(const struct attempt *a)
{
    if (sp_conn_entry(a->fd) == a->entry)
        return sp_turn_of(atomic_load(&a->conn->word)) != SP_TURN_CUT;
    errno = EBADF;
    return false;
}

static int connect_once(const struct attempt *a, uint64_t rest)
{
    uint64_t ns = a->local ? rest : rest - rest / 8;
    struct timeval time = {(time_t)(ns / SP_SECOND), (suseconds_t)(ns % SP_SECOND / 1000)};
    if (time.tv_sec == 0 && time.tv_usec < 1000)
        time.tv_usec = 1000; /* 0 would mean for ever */
    REAL(setsockopt)(a->fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
    return REAL(connect)(a->fd, a->address, a->length);
}

/* The kernel's timer was the alarm at 7/8; poll() is precise. What connect() says then counts. */
static int connect_rest(const struct attempt *a, uint64_t until)
{
    for (;;) {
        uint64_t now = sp_now();
        struct pollfd one = {.fd = a->fd, .events = POLLOUT};
        uint64_t rest = now < until ? until - now : 0;
        struct timespec time = {(time_t)(rest / SP_SECOND), (long)(rest % SP_SECOND)};
        int ready = REAL(ppoll)(&one, 1, &time, NULL);
        if (ready > 0)
            return connect_stands(a) ? REAL(connect)(a->fd, a->address, a->length) : -1;
        if (ready < 0 && (errno != EINTR || !sp_socket_restarts()))
            return -1;
        if (ready == 0) {
            errno = EINPROGRESS;
            return -1;
        }
    }
}

/* O_NONBLOCK may have been set behind our back: then the program waits, not we. */
static bool connect_waits(const struct attempt *a)
{
    int error = errno, flags = REAL(fcntl)(a->fd, F_GETFL);
    bool waits = flags < 0 || !(flags & O_NONBLOCK);
    if (!waits)
        sp_conn_mark(a->conn, SP_CONN_NONBLOCK, true);
    errno = error;
    return waits;
}

/* `own` is when the program's own SO_SNDTIMEO ends it, with its own errno. */
static int connect_until(const struct attempt *a, uint64_t own)
{
    uint64_t until = a->due < own ? a->due : own;
    for (uint64_t now = sp_turn_since(a->word);; now = sp_now()) {
        if (connect_once(a, now < until ? until - now : 0) == 0)
            return 0;
        bool restarts = errno == EINTR && sp_socket_restarts();
        if (!restarts && (errno == EINPROGRESS || errno == EALREADY))
            return connect_waits(a) ? connect_rest(a, until) : -1;
        bool full = a->local && errno == EAGAIN && sp_now() < until;
        if (!(restarts || full) || !connect_stands(a))
            return -1;
    }
}

/* Gives the connect up, unless another thread has closed the fd: then its number may be that of a
 * socket which listens. */
static bool connect_end(const struct attempt *a)
{
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    return sp_conn_entry(a->fd) == a->entry && !a->local &&
           REAL(connect)(a->fd, &none, sizeof none) == 0;
}

uint64_t sp_connect_limit(int fd, struct timeval *own)
{
    socklen_t length = sizeof *own;
    memset(own, 0, sizeof *own);
    REAL(getsockopt)(fd, SOL_SOCKET, SO_SNDTIMEO, own, &length);
    uint64_t limit = (uint64_t)own->tv_sec * SP_SECOND + (uint64_t)own->tv_usec * 1000;
    return limit ? sp_now() + limit : SP_NEVER;
}

int sp_connect_blocking(const struct attempt *a)
{
    struct timeval own = {0, 0};
    if (a->due == SP_NEVER && a->own == SP_NEVER)
        return REAL(connect)(a->fd, a->address, a->length);
    uint64_t own_until = a->untimed ? SP_NEVER : sp_connect_limit(a->fd, &own);
    if (a->own < own_until)
        own_until = a->own;
    int result = connect_until(a, own_until);
    int error = errno;
    if (sp_conn_entry(a->fd) == a->entry)
        REAL(setsockopt)(a->fd, SOL_SOCKET, SO_SNDTIMEO, &own, sizeof own);
    if (result != 0 && a->due <= own_until && sp_now() >= a->due &&
        (error == EINPROGRESS || (a->local && error == EAGAIN))) {
        connect_end(a);
        error = ETIMEDOUT;
    }
    errno = error;
    return result;
}

int sp_connect_delay(const struct attempt *a, int result)
{
    int error = errno;
    uint64_t until = sp_turn_since(a->word) + a->delay;
    bool late = until > a->due;
    if (!sp_await_pause(SP_ASLEEP_INJECTED, a->conn->dest, a->fd, late ? a->due : until))
        return -1;
    if (late) {
        if (!connect_end(a) && sp_conn_entry(a->fd) == a->entry)
            REAL(shutdown)(a->fd, SHUT_RDWR);
        result = -1;
        error = ETIMEDOUT;
    }
    errno = error;
    return result;
}
