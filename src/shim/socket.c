/* socket.c - small questions to the kernel about a socket, and how errnos read as outcomes. */
#include "shim/shim.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "base/clock.h"

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

bool sp_socket_peer_is(int fd, uint64_t peer)
{
    struct sockaddr_in ip = {.sin_family = AF_UNSPEC};
    socklen_t length = sizeof ip;
    int error = errno;
    bool is =
        getpeername(fd, (struct sockaddr *)(void *)&ip, &length) == 0 && ip.sin_family == AF_INET &&
        sp_cookie_peer(0, ip.sin_port, ip.sin_addr.s_addr) == (peer & ~(UINT64_C(0x7fff) << 48));
    errno = error;
    return is;
}

/* Whoever stands there and is connected to that very peer is ours from now on. */
static __attribute__((noinline)) uint64_t socket_settle(int fd, struct sp_conn *conn, uint64_t peer)
{
    uint64_t cookie = sp_socket_cookie(fd);
    bool is = sp_socket_peer_is(fd, peer) && sp_socket_cookie(fd) == cookie;
    if (is && !atomic_compare_exchange_strong(&conn->cookie, &peer, cookie))
        return peer;
    return is ? cookie : 0;
}

bool sp_socket_is(int fd, struct sp_conn *conn)
{
    uint64_t known = atomic_load_explicit(&conn->cookie, memory_order_relaxed);
    if (known & SP_COOKIE_PEER)
        known = socket_settle(fd, conn, known);
    return known != 0 && sp_socket_cookie(fd) == known;
}

short sp_socket_now(int fd, short events)
{
    struct pollfd one = {.fd = fd, .events = events};
    int error = errno;
    REAL(poll)(&one, 1, 0);
    errno = error;
    return one.revents;
}

bool sp_socket_info(int fd, struct tcp_info *info)
{
    socklen_t length = sizeof *info;
    int error = errno;
    memset(info, 0, sizeof *info);
    bool known = REAL(getsockopt)(fd, IPPROTO_TCP, TCP_INFO, info, &length) == 0;
    errno = error;
    return known;
}

uint64_t sp_socket_timeout(int fd, int option)
{
    struct timeval time = {0, 0};
    socklen_t length = sizeof time;
    REAL(getsockopt)(fd, SOL_SOCKET, option, &time, &length);
    return (uint64_t)time.tv_sec * SP_SECOND + (uint64_t)time.tv_usec * 1000;
}

/* The kernel reads the set before it finds the first argument wrong: nothing is changed. */
static bool socket_reads(uintptr_t at)
{
    return REAL(syscall)(SYS_rt_sigprocmask, ~0L, at & ~(uintptr_t)7, NULL, 8L) == 0 ||
           errno != EFAULT;
}

bool sp_socket_asks(uintptr_t first, uintptr_t last)
{
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
