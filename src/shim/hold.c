/* hold.c - what an injected fault keeps from the program. On TCP the kernel itself says that there
 * is no input: SO_RCVLOWAT is raised beyond what can come, and put back when it is due, which wakes
 * edge-triggered waiters too. What shows through that, and what it cannot hide, hide.c takes out of
 * the waits. */
#include "shim/hold.h"
#include "shim/await.h"
#include "shim/mute.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/time.h>

#include "base/clock.h"

#define HOLD_BEYOND (1 << 30)
#define HOLD_FIRST  (SP_MS / 2) /* the first look whether it has come */
/* The kernel says in ticks when bytes came: of less than that they tell nothing. */
#define HOLD_TICKS (16 * SP_MS)

#define HOLD_LOOKS (20 * SP_MS) /* how often a wait of a process with threads looks */

sp_half sp_hold_ready;
static sp_half hold_left;                  /* something could not be held by the kernel */
static sp_word hold_waited;                /* when a wait of ours last looked */
static _Thread_local bool hold_waits_here; /* this thread has waited so */

static void hold_lock(struct sp_held *h)
{
    for (int i = 0; i < 1000 && atomic_exchange(&h->busy, 1); i++)
        sched_yield();
}

static void hold_unlock(struct sp_held *h)
{
    atomic_store(&h->busy, 0);
}

static bool hold_ready(int fd, short events)
{
    struct pollfd one = {.fd = fd, .events = events};
    int error = errno;
    int ready = REAL(poll)(&one, 1, 0);
    errno = error;
    return ready > 0;
}

/* Is there a thread that comes by when it is due? */
static bool hold_watched(void)
{
    return hold_waits_here || sp_now() < atomic_load(&hold_waited) + HOLD_LOOKS + HOLD_LOOKS / 4;
}

/* --- SO_RCVLOWAT --- */

static void hold_least(int fd, int least)
{
    int error = errno;
    REAL(setsockopt)(fd, SOL_SOCKET, SO_RCVLOWAT, &least, sizeof least);
    errno = error;
}

static void hold_raise(const struct sp_conn *conn, struct sp_held *h, int fd)
{
    const uint32_t not = SP_CONN_UNIX | SP_CONN_STDIO;
    int least = 1, error = errno;
    socklen_t length = sizeof least;
    if (atomic_load(&h->raised) || (sp_conn_flags(conn) & not ) ||
        !(sp_conn_flags(conn) & SP_CONN_NONBLOCK))
        return;
    if (!hold_watched()) {
        atomic_store(&hold_left, 1);
        return;
    }
    if (REAL(getsockopt)(fd, SOL_SOCKET, SO_RCVLOWAT, &least, &length) == 0) {
        atomic_store(&h->own, (uint32_t)least);
        atomic_store(&h->raised, 1);
        hold_least(fd, HOLD_BEYOND);
    }
    errno = error;
}

static void hold_lower(struct sp_held *h, int fd)
{
    if (atomic_exchange(&h->raised, 0))
        hold_least(fd, (int)atomic_load(&h->own));
}

/* --- what is held --- */

/* `until` stands before the flag: whoever sees the flag may ask. */
static void hold_stand(struct sp_conn *conn, sp_word *word, uint64_t until, uint64_t limit)
{
    atomic_store(word, until);
    sp_held_mark(conn);
    if (until != SP_NEVER)
        sp_due_arm(until, limit);
    else
        sp_due_arm(SP_DUE_WATCH, SP_NEVER); /* it never comes, but waits must look */
}

static void hold_after(struct sp_conn *conn, int fd, uint64_t since, uint64_t after)
{
    struct sp_held *h = after ? sp_held_make(conn) : NULL;
    if (!h)
        return;
    sp_hold_prepare();
    hold_lock(h);
    h->since = h->looked = since;
    h->after = after;
    atomic_store(&h->came, 0);
    atomic_store(&h->hung, 0);
    if (fd >= 0)
        hold_raise(conn, h, fd);
    uint64_t look = atomic_load(&h->raised) && after > HOLD_FIRST ? HOLD_FIRST : after;
    hold_stand(conn, &h->in, since + look, after);
    hold_unlock(h);
}

void sp_hold_answer(struct sp_conn *conn, int fd, uint64_t since, uint64_t after)
{
    hold_after(conn, fd, since, after);
}

void sp_hold_connect(struct sp_conn *conn, uint64_t since, uint64_t after)
{
    hold_after(conn, -1, since, after);
}

void sp_hold_input(struct sp_conn *conn, int fd, uint64_t until)
{
    struct sp_held *h = sp_held_make(conn);
    uint64_t now = sp_now();
    if (!h || until <= now)
        return;
    sp_hold_prepare();
    hold_lock(h);
    h->after = 0;
    hold_raise(conn, h, fd);
    hold_stand(conn, &h->in, until, until - now);
    hold_unlock(h);
}

void sp_hold_output(struct sp_conn *conn, uint64_t until)
{
    struct sp_held *h = sp_held_make(conn);
    uint64_t now = sp_now();
    if (!h || until <= now)
        return;
    sp_hold_prepare();
    hold_lock(h);
    hold_stand(conn, &h->out, until, until - now);
    hold_unlock(h);
}

static void hold_again(struct sp_conn *conn)
{
    struct sp_held *h = sp_held_of(conn);
    hold_lock(h);
    if (atomic_load(&h->in) != 0)
        hold_raise(conn, h, (int)atomic_load(&conn->fd));
    hold_unlock(h);
}

/* What was held before anybody waited is held by the kernel from now on. */
static void hold_all(void)
{
    uint32_t high = atomic_load(&sp_here.conn_high);
    for (uint32_t i = 0; i < high; i++) {
        struct sp_conn *conn = &sp_here.conns[i];
        if (!(sp_conn_flags(conn) & SP_CONN_HELD) || !sp_conn_hold(conn, sp_conn_generation(conn)))
            continue;
        hold_again(conn);
        sp_fd_left(conn);
    }
}

void sp_hold_waits(uint64_t now)
{
    hold_waits_here = true;
    atomic_store_explicit(&hold_waited, now, memory_order_relaxed);
    if (atomic_load_explicit(&hold_left, memory_order_relaxed) && atomic_exchange(&hold_left, 0))
        hold_all();
}

void sp_hold_prepare(void)
{
    atomic_store(&sp_hold_ready, 1);
    sp_due_arm(SP_DUE_WATCH, HOLD_LOOKS);
}

/* First it may be received, then who waits is told. */
static void hold_show(struct sp_conn *conn, struct sp_held *h, unsigned what)
{
    int fd = (int)atomic_load(&conn->fd);
    hold_lock(h);
    if (what & SP_HOLD_IN)
        atomic_store(&h->in, 0);
    if (what & SP_HOLD_OUT)
        atomic_store(&h->out, 0);
    if ((what & SP_HOLD_IN) && atomic_load(&h->raised) && sp_socket_is(fd, conn))
        hold_lower(h, fd);
    bool over = atomic_load(&h->in) == 0 && atomic_load(&h->out) == 0;
    if (over)
        sp_held_clear(conn);
    hold_unlock(h);
    if (h->mute.epoll) /* what is still held is muted anew by the next wait */
        sp_mute_lift(&h->mute, conn);
}

void sp_hold_free(struct sp_conn *conn)
{
    if (sp_conn_flags(conn) & SP_CONN_HELD)
        hold_show(conn, sp_held_of(conn), SP_HOLD_IN | SP_HOLD_OUT);
}

void sp_hold_close(struct sp_conn *conn, int fd)
{
    struct sp_held *h = sp_held_of(conn);
    atomic_store(&h->in, 0);
    hold_lower(h, fd);
    sp_held_clear(conn);
}

#define HOLD_INHERITED 256       /* numbers of fds that are asked */
#define HOLD_NOBODYS   (1 << 20) /* no program waits for so many bytes: this is ours */

/* Only where faults came with the command: no other start is to pay for it. Another process that
 * has the socket too hides what then shows. */
void sp_hold_inherited(void)
{
    for (int fd = 3; fd < HOLD_INHERITED && sp_here.fault_count != 0; fd++) {
        int least = 0;
        socklen_t length = sizeof least;
        if (REAL(getsockopt)(fd, SOL_SOCKET, SO_RCVLOWAT, &least, &length) == 0 &&
            least >= HOLD_NOBODYS)
            hold_least(fd, 1);
    }
}

/* Does the turn for whose answer it was held still stand? */
static bool hold_stands(const struct sp_held *h, enum sp_turn turn)
{
    return h->after == 0 || turn == SP_TURN_EXCHANGE || turn == SP_TURN_CONNECTING;
}

unsigned sp_hold_hides_now(const struct sp_conn *conn)
{
    const struct sp_held *h = sp_held_of(conn);
    enum sp_turn turn = sp_turn_of(atomic_load(&conn->word));
    uint64_t now = sp_now(), in = atomic_load(&h->in);
    unsigned hides = now < atomic_load(&h->out) ? SP_HOLD_OUT : 0;
    bool due = h->after == 0 || atomic_load(&h->came) != 0;
    if (turn == SP_TURN_CUT)
        return 0;
    if (in == 0 || !hold_stands(h, turn) || (due && now >= in))
        return hides;
    return hides | SP_HOLD_IN | (h->after && turn == SP_TURN_CONNECTING ? SP_HOLD_OUT : 0);
}

/* --- when it is due --- */

void sp_hold_came(struct sp_conn *conn)
{
    struct sp_held *h = sp_held_of(conn);
    uint64_t none = 0, now = sp_now();
    if (h->after == 0 || atomic_load(&h->raised) ||
        !atomic_compare_exchange_strong(&h->came, &none, now))
        return;
    atomic_store(&h->in, now + h->after);
    sp_due_arm(now + h->after, h->after);
}

/* How long ago bytes last came, in ms as the kernel counts them. */
static uint64_t hold_ago(int fd)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    int error = errno;
    if (REAL(getsockopt)(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0)
        info.tcpi_last_data_recv = UINT32_MAX;
    errno = error;
    return info.tcpi_last_data_recv * SP_MS;
}

static bool hold_there(const struct sp_conn *conn, int fd)
{
    int bytes = 0, error = errno;
    if (sp_turn_of(atomic_load(&conn->word)) == SP_TURN_CONNECTING)
        return hold_ready(fd, POLLOUT);
    REAL(ioctl)(fd, SIOCINQ, &bytes);
    errno = error;
    return bytes > 0 || hold_ready(fd, POLLIN | POLLRDHUP);
}

/* Bytes that the kernel hides are looked for at times that lie further and further apart, so that
 * it is known well enough when they came: to a third, and from 16 ms on as the kernel counts. */
static uint64_t hold_look(const struct sp_held *h, uint64_t now)
{
    uint64_t gone = now - h->since, step = gone < HOLD_TICKS ? gone / 2 : gone;
    step = step < HOLD_FIRST / 2 ? HOLD_FIRST / 2 : step;
    return now + (step < h->after && atomic_load(&h->raised) ? step : h->after);
}

/* The look was to be at `in`; on a busy machine it is late, and what came need not be. */
static uint64_t hold_when(const struct sp_held *h, int fd, uint64_t now)
{
    uint64_t ago = now - h->looked >= HOLD_TICKS ? hold_ago(fd) : (now - atomic_load(&h->in)) / 2;
    return now > h->looked + ago ? now - ago : h->looked;
}

/* It is time to look. True: it is not to be seen yet, `in` says when next. */
static bool hold_later(const struct sp_conn *conn, struct sp_held *h, int fd, uint64_t now)
{
    bool there = hold_there(conn, fd);
    if (there && !atomic_load(&h->raised))
        return false;
    uint64_t came = there ? hold_when(h, fd, now) : 0;
    uint64_t next = there ? came + h->after : hold_look(h, now);
    if (next <= now)
        return false;
    h->looked = now;
    atomic_store(&h->came, came);
    atomic_store(&h->in, next);
    sp_due_arm(next, h->after);
    return true;
}

void sp_hold_due(struct sp_conn *conn, uint64_t now)
{
    struct sp_held *h = sp_held_of(conn);
    uint64_t in = atomic_load(&h->in), out = atomic_load(&h->out);
    int fd = (int)atomic_load(&conn->fd);
    bool shown = in != 0 && now >= in;
    if (shown && h->after && !atomic_load(&h->came) && sp_socket_is(fd, conn) &&
        hold_stands(h, sp_turn_of(atomic_load(&conn->word))) && hold_later(conn, h, fd, now))
        shown = false;
    unsigned what = (shown ? SP_HOLD_IN : 0) | (out != 0 && now >= out ? SP_HOLD_OUT : 0);
    if (what)
        hold_show(conn, h, what);
}

/* --- calls --- */

/* The program's own SO_RCVTIMEO; SP_NEVER: it has none. */
static uint64_t hold_own(const struct sp_io *io)
{
    struct timeval own = {0, 0};
    socklen_t length = sizeof own;
    sp_alarm_lift(io->fd, io->conn);
    REAL(getsockopt)(io->fd, SOL_SOCKET, SO_RCVTIMEO, &own, &length);
    uint64_t limit = (uint64_t)own.tv_sec * SP_SECOND + (uint64_t)own.tv_usec * 1000;
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

/* It was there already when the program asked: then it came earlier than it was seen. */
static void hold_correct(int fd, struct sp_held *h)
{
    uint64_t ago = hold_ago(fd), came = atomic_load(&h->came);
    if (ago >= HOLD_TICKS)
        atomic_store(&h->in, (came > h->since + ago ? came - ago : h->since) + h->after);
}

/* The latency of a blocking receive: first its answer comes, then it waits. */
static bool hold_wait(struct sp_io *io)
{
    struct sp_held *h = sp_held_of(io->conn);
    uint64_t own = hold_own(io);
    if (h->after && atomic_load(&h->came) == 0) {
        bool there = hold_ready(io->fd, POLLIN);
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
    if (!atomic_load(&h->raised) && !hold_watched()) {
        if (hold_ready(io->fd, POLLIN))
            hold_show(conn, h, SP_HOLD_IN);
        return true;
    }
    if (hold_ready(io->fd, POLLIN))
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
    if (!atomic_load(&h->raised) && !hold_watched()) {
        hold_show(conn, h, SP_HOLD_IN | SP_HOLD_OUT);
        return true;
    }
    errno = EAGAIN;
    return false;
}

/* --- the program's own view --- */

void sp_hold_lowat(struct sp_conn *conn, int fd, int least)
{
    struct sp_held *h = sp_held_of(conn);
    if (!(sp_conn_flags(conn) & SP_CONN_HELD) || !atomic_load(&h->raised))
        return;
    atomic_store(&h->own, (uint32_t)least);
    hold_least(fd, HOLD_BEYOND);
}

void sp_hold_least(const struct sp_conn *conn, int *least)
{
    if ((sp_conn_flags(conn) & SP_CONN_HELD) && atomic_load(&sp_held_of(conn)->raised))
        *least = (int)atomic_load(&sp_held_of(conn)->own);
}

void sp_hold_mode(struct sp_conn *conn, int fd, bool nonblocking)
{
    if (!nonblocking && (sp_conn_flags(conn) & SP_CONN_HELD))
        hold_lower(sp_held_of(conn), fd);
}
