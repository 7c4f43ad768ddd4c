/* socket.c - small questions to the kernel about a socket, and how errnos read as outcomes. */
#include "shim/shim.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/clock.h"

#define SOCKET_STACK ((uintptr_t)64 << 20) /* more than any stack, less than what lies between */

enum sp_outcome sp_socket_outcome(int error, bool connecting)
{
    switch (error) {
    case ECONNREFUSED:
    case ENOENT: /* a unix socket that nobody has made */
        return SP_OUTCOME_REFUSED;
    case EAGAIN: /* a unix socket whose backlog is full; on a transfer it means nothing */
        return connecting ? SP_OUTCOME_REFUSED : SP_OUTCOME_COUNT;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
        return SP_OUTCOME_UNREACHABLE;
    case ETIMEDOUT:
        return connecting ? SP_OUTCOME_CONNECT_TIMEOUT : SP_OUTCOME_RESPONSE_TIMEOUT;
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
        return SP_OUTCOME_RESET;
    default: /* our own mistake, or our own machine's: no verdict on the other side */
        return SP_OUTCOME_COUNT;
    }
}

uint64_t sp_socket_cookie(int fd)
{
    uint64_t cookie = 0;
    socklen_t length = sizeof cookie;
    int error = errno;
    if (REAL(getsockopt)(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length) != 0)
        cookie = 0;
    errno = error;
    return cookie;
}

bool sp_socket_is(int fd, const struct sp_conn *conn)
{
    return conn->cookie != 0 && sp_socket_cookie(fd) == conn->cookie;
}

bool sp_socket_ready(int fd, short events)
{
    struct pollfd one = {.fd = fd, .events = events};
    int error = errno;
    int ready = REAL(poll)(&one, 1, 0);
    errno = error;
    return ready > 0;
}

/* The kernel reads the set before it finds the first argument wrong: nothing is changed. */
static bool socket_reads(uintptr_t at)
{
    return REAL(syscall)(SYS_rt_sigprocmask, ~0L, at & ~(uintptr_t)7, NULL, 8L) == 0 ||
           errno != EFAULT;
}

/* On this thread's own stack, between here and its bottom, there is memory. The main thread's is
 * below what the kernel has put there at the start; glibc keeps the head of any other at its
 * bottom. Far away it may be another's. */
static bool socket_stacked(uintptr_t first, uintptr_t last)
{
    const uintptr_t near = 1u << 16, here = (uintptr_t)__builtin_frame_address(0);
    uintptr_t bottom = (uintptr_t)pthread_self();
    if (bottom < here || bottom - here > SOCKET_STACK)
        bottom = (uintptr_t)sp_socket_bottom;
    return first >= here && last >= first && last < bottom && bottom - here <= SOCKET_STACK &&
           last - here < near;
}

bool sp_socket_readable(const void *at, size_t size)
{
    uintptr_t first = (uintptr_t)at, last = first + size - 1;
    if (socket_stacked(first, last))
        return true;
    int error = errno;
    bool readable = first >= 4096 && last >= first && socket_reads(first) &&
                    (first / 4096 == last / 4096 || socket_reads(last));
    errno = error;
    return readable;
}

bool sp_socket_connected(int fd)
{
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    int error = errno;
    bool connected = getpeername(fd, (struct sockaddr *)(void *)&peer, &length) == 0;
    errno = error;
    return connected;
}

/* Handlers of crashes do not count: they seldom ask for a restart, and nobody sleeps through one.
 */
static bool socket_crashes(int number)
{
    return number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL ||
           number == SIGABRT || number == SIGTRAP || number == SIGSYS;
}

/* After these a program rarely goes on. */
static bool socket_ends(int number)
{
    return number == SIGHUP || number == SIGINT || number == SIGQUIT || number == SIGTERM;
}

enum { HANDLES = 1, RESTARTS = 2 };

static int socket_handler(int number)
{
    struct sigaction action;
    if (socket_crashes(number) || sigaction(number, NULL, &action) != 0 ||
        action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN)
        return 0;
    return HANDLES | (action.sa_flags & SA_RESTART ? RESTARTS : 0);
}

bool sp_socket_restarts(void)
{
    int error = errno;
    bool restarts = true;
    for (int number = 1; number < NSIG && restarts; number++)
        restarts = socket_handler(number) != HANDLES;
    errno = error;
    return restarts;
}

bool sp_socket_recurs(void)
{
    int error = errno;
    bool recurs = false;
    for (int number = 1; number < NSIG && !recurs; number++)
        recurs = !socket_ends(number) && (socket_handler(number) & RESTARTS);
    errno = error;
    return recurs;
}

bool sp_socket_sleep(uint64_t until)
{
    for (uint64_t now = sp_now(); now < until; now = sp_now()) {
        struct timespec rest = {(time_t)((until - now) / SP_SECOND),
                                (long)((until - now) % SP_SECOND)};
        if (REAL(ppoll)(NULL, 0, &rest, NULL) < 0 && errno == EINTR && !sp_socket_restarts()) {
            errno = EINTR;
            return false;
        }
    }
    return true;
}
