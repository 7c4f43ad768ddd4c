/* cut.c - ending a connection from our side so that every waiter wakes with an error.
 *
 * The word is taken first; then all is done on a duplicate, which pins the open file: it cannot
 * become a stranger's between the look at its cookie and the blow. */
#include "shim/shim.h"

#include <errno.h>

#include "base/clock.h"

/* An error for every waiter, never a false end of file: stdio and asyncio would take that for a
 * short but good answer. Unix sockets know shutdown() only. */
static void cut_socket(int fd, bool local)
{
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    if (local || REAL(connect)(fd, &none, sizeof none) != 0)
        REAL(shutdown)(fd, SHUT_RDWR);
}

static void cut_waiters(struct sp_conn *conn)
{
    int error = errno;
    int fd = REAL(fcntl)((int)atomic_load(&conn->fd), F_DUPFD_CLOEXEC, 3);
    if (fd >= 0) { /* without a free fd our own calls fail all the same */
        if (sp_socket_is(fd, conn))
            cut_socket(fd, sp_conn_flags(conn) & SP_CONN_UNIX);
        REAL(close)(fd);
    }
    errno = error;
}

static bool cut_ready(int fd, short events)
{
    struct pollfd one = {.fd = fd, .events = events};
    int error = errno;
    int ready = REAL(poll)(&one, 1, 0);
    errno = error;
    return ready > 0;
}

/* What has arrived is not lost, and what has failed by itself says so by itself: the program only
 * has to look. True: nothing is to be cut. */
static bool cut_visible(struct sp_conn *conn, uint64_t word, int fd, uint64_t now)
{
    uint64_t blocked = atomic_load(&conn->blocked);
    bool stuck = blocked && conn->send && now >= blocked + conn->send * SP_LIMIT_UNIT;
    enum sp_turn turn = sp_turn_of(word);
    if (!cut_ready(fd, stuck || turn == SP_TURN_CONNECTING ? POLLOUT : POLLIN))
        return false;
    if (stuck)
        sp_turn_pushed(conn, false);
    else if (turn == SP_TURN_CONNECTING && sp_socket_connected(fd))
        sp_turn_connected(conn, word, SP_OUTCOME_OK, now);
    else if (turn == SP_TURN_QUIET)
        sp_turn_heard(conn, word, true, now);
    else
        conn->limit = 0;
    return true;
}

/* `shearpin disable` is the panic switch: it ends deadlines that run already. */
static bool cut_disabled(const struct sp_conn *conn)
{
    const struct sp_dest *dest = sp_segment_dest(&sp_here.segment, conn->dest);
    return !sp_here_awake() || (dest && atomic_load(&dest->disabled));
}

static void cut_due(struct sp_conn *conn, uint64_t word)
{
    if (cut_disabled(conn)) {
        conn->limit = 0;
        sp_turn_pushed(conn, false);
        return;
    }
    int fd = (int)atomic_load(&conn->fd);
    uint64_t now = sp_now();
    if (!sp_socket_is(fd, conn)) {
        uint64_t entry = sp_conn_entry(fd);
        if (entry && sp_conn_at(entry) == conn)
            sp_cut_forget(fd, entry);
        return;
    }
    if (cut_visible(conn, word, fd, now))
        return;
    enum sp_outcome outcome = sp_turn_of(word) == SP_TURN_CONNECTING ? SP_OUTCOME_CONNECT_TIMEOUT
                                                                     : SP_OUTCOME_RESPONSE_TIMEOUT;
    if (sp_turn_cut_as(conn, word, outcome, ETIMEDOUT, now))
        cut_waiters(conn);
}

/* Held, so that no other thread can close it and make it another's under our hands. */
void sp_cut_expire(struct sp_conn *conn, uint64_t word)
{
    if (!sp_conn_hold(conn, conn->generation))
        return;
    if (atomic_load(&conn->word) == word)
        cut_due(conn, word);
    sp_fd_left(conn);
}

void sp_cut_refused(int fd, uint64_t entry, int error)
{
    struct sp_conn *conn = sp_conn_at(entry);
    if (!sp_conn_hold(conn, (uint32_t)(entry >> 32)))
        return;
    if (sp_socket_is(fd, conn) && sp_turn_cut_as(conn, 0, SP_OUTCOME_ABANDONED, error, 0))
        cut_waiters(conn);
    sp_fd_left(conn);
}

void sp_cut_forget(int fd, uint64_t entry)
{
    if (sp_conn_remove(fd, entry))
        sp_fd_left(sp_conn_at(entry));
}
