/* connect.c - admission, the connect itself within its deadline, and what came of it. */
#include "shim/await.h"
#include "shim/divert.h"
#include "shim/io.h"

#include <errno.h>
#include <string.h>
#include <sys/time.h>
#include <sys/un.h>

#include "base/addr.h"
#include "base/clock.h"

/* One connect() on its way through. */
struct attempt {
    int fd;
    const struct sockaddr *address;
    socklen_t length;
    struct sp_conn *conn;
    uint64_t entry; /* of the fd */
    uint64_t word;  /* the turn */
    uint64_t due;   /* SP_NEVER: no deadline */
    uint32_t drawn; /* of `enforce N%`: sp_conn.drawn */
    uint64_t delay; /* injected: the result is not to be seen earlier */
    bool local;     /* a unix socket */
};

/* --- outcomes --- */

/* Nothing is connected any more: the next connect() on the socket is a new attempt. */
static void connect_forget(int fd, uint64_t entry)
{
    sp_alarm_lift(fd, sp_conn_at(entry));
    sp_cut_forget(fd, entry);
}

void sp_connect_learnt(int fd, uint64_t entry, int error)
{
    struct sp_conn *conn = sp_conn_at(entry);
    enum sp_outcome outcome = error ? sp_socket_outcome(error, true) : SP_OUTCOME_OK;
    if (!sp_conn_hold(conn, (uint32_t)(entry >> 32)))
        return;
    uint64_t word = atomic_load(&conn->word);
    if (sp_turn_of(word) == SP_TURN_CONNECTING) {
        sp_turn_connected(conn, word, outcome == SP_OUTCOME_COUNT ? SP_OUTCOME_ABANDONED : outcome,
                          sp_now());
        if (error)
            connect_forget(fd, entry);
    }
    sp_fd_left(conn);
}

/* --- a blocking connect --- */

/* False: another thread has closed the fd, or found the connect due and cut it. To connect once
 * more would then be a new attempt, or a stranger's. */
static bool connect_stands(const struct attempt *a)
{
    if (sp_conn_entry(a->fd) == a->entry)
        return sp_turn_of(atomic_load(&a->conn->word)) != SP_TURN_CUT;
    errno = EBADF;
    return false;
}

static void connect_timer(int fd, uint64_t ns)
{
    struct timeval time = {(time_t)(ns / SP_SECOND), (suseconds_t)(ns % SP_SECOND / 1000)};
    if (time.tv_sec == 0 && time.tv_usec < 1000)
        time.tv_usec = 1000; /* 0 would mean for ever */
    REAL(setsockopt)(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
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

/* `own` is when the program's own SO_SNDTIMEO ends it, with its own errno. */
static int connect_until(const struct attempt *a, uint64_t own)
{
    uint64_t until = a->due < own ? a->due : own;
    for (;;) {
        uint64_t now = sp_now();
        uint64_t rest = now < until ? until - now : 0;
        connect_timer(a->fd, a->local ? rest : rest - rest / 8);
        int result = REAL(connect)(a->fd, a->address, a->length);
        if (result == 0)
            return 0;
        bool restarts = errno == EINTR && sp_socket_restarts();
        if (!restarts && (errno == EINPROGRESS || errno == EALREADY))
            return connect_rest(a, until);
        bool full = a->local && errno == EAGAIN && sp_now() < until;
        if (!(restarts || full) || !connect_stands(a))
            return -1;
    }
}

static uint64_t connect_own_limit(int fd, struct timeval *own)
{
    socklen_t length = sizeof *own;
    memset(own, 0, sizeof *own);
    REAL(getsockopt)(fd, SOL_SOCKET, SO_SNDTIMEO, own, &length);
    uint64_t limit = (uint64_t)own->tv_sec * SP_SECOND + (uint64_t)own->tv_usec * 1000;
    return limit ? sp_now() + limit : SP_NEVER;
}

static int connect_blocking(const struct attempt *a)
{
    struct timeval own;
    if (a->due == SP_NEVER)
        return REAL(connect)(a->fd, a->address, a->length);
    uint64_t own_until = connect_own_limit(a->fd, &own);
    int result = connect_until(a, own_until);
    int error = errno;
    if (sp_conn_entry(a->fd) == a->entry)
        REAL(setsockopt)(a->fd, SOL_SOCKET, SO_SNDTIMEO, &own, sizeof own);
    bool ours = a->due <= own_until && sp_now() >= a->due;
    if (result != 0 && ours && (error == EINPROGRESS || (a->local && error == EAGAIN))) {
        struct sockaddr none = {.sa_family = AF_UNSPEC};
        if (!a->local)
            REAL(connect)(a->fd, &none, sizeof none);
        error = ETIMEDOUT;
    }
    errno = error;
    return result;
}

/* Injected latency holds the result back, whatever it is; a deadline that ends first wins. */
static int connect_delay(const struct attempt *a, int result)
{
    int error = errno;
    uint64_t until = sp_turn_since(a->word) + a->delay;
    bool late = until > a->due;
    if (!sp_socket_sleep(late ? a->due : until))
        return -1;
    if (late) {
        struct sockaddr none = {.sa_family = AF_UNSPEC};
        if (a->local || REAL(connect)(a->fd, &none, sizeof none) != 0)
            REAL(shutdown)(a->fd, SHUT_RDWR);
        result = -1;
        error = ETIMEDOUT;
    }
    errno = error;
    return result;
}

/* --- one attempt --- */

/* Returns the error that the program is told, 0: connected. */
static int connect_finish(const struct attempt *a, const struct sp_call *call, bool blocking,
                          int error)
{
    if (sp_conn_entry(a->fd) != a->entry)
        return error; /* closed meanwhile by another thread, which ended it */
    uint64_t word = atomic_load(&a->conn->word);
    if (blocking && sp_turn_of(word) == SP_TURN_CUT) { /* by another thread, when it was due */
        connect_forget(a->fd, a->entry);
        return sp_turn_error(word);
    }
    if (error == EINPROGRESS || error == EALREADY || error == EINTR)
        return error; /* in the background: told later by SO_ERROR, connect(), I/O or close() */
    if (error == ETIMEDOUT && a->due <= sp_now())
        sp_count(&sp_segment_shard(call->segment, call->dest)->expired[SP_DEADLINE_CONNECT], 1);
    sp_connect_learnt(a->fd, a->entry, error);
    return error;
}

static int connect_run(struct attempt *a, const struct sp_call *call,
                       const struct sp_admission *admission)
{
    struct sp_conn *conn = a->conn;
    bool blocking = !(sp_conn_flags(conn) & SP_CONN_NONBLOCK);
    sp_turn_connect(conn, call, admission);
    a->word = atomic_load(&conn->word);
    a->due = sp_due_of(conn, a->word);
    sp_fd_fresh(a->fd);
    sp_conn_install(a->fd, conn, conn->generation);
    a->entry = (uint64_t)conn->generation << 32 | (sp_conn_index(conn) + 1);
    /* From here on the fd alone holds it: a signal handler's leap out of the call, or a cancelled
     * thread, leaves nothing behind that close() would not give back. */
    if (sp_conn_drop(conn))
        sp_turn_over(conn, sp_now());
    int result = blocking ? connect_blocking(a) : REAL(connect)(a->fd, a->address, a->length);
    if (blocking && a->delay)
        result = connect_delay(a, result);
    int error = errno, told = connect_finish(a, call, blocking, result == 0 ? 0 : error);
    errno = told ? told : error;
    return told ? -1 : 0;
}

/* Refused by a guard or by an injected fault: nothing was sent, and nothing is kept. */
static int connect_refuse(struct attempt *a, const struct sp_call *call,
                          struct sp_admission *admission, int error)
{
    if (admission) {
        enum sp_outcome outcome = sp_socket_outcome(error, true);
        if (a->delay)
            sp_socket_sleep(call->now + a->delay);
        sp_order_settle(call, &admission->permit, true, outcome, 0);
        sp_cap_release(call, admission);
    }
    sp_conn_free(a->conn);
    errno = error;
    return -1;
}

static bool connect_stream(int fd, struct sp_conn *conn)
{
    int type = 0;
    socklen_t length = sizeof type;
    int flags = REAL(fcntl)(fd, F_GETFL);
    if (flags < 0 || REAL(getsockopt)(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0 ||
        type != SOCK_STREAM)
        return false;
    conn->cookie = sp_socket_cookie(fd);
    sp_conn_mark(conn, SP_CONN_NONBLOCK, flags & O_NONBLOCK);
    return true;
}

/* A connection to ask the guards with. False: the call is not ours. */
static bool connect_prepare(struct attempt *a, uint32_t dest, struct sp_call *call,
                            struct sp_guards *guards)
{
    a->conn = sp_conn_new();
    if (!a->conn)
        return false;
    if (!sp_here_call(call, dest, sp_conn_index(a->conn), sp_now(), guards) ||
        !connect_stream(a->fd, a->conn)) {
        sp_conn_free(a->conn);
        a->conn = NULL;
        return false;
    }
    sp_conn_mark(a->conn, SP_CONN_UNIX, a->local);
    a->conn->drawn = a->drawn; /* it keeps its side over a wait */
    sp_conn_side(a->conn, call, guards);
    a->drawn = a->conn->drawn;
    return true;
}

/* Sleeps until the guards say yes or no; SP_WAIT: a signal came that ends it with EINTR. A leap out
 * of the sleep leaves nothing behind: while it lasts there is no connection. */
static enum sp_verdict connect_wait(struct attempt *a, struct sp_call *call,
                                    struct sp_guards *guards, struct sp_wait *wait,
                                    struct sp_admission *admission)
{
    enum sp_verdict verdict = SP_WAIT;
    struct sp_await sleep;
    sp_await_begin(&sleep, a->fd, wait);
    while (verdict == SP_WAIT) {
        sp_conn_free(a->conn);
        a->conn = NULL;
        if (!sp_await(&sleep, wait))
            break;
        verdict = connect_prepare(a, call->index, call, guards)
                      ? sp_order_admit(call, true, wait, admission)
                      : SP_PASS;
    }
    sp_await_end(&sleep);
    if (wait->began)
        sp_order_leave(call, true, wait);
    return verdict;
}

static enum sp_verdict connect_ask(struct attempt *a, struct sp_call *call,
                                   struct sp_guards *guards, struct sp_admission *admission)
{
    struct sp_wait wait;
    bool blocking = !(sp_conn_flags(a->conn) & SP_CONN_NONBLOCK);
    sp_wait_none(&wait);
    enum sp_verdict verdict = sp_order_admit(call, true, blocking ? &wait : NULL, admission);
    return verdict == SP_WAIT ? connect_wait(a, call, guards, &wait, admission) : verdict;
}

/* The same socket goes to the first fallback that takes it; a blocking one tries them all. False:
 * there is none for a socket like this. */
static bool connect_elsewhere(struct attempt *a, struct sp_call *call, struct sp_guards *guards,
                              enum sp_when when, int *result)
{
    struct sp_divert to = {0};
    struct sp_admission admission;
    bool tried = false, over = false;
    while (!over && sp_divert_next(&to, a->fd, call, when)) {
        if (!a->conn && !connect_prepare(a, call->index, call, guards))
            break;
        a->address = (const struct sockaddr *)(const void *)&to.to;
        a->length = to.length;
        sp_conn_mark(a->conn, SP_CONN_FALLBACK, true);
        sp_order_aside(call, &admission);
        sp_fallback_taken(call, &to.line);
        bool blocking = !(sp_conn_flags(a->conn) & SP_CONN_NONBLOCK);
        *result = connect_run(a, call, &admission);
        a->conn = NULL; /* it is the fd's, or over */
        tried = true;
        over = *result == 0 || !blocking || sp_socket_outcome(errno, true) == SP_OUTCOME_COUNT;
    }
    return tried;
}

static int connect_guarded(struct attempt *a, uint32_t dest, bool *passed)
{
    struct sp_guards guards;
    struct sp_call call;
    struct sp_admission admission;
    struct sp_fault_act act = {0, 0};
    int result;
    *passed = !connect_prepare(a, dest, &call, &guards);
    if (*passed)
        return 0;
    if (call.now >= sp_here.deadline) { /* of the whole program: there is no time for anything */
        sp_count(&sp_segment_shard(call.segment, call.dest)->expired[SP_DEADLINE_TOTAL], 1);
        return connect_refuse(a, &call, NULL, ETIMEDOUT);
    }
    enum sp_verdict verdict = connect_ask(a, &call, &guards, &admission);
    *passed = verdict == SP_PASS && !a->conn; /* switched off meanwhile */
    if (verdict == SP_WAIT)
        errno = EINTR;
    if (!a->conn)
        return -1;
    if (verdict == SP_ELSEWHERE) {
        if (connect_elsewhere(a, &call, &guards, SP_WHEN_OPEN, &result))
            return result;
        sp_order_nowhere(&call);
    }
    if (verdict != SP_PASS)
        return connect_refuse(a, &call, NULL, ECONNREFUSED);
    if (sp_here.fault_count)
        sp_here_faults(&call, SP_FAULT_ON_CONNECT, &act);
    a->delay = act.delay;
    if (act.error)
        return connect_refuse(a, &call, &admission, act.error);
    return connect_run(a, &call, &admission);
}

/* connect() on an fd that has an entry. True: `*result` is the answer; false: a new attempt. */
static bool connect_again(const struct attempt *a, uint64_t entry, int *result)
{
    struct sp_conn *conn = sp_conn_at(entry);
    uint64_t word = atomic_load(&conn->word);
    if (!sp_socket_is(a->fd, conn)) {
        sp_cut_forget(a->fd, entry);
        return false;
    }
    if (sp_turn_of(word) == SP_TURN_CUT) {
        if (sp_conn_flags(conn) & SP_CONN_REPORTED) {
            connect_forget(a->fd, entry);
            return false;
        }
        sp_conn_mark(conn, SP_CONN_REPORTED, true);
        errno = sp_turn_error(word);
        *result = -1;
        return true;
    }
    *result = REAL(connect)(a->fd, a->address, a->length);
    int error = errno;
    if (sp_turn_of(word) == SP_TURN_CONNECTING) {
        if (*result == 0 || error == EISCONN)
            sp_connect_learnt(a->fd, entry, 0);
        else if (error != EALREADY && error != EINPROGRESS && error != EINTR)
            sp_connect_learnt(a->fd, entry, error);
    } else if (*result == 0 && a->address->sa_family == AF_UNSPEC) { /* it is dissolved */
        connect_forget(a->fd, entry);
    }
    errno = error;
    return true;
}

/* What is too short to be a peer's address, or cannot be read, is the kernel's to refuse. */
static bool connect_readable(const struct sockaddr *address, socklen_t length)
{
    size_t size = length < sizeof(struct sockaddr_un) ? length : sizeof(struct sockaddr_un);
    return length >= sizeof(sa_family_t) && sp_socket_readable(address, size);
}

SP_EXPORT int connect(int fd, const struct sockaddr *address, socklen_t length)
{
    if (!sp_here_awake() || sp_process_foreign() || !connect_readable(address, length))
        return REAL(connect)(fd, address, length);

    struct attempt a = {.fd = fd, .address = address, .length = length, .due = SP_NEVER};
    uint64_t entry = sp_conn_entry(fd);
    struct sp_addr to;
    int error = errno, result;
    bool passed = true;
    if (entry && connect_again(&a, entry, &result))
        return result;
    if ((uint32_t)fd < sp_here.fd_max && sp_addr_from_sockaddr(address, length, &to)) {
        int dest = sp_here_route(&to);
        a.local = to.family == SP_FAMILY_UNIX;
        if (dest >= 0)
            result = connect_guarded(&a, (uint32_t)dest, &passed);
        if (!passed && result == 0)
            errno = error;
    }
    return passed ? REAL(connect)(fd, address, length) : result;
}
