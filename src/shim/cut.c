/* cut.c - ending a connection from our side so that every waiter wakes with an error.
 *
 * The word is taken first; then all is done on a duplicate, which pins the open file: it cannot
 * become a stranger's between the look at its cookie and the blow. */
#include "shim/harm.h"
#include "shim/hold.h"
#include "shim/pin.h"
#include "shim/redial.h"

#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>

#include "base/clock.h"

#define CUT_TAKEN 10 /* ms that a thread may need from a receive's end to its word */

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
    sp_hold_free(conn);
    int fd = sp_pin(conn, (int)atomic_load(&conn->fd));
    if (fd >= 0) { /* without a free fd our own calls fail all the same */
        cut_socket(fd, sp_conn_flags(conn) & SP_CONN_UNIX);
        sp_unpin(conn, fd);
    }
    errno = error;
}

/* Has the peer taken nothing for `deadline send`? There is no room, and at half of the time as many
 * bytes were queued as now. */
static bool cut_stuck(struct sp_conn *conn, int fd, uint64_t now)
{
    uint64_t half = conn->send * SP_LIMIT_UNIT / 2;
    uint32_t before = atomic_load(&conn->queued);
    int left = 0, error = errno;
    if (now < sp_due_send(conn))
        return false;
    if (sp_socket_ready(fd, POLLOUT) || REAL(ioctl)(fd, SIOCOUTQ, &left) != 0) {
        atomic_store(&conn->blocked, 0);
        errno = error;
        return false;
    }
    if (before && (uint32_t)left + 1 >= before)
        return true;
    if (before || now >= atomic_load(&conn->blocked) + 2 * half) /* it takes, or we look late */
        atomic_store(&conn->blocked, now - half);
    atomic_store(&conn->queued, (uint32_t)left + 1);
    return false;
}

/* Bytes came a moment ago and are in no queue: another thread has them, and will say so. */
static bool cut_taken(int fd)
{
    struct tcp_info info;
    return sp_socket_info(fd, &info) && info.tcpi_last_data_recv < CUT_TAKEN;
}

/* What has arrived is not lost, and what has failed by itself says so by itself: the program only
 * has to look. True: nothing is to be cut. What is seen need not be the answer, so a turn that goes
 * on is looked at again. */
static bool cut_visible(struct sp_conn *conn, uint64_t word, int fd, uint64_t now)
{
    enum sp_turn turn = sp_turn_of(word);
    if (sp_hold_hides(conn) & (turn == SP_TURN_CONNECTING ? SP_HOLD_OUT : SP_HOLD_IN))
        return false;
    bool visible = sp_socket_ready(fd, turn == SP_TURN_CONNECTING ? POLLOUT : POLLIN);
    bool taken = !visible && turn == SP_TURN_EXCHANGE && cut_taken(fd);
    if (taken)
        sp_turn_later(conn, word, now, CUT_TAKEN * SP_MS);
    else if (visible && turn == SP_TURN_CONNECTING && sp_socket_connected(fd)) {
        sp_pending_learnt(conn, 0);
        sp_turn_connected(conn, word, SP_OUTCOME_OK, now);
    } else if (visible && turn == SP_TURN_QUIET)
        sp_turn_heard(conn, word, true, now);
    else if (visible)
        sp_turn_later(conn, word, now, conn->least * SP_LIMIT_UNIT);
    return visible || taken;
}

/* Of what is due, is anything so late that there is nothing left but to end it? */
static bool cut_needed(struct sp_conn *conn, uint64_t word, int fd, uint64_t now)
{
    if (cut_stuck(conn, fd, now))
        return true;
    bool due = now >= sp_due_turn(conn, word) || now >= sp_here.deadline;
    return due && !cut_visible(conn, word, fd, now);
}

/* `shearpin disable` is the panic switch: it ends deadlines that run already. */
static bool cut_disabled(const struct sp_conn *conn)
{
    const struct sp_dest *dest = sp_segment_dest(&sp_here.segment, conn->dest);
    return !sp_here_awake() || (dest && sp_dest_disabled(dest));
}

static void cut_due(struct sp_conn *conn, uint64_t word)
{
    if (sp_turn_of(word) == SP_TURN_RESTING) {
        if (sp_now() >= sp_due_turn(conn, word) || sp_now() >= sp_here.deadline)
            sp_pending_due(conn, word);
        return;
    }
    if (cut_disabled(conn)) {
        atomic_store_explicit(&conn->limit, 0, memory_order_relaxed);
        sp_conn_mark(conn, SP_CONN_LIMITED, true);
        sp_turn_pushed(conn, false);
        return;
    }
    int fd = (int)atomic_load(&conn->fd);
    uint64_t now = sp_now();
    if (sp_socket_dialling(conn, word)) {
        sp_turn_later(conn, word, now, 0); /* which is bounded there */
        return;
    }
    if (!sp_socket_is(fd, conn)) {
        uint64_t entry = sp_conn_entry(fd);
        if (entry && sp_conn_at(entry) == conn)
            sp_cut_forget(fd, entry);
        return;
    }
    if (!cut_needed(conn, word, fd, now) || sp_pending_late(conn, word, fd))
        return;
    enum sp_outcome outcome = sp_turn_of(word) == SP_TURN_CONNECTING ? SP_OUTCOME_CONNECT_TIMEOUT
                                                                     : SP_OUTCOME_RESPONSE_TIMEOUT;
    if (sp_turn_cut_as(conn, word, outcome, ETIMEDOUT, now))
        cut_waiters(conn);
}

/* Held, so that no other thread can close it and make it another's under our hands. */
void sp_cut_expire(struct sp_conn *conn, uint64_t word)
{
    if (!sp_conn_hold(conn, sp_conn_generation(conn)))
        return;
    uint64_t now = sp_now();
    if (now >= sp_held_due(conn))
        sp_hold_due(conn, now);
    if (now >= sp_harm_due(conn) && !(sp_conn_flags(conn) & SP_CONN_INHERITED))
        sp_harm_look(conn, now);
    if (atomic_load(&conn->word) == word && !(sp_conn_flags(conn) & SP_CONN_INHERITED) &&
        now >= sp_due_of(conn, word))
        cut_due(conn, word);
    sp_fd_left(conn);
}

bool sp_cut_as(struct sp_conn *conn, uint64_t word, enum sp_outcome outcome, int error)
{
    if (!sp_turn_cut_as(conn, word, outcome, error, sp_now()))
        return false;
    cut_waiters(conn);
    return true;
}

void sp_cut_refused(int fd, uint64_t entry, int error)
{
    struct sp_conn *conn = sp_conn_at(entry);
    if (!sp_conn_hold(conn, (uint32_t)(entry >> 32)))
        return;
    if (sp_socket_is(fd, conn) && sp_turn_cut_as(conn, 0, SP_OUTCOME_REJECTED_BREAKER, error, 0))
        cut_waiters(conn);
    sp_fd_left(conn);
}

void sp_cut_forget(int fd, uint64_t entry)
{
    if (sp_conn_remove(fd, entry))
        sp_fd_left(sp_conn_at(entry));
}
