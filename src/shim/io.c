/* io.c - sending and receiving: the directions tell where an exchange begins and ends. */
#include "shim/await.h"
#include "shim/harm.h"
#include "shim/hold.h"
#include "shim/quick.h"

#include <errno.h>

#include "base/clock.h"

/* The shard is this process's own; adding to it disturbs nobody. */
static struct sp_shard *io_shard(const struct sp_io *io)
{
    struct sp_dest *dest = sp_segment_dest(&sp_here.segment, io->conn->dest);
    return dest ? sp_segment_shard(&sp_here.segment, dest) : NULL;
}

/* After a cut, no call enters the kernel: an artificial failure must not raise SIGPIPE. */
static bool io_open(struct sp_io *io, int fd, uint64_t entry, int flags)
{
    io->conn = sp_conn_at(entry);
    io->entry = entry;
    io->fd = fd;
    io->began = io->started = 0;
    io->brittle = false;
    io->word = atomic_load_explicit(&io->conn->word, memory_order_acquire);
    uint32_t kept = sp_conn_flags(io->conn);
    io->harmed = kept & SP_CONN_HARMED;
    /* The latter two never wait; but unix sockets know no error queue and take it for plain. */
    int at_once = MSG_DONTWAIT | MSG_OOB | (kept & SP_CONN_UNIX ? 0 : MSG_ERRQUEUE);
    io->blocking = !(kept & SP_CONN_NONBLOCK) && !(flags & at_once);
    if (SP_LIKELY(sp_turn_of(io->word) < SP_TURN_CUT))
        return !(io->blocking && sp_loose(SP_FAULT_ON_WAIT));
    if (!sp_socket_is(fd, io->conn)) {
        sp_cut_forget(fd, entry);
        return true;
    }
    errno = EAGAIN; /* as on a connect that is pending */
    if (sp_turn_of(io->word) == SP_TURN_RESTING)
        return false;
    sp_conn_mark(io->conn, SP_CONN_REPORTED, true);
    errno = sp_turn_error(io->word);
    return false;
}

/* An error told what became of a connect that was pending, or of what was outstanding. */
static void io_failed(struct sp_io *io, int error)
{
    enum sp_turn turn = sp_turn_of(io->word);
    if (error == EAGAIN || error == EINTR || error == ENOTCONN || error == EINPROGRESS ||
        error == EALREADY || error == EFAULT || error == EMSGSIZE || error == EINVAL)
        return;
    if (turn == SP_TURN_CONNECTING) {
        sp_connect_learnt(io->fd, io->entry, error);
    } else if (turn == SP_TURN_EXCHANGE) {
        enum sp_outcome outcome = sp_socket_outcome(error, false);
        if (outcome != SP_OUTCOME_COUNT)
            sp_turn_end(io->conn, io->word, outcome, sp_now());
    }
}

/* A cut by another thread woke us: the program is told why. */
static ssize_t io_cut_meanwhile(struct sp_io *io)
{
    uint64_t word = atomic_load(&io->conn->word);
    if (sp_turn_of(word) == SP_TURN_CUT && sp_conn_entry(io->fd) == io->entry)
        errno = sp_turn_error(word);
    return -1;
}

/* --- sending --- */

/* Sleeps until the guards say yes or no; SP_WAIT: a signal came that ends it with EINTR. */
static enum sp_verdict io_wait(struct sp_io *io, struct sp_wait *wait)
{
    enum sp_verdict verdict = SP_WAIT;
    struct sp_await sleep;
    sp_await_begin(&sleep, io->conn->dest, io->fd, wait);
    while (verdict == SP_WAIT && sp_await(&sleep, wait)) {
        if (sp_conn_entry(io->fd) == io->entry)
            verdict = sp_turn_ask(io->conn, sp_now(), wait, &io->began);
        else
            verdict = SP_PASS; /* closed by another thread: libc knows what to say */
    }
    sp_await_end(&sleep);
    if (wait->began)
        sp_turn_leave(io->conn, wait);
    return verdict;
}

/* A program may send as soon as the kernel takes bytes, without asking what became of the connect.
 * Where exchanges need a place, that must be known before. */
static void io_pending(struct sp_io *io)
{
    if (!(sp_conn_flags(io->conn) & SP_CONN_CAPPED) || !sp_socket_connected(io->fd))
        return;
    sp_connect_learnt(io->fd, io->entry, 0);
    io->word = atomic_load_explicit(&io->conn->word, memory_order_acquire);
}

/* What faults do to an exchange is decided with it: how late its answer is seen, for one. */
static void io_begun(struct sp_io *io)
{
    if (SP_UNLIKELY(io->began && io->conn->hold != 0))
        sp_hold_answer(io->conn, io->fd, sp_turn_since(io->began),
                       (uint64_t)io->conn->hold * SP_LIMIT_UNIT);
    io->harmed = sp_conn_flags(io->conn) & SP_CONN_HARMED;
    if (SP_UNLIKELY(io->harmed) && io->began)
        sp_harm_began(io);
}

/* False: refused, errno is set. */
bool sp_io_send(struct sp_io *io, int fd, uint64_t entry, int flags)
{
    if (!io_open(io, fd, entry, flags))
        return false;
    if (SP_UNLIKELY(sp_conn_flags(io->conn) & SP_CONN_INHERITED))
        sp_conn_adopt(io->conn);
    if (SP_UNLIKELY(sp_turn_of(io->word) == SP_TURN_CONNECTING))
        io_pending(io);
    if (SP_UNLIKELY(sp_conn_flags(io->conn) & SP_CONN_HELD) && !io->blocking && !sp_hold_send(io))
        return false;
    if (io->word != 0 && sp_turn_of(io->word) != SP_TURN_QUIET)
        return true;
    struct sp_wait wait;
    sp_wait_none(&wait);
    enum sp_verdict verdict =
        sp_turn_ask(io->conn, sp_now(), io->blocking ? &wait : NULL, &io->began);
    if (SP_UNLIKELY(verdict == SP_WAIT))
        verdict = io_wait(io, &wait);
    if (SP_UNLIKELY(verdict == SP_WAIT)) {
        errno = EINTR;
        return false;
    }
    if (SP_LIKELY(verdict == SP_PASS)) {
        if (io->began)
            io->word = io->began;
        if (SP_UNLIKELY(io->began && sp_conn_entry(fd) != entry)) { /* closed by another thread */
            sp_turn_unsend(io->conn, io->began);
            io->began = 0;
        }
        io_begun(io);
        return true;
    }
    if (!sp_socket_is(fd, io->conn)) { /* a stranger on our number is nobody's to refuse */
        sp_cut_forget(fd, entry);
        return true;
    }
    sp_cut_refused(fd, entry, ECONNRESET);
    errno = ECONNRESET;
    return false;
}

/* What a send on a pending connect says: it stands. The bytes begin its first exchange. */
static void io_sent_pending(struct sp_io *io)
{
    uint64_t now = sp_now();
    sp_connect_learnt(io->fd, io->entry, 0);
    sp_turn_ask(io->conn, now, NULL, &io->began);
    io_begun(io);
}

ssize_t sp_io_sent(struct sp_io *io, ssize_t result, size_t bytes)
{
    int error = errno;
    if (SP_LIKELY(result > 0)) {
        struct sp_shard *shard = io_shard(io);
        if (shard)
            sp_count(&shard->sent, bytes);
        if (sp_turn_of(io->word) == SP_TURN_CONNECTING)
            io_sent_pending(io);
        else if (io->conn->response && (!io->began || bytes >= SP_PUSH_LARGE))
            sp_turn_more(io->conn, io->word, sp_now());
        if (io->began)
            sp_tls_began(io);
        if (SP_UNLIKELY(io->harmed) && io->began)
            sp_harm_sent(io);
        if (SP_UNLIKELY(io->conn->send != 0))
            sp_turn_pushed(io->conn, true);
        errno = error;
        return result;
    }
    if (result < 0 && error == EAGAIN && io->conn->send)
        sp_turn_pushed(io->conn, false);
    if (result < 0)
        io_failed(io, error);
    if (io->began) {
        sp_turn_unsend(io->conn, io->began);
        sp_hold_free(io->conn);
    }
    errno = error;
    return result < 0 ? io_cut_meanwhile(io) : result;
}

ssize_t sp_io_sent_as(int fd, uint64_t entry, uint64_t word, ssize_t result)
{
    struct sp_io io = {
        .conn = sp_conn_at(entry), .entry = entry, .word = word, .began = word, .fd = fd};
    return sp_io_sent(&io, result, (size_t)result);
}

size_t sp_io_messages(const struct mmsghdr *messages, int count)
{
    size_t total = 0;
    for (int i = 0; i < count; i++)
        total += messages[i].msg_len;
    return total;
}

/* --- receiving --- */

/* Made non-blocking behind our back: the call itself knows what to say, an end of file, say. */
static bool io_unblocked(struct sp_io *io)
{
    if (sp_conn_flags(io->conn) & SP_CONN_NONBLOCK)
        io->blocking = false;
    return !io->blocking;
}

bool sp_io_receive(struct sp_io *io, int fd, uint64_t entry, int flags)
{
    if (!io_open(io, fd, entry, flags))
        return false;
    if (SP_UNLIKELY(sp_conn_flags(io->conn) & SP_CONN_HELD) && !sp_hold_receive(io, flags))
        return io_cut_meanwhile(io) == 0;
    if (!io->blocking)
        return true;
    bool timed = SP_UNLIKELY(io->harmed) && sp_harm_due(io->conn) != SP_NEVER;
    if (SP_UNLIKELY(io->conn->least != 0 || sp_here.deadline != SP_NEVER || timed)) {
        bool whole = (flags & MSG_WAITALL) || (sp_conn_flags(io->conn) & SP_CONN_UNTIMED) || timed;
        if (!whole)
            sp_alarm_set(io);
        else if (!sp_alarm_whole(io) && !io_unblocked(io))
            return io_cut_meanwhile(io) == 0;
    }
    return true;
}

bool sp_io_again(struct sp_io *io, ssize_t result)
{
    return result < 0 && io->started && (errno == EAGAIN || errno == EINTR) && sp_alarm_over(io);
}

/* A blocking receive that began with nothing outstanding may have slept while another thread sent:
 * then the bytes answer that. A non-blocking one that began before the word was set has only older
 * bytes. */
static void io_answered(struct sp_io *io, enum sp_outcome outcome)
{
    bool ok = outcome == SP_OUTCOME_OK;
    if ((io->word == 0 || sp_turn_of(io->word) == SP_TURN_QUIET) && io->blocking &&
        sp_conn_entry(io->fd) == io->entry)
        io->word = atomic_load_explicit(&io->conn->word, memory_order_acquire);
    if (sp_turn_of(io->word) == SP_TURN_CONNECTING && ok) {
        sp_connect_learnt(io->fd, io->entry, 0); /* the peer spoke first: that may be its turn */
        io->word = atomic_load_explicit(&io->conn->word, memory_order_acquire);
    }
    if (sp_turn_of(io->word) == SP_TURN_QUIET)
        sp_turn_heard(io->conn, io->word, ok, sp_now());
    else if (sp_turn_of(io->word) == SP_TURN_EXCHANGE && !(ok && sp_tls_keeps(io)))
        sp_turn_end(io->conn, io->word, outcome, sp_now());
}

void sp_io_heard(struct sp_io *io)
{
    io_answered(io, SP_OUTCOME_OK);
    io->word = atomic_load_explicit(&io->conn->word, memory_order_acquire);
}

ssize_t sp_io_received(struct sp_io *io, ssize_t result, int flags, size_t asked, size_t bytes)
{
    int error = errno;
    bool moves = !(flags & (MSG_PEEK | MSG_ERRQUEUE));
    if (SP_UNLIKELY(sp_conn_flags(io->conn) & SP_CONN_HELD) && io->blocking && result >= 0 &&
        moves && !sp_hold_received(io))
        return -1;
    if (SP_LIKELY(result > 0 && bytes > 0)) { /* recvmmsg() has a message of 0 bytes for the end */
        struct sp_shard *shard = io_shard(io);
        if (shard && moves)
            sp_count(&shard->received, bytes);
        if (moves)
            io_answered(io, SP_OUTCOME_OK);
    } else if (result >= 0 && asked > 0 && moves) {
        io_answered(io, SP_OUTCOME_EOF);
    } else if (result < 0) {
        io_failed(io, error);
        errno = error;
        return io_cut_meanwhile(io);
    }
    if (SP_UNLIKELY(io->harmed) && moves)
        sp_harm_look(io->conn, sp_now());
    errno = error;
    return result;
}

bool sp_io_more(struct sp_conn *conn, size_t got)
{
    uint64_t told;
    /* But another thread may have asked meanwhile. */
    if (!sp_quick_told_end(conn, &told) || atomic_load(&conn->word) != 0)
        return false;
    sp_count(&sp_quick_shard(sp_kept_of(told))->received, got);
    return true;
}

ssize_t sp_io_received_as(int fd, uint64_t entry, uint64_t word, int flags, ssize_t result)
{
    struct sp_conn *conn = sp_conn_at(entry);
    bool waits = !(sp_conn_flags(conn) & SP_CONN_NONBLOCK) && !(flags & MSG_DONTWAIT);
    struct sp_io io = {.conn = conn, .entry = entry, .word = word, .fd = fd, .blocking = waits};
    int error = errno;
    sp_process_foreign(); /* a child of fork makes itself at home: the turn was its parent's */
    errno = error;
    return sp_io_received(&io, result, flags, 1, (size_t)result);
}

bool sp_io_alarmed_as(int fd, uint64_t entry, uint64_t word, uint64_t started, ssize_t *result,
                      int error)
{
    struct sp_io io = {.conn = sp_conn_at(entry),
                       .entry = entry,
                       .word = word,
                       .started = started,
                       .tried = started,
                       .fd = fd,
                       .blocking = !(sp_conn_flags(sp_conn_at(entry)) & SP_CONN_NONBLOCK)};
    if (sp_io_again(&io, *result)) {
        errno = error;
        return true;
    }
    *result = sp_io_received(&io, *result, 0, 1, (size_t)*result);
    return false;
}
