/* harm.c - injected silence and injected ends of connections.
 *
 * What is to hear nothing gets a socket filter that takes no packet: to the program, to every kind
 * of wait and to the kernel's own timers it is a peer, or a wire, that is gone. Nobody acknowledges
 * what the peer sends, so nothing is lost should the filter go. Unix sockets know no filters: what
 * is sent on one that hangs is swallowed. */
#include "shim/harm.h"
#include "shim/await.h"
#include "shim/pin.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>

#include "base/clock.h"

static sp_half harm_deaf; /* this process has made a socket deaf */

static bool harm_deafen(int fd)
{
    struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog program = {1, &nothing};
    int error = errno;
    atomic_store(&harm_deaf, 1);
    bool deaf = REAL(setsockopt)(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0;
    errno = error;
    return deaf;
}

void sp_harm_afresh(int fd)
{
    int error = errno, none = 0;
    if (atomic_load_explicit(&harm_deaf, memory_order_relaxed))
        REAL(setsockopt)(fd, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof none);
    errno = error;
}

/* --- connects --- */

/* On this very machine: whoever listens there, if anybody does, never gets to accept. */
#define NOWHERE_PORT __builtin_bswap16(9)
static const struct sockaddr_in nowhere_four = {
    .sin_family = AF_INET,
    .sin_port = NOWHERE_PORT,
    .sin_addr.s_addr = 0x7f7f7f7f,
};
static const struct sockaddr_in6 nowhere_six = {
    .sin6_family = AF_INET6,
    .sin6_port = NOWHERE_PORT,
    .sin6_addr = IN6ADDR_LOOPBACK_INIT,
};
static const struct sockaddr_in6 nowhere_mapped = {
    .sin6_family = AF_INET6,
    .sin6_port = NOWHERE_PORT,
    .sin6_addr.s6_addr = {[10] = 0xff, 0xff, 127, 127, 127, 127},
};

const struct sockaddr *sp_harm_nowhere(int fd, const struct sockaddr *to, socklen_t *length)
{
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)to;
    if (to->sa_family == AF_UNIX || !harm_deafen(fd))
        return to;
    if (to->sa_family == AF_INET) {
        *length = sizeof nowhere_four;
        return (const struct sockaddr *)(const void *)&nowhere_four;
    }
    *length = sizeof nowhere_six;
    six = IN6_IS_ADDR_V4MAPPED(&six->sin6_addr) ? &nowhere_mapped : &nowhere_six;
    return (const struct sockaddr *)(const void *)six;
}

int sp_harm_wait(const struct attempt *a)
{
    struct timeval own;
    uint64_t limit = sp_connect_limit(a->fd, &own), until = a->due < limit ? a->due : limit;
    while (sp_now() < until && sp_conn_entry(a->fd) == a->entry) {
        uint64_t slice = sp_now() + 100 * SP_MS;
        if (!sp_await_pause(SP_ASLEEP_INJECTED, a->conn->dest, a->fd,
                            slice < until ? slice : until))
            return -1;
    }
    errno = a->due <= limit ? ETIMEDOUT : EAGAIN;
    return -1;
}

/* --- ends --- */

/* Readable, with nothing to read: what comes all the same is not shown. */
static void harm_eof(struct sp_conn *conn)
{
    int fd = sp_pin(conn, (int)atomic_load(&conn->fd));
    atomic_store(&sp_harm_of(conn)->over, 1);
    if (fd < 0)
        return;
    REAL(shutdown)(fd, SHUT_RD);
    sp_unpin(conn, fd);
}

static void harm_reset(struct sp_conn *conn)
{
    for (int i = 0; i < 100; i++) {
        uint64_t word = atomic_load(&conn->word);
        enum sp_turn turn = sp_turn_of(word);
        if (turn == SP_TURN_CUT || turn == SP_TURN_RESTING ||
            (turn != SP_TURN_STARTING && sp_cut_as(conn, word, SP_OUTCOME_RESET, ECONNRESET)))
            return;
    }
}

static void harm_end(struct sp_conn *conn, bool once, uint64_t now)
{
    int error = errno;
    enum sp_fault_end how = sp_harm_ends(sp_harm_of(conn), once, now);
    if (how && sp_here_awake() && sp_conn_hold(conn, sp_conn_generation(conn))) {
        if (how == SP_FAULT_END_RESET)
            harm_reset(conn);
        else
            harm_eof(conn);
        sp_fd_left(conn);
    }
    errno = error;
}

void sp_harm_look(struct sp_conn *conn, uint64_t now)
{
    harm_end(conn, false, now);
}

void sp_harm_stands(struct sp_conn *conn, int fd)
{
    uint64_t now = sp_now();
    if (atomic_load(&sp_harm_of(conn)->silent[SP_HARM_CONNECTION]))
        harm_deafen(fd);
    sp_harm_connected(conn, now);
    harm_end(conn, true, now);
}

void sp_harm_began(const struct sp_io *io)
{
    if (atomic_load(&sp_harm_of(io->conn)->silent[SP_HARM_EXCHANGE]))
        harm_deafen(io->fd);
}

void sp_harm_sent(const struct sp_io *io)
{
    harm_end(io->conn, true, sp_now());
}

/* The kernel ends the connection with the peer, if it may hear it. */
void sp_harm_close(struct sp_conn *conn, int fd)
{
    if (sp_socket_is(fd, conn))
        sp_harm_afresh(fd);
}
