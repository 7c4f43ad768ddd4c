/* hold_calls.c - the program's own receives and sends on a connection of which something is held:
 * those that block wait for it, others find nothing yet. */
#include "shim/await.h"
#include "shim/hold.h"
#include "shim/lowat.h"

#include <errno.h>

#include "base/clock.h"

/* The program's own SO_RCVTIMEO; SP_NEVER: it has none. */
static uint64_t hold_own(const struct sp_io *io)
{
    sp_alarm_lift(io->fd, io->conn);
    uint64_t limit = sp_socket_timeout(io->fd, SO_RCVTIMEO);
    return limit ? sp_now() + limit : SP_NEVER;
}

/* Sleeps until it may be seen; slices, for another thread may cut it or close it. */
static bool hold_sleep(struct sp_io *io, const struct sp_held *h, uint64_t own)
{
    for (uint64_t now = sp_now(); sp_conn_entry(io->fd) == io->entry; now = sp_now()) {
        uint64_t word = atomic_load(&io->conn->word), in = atomic_load(&h->in);
        uint64_t due = sp_due_of(io->conn, word), until = in < due ? in : due;
        if (sp_turn_of(word) == SP_TURN_CUT) {
            errno = sp_turn_error(word);
            return false;
        }
        if (in <= now) /* 0 as well: another thread has shown it */
            return true;
        if (due <= now &&
            sp_turn_cut_as(io->conn, word, SP_OUTCOME_RESPONSE_TIMEOUT, ETIMEDOUT, due)) {
            errno = ETIMEDOUT;
            return false;
        }
        errno = EAGAIN;
        if (own <= now)
            return false;
        until = until < own ? until : own;
        uint64_t slice = now + 100 * SP_MS;
        if (!sp_await_pause(SP_ASLEEP_INJECTED, io->conn->dest, io->fd,
                            until < slice ? until : slice))
            return false;
    }
    return true;
}

/* The latency of a blocking receive: first its answer comes, then it waits. */
static bool hold_wait(struct sp_io *io)
{
    struct sp_held *h = sp_held_of(io->conn);
    uint64_t own = hold_own(io);
    if (h->after && atomic_load(&h->came) == 0) {
        bool there = sp_socket_ready(io->fd, POLLIN);
        if (!there && !sp_alarm_whole(io))
            return false;
        sp_hold_came(io->conn);
        if (there && !(sp_conn_flags(io->conn) & SP_CONN_UNIX))
            hold_correct(io->fd, h);
    }
    if (!hold_sleep(io, h, own))
        return false;
    hold_show(io->conn, h, SP_HOLD_IN);
    return true;
}

bool sp_hold_receive(struct sp_io *io, int flags)
{
    struct sp_conn *conn = io->conn;
    struct sp_held *h = sp_held_of(conn);
    uint64_t now = sp_now();
    if (now >= sp_held_due(conn))
        sp_hold_due(conn, now);
    if ((flags & (MSG_ERRQUEUE | MSG_OOB)) || !(sp_hold_hides(conn) & SP_HOLD_IN))
        return true;
    if (io->blocking)
        return sp_turn_of(io->word) == SP_TURN_CONNECTING || hold_wait(io);
    if (!atomic_load(&h->raised) && !sp_lowat_watched()) {
        if (sp_socket_ready(io->fd, POLLIN))
            hold_show(conn, h, SP_HOLD_IN);
        return true;
    }
    if (sp_socket_ready(io->fd, POLLIN))
        sp_hold_came(conn);
    errno = EAGAIN;
    return false;
}

bool sp_hold_received(struct sp_io *io)
{
    struct sp_held *h = sp_held_of(io->conn);
    if (sp_conn_entry(io->fd) != io->entry || !(sp_hold_hides(io->conn) & SP_HOLD_IN) || !h->after)
        return true;
    sp_hold_came(io->conn);
    if (!hold_sleep(io, h, SP_NEVER) && sp_turn_of(atomic_load(&io->conn->word)) == SP_TURN_CUT)
        return false;
    hold_show(io->conn, h, SP_HOLD_IN);
    return true;
}

bool sp_hold_send(const struct sp_io *io)
{
    struct sp_conn *conn = io->conn;
    struct sp_held *h = sp_held_of(conn);
    uint64_t now = sp_now();
    if (now >= sp_held_due(conn))
        sp_hold_due(conn, now);
    if (!(sp_hold_hides(conn) & SP_HOLD_OUT))
        return true;
    if (!atomic_load(&h->raised) && !sp_lowat_watched()) {
        hold_show(conn, h, SP_HOLD_IN | SP_HOLD_OUT);
        return true;
    }
    errno = EAGAIN;
    return false;
}
