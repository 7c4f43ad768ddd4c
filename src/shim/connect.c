/* connect.c - connect(): admission, and which try comes next; attempt.c makes it. */
#include "shim/connect.h"
#include "shim/await.h"
#include "shim/divert.h"
#include "shim/harm.h"
#include "shim/hold.h"
#include "shim/io.h"
#include "shim/kind.h"
#include "shim/redial.h"

#include <errno.h>
#include <string.h>
#include <sys/un.h>

#include "base/addr.h"
#include "base/clock.h"

static bool connect_stream(struct attempt *a)
{
    a->untimed = (sp_kind_of(a->fd) & (SP_KIND_KNOWN | SP_KIND_TIMED)) == SP_KIND_KNOWN;
    uint8_t kind = sp_kind_ask(a->fd);
    sp_conn_mark(a->conn, SP_CONN_NONBLOCK, kind & SP_KIND_NONBLOCK);
    return kind & SP_KIND_STREAM;
}

/* A connection to ask the guards with. False: the call is not ours. */
static bool connect_prepare(struct attempt *a, uint32_t dest, struct sp_call *call,
                            struct sp_guards *room)
{
    a->conn = sp_conn_new();
    if (!a->conn)
        return false;
    if (!sp_here_call(call, dest, sp_conn_index(a->conn), sp_now(), room) || !connect_stream(a)) {
        sp_conn_free(a->conn);
        a->conn = NULL;
        return false;
    }
    sp_conn_mark(a->conn, SP_CONN_UNIX, a->local);
    a->blocking = !(sp_conn_flags(a->conn) & SP_CONN_NONBLOCK);
    a->conn->drawn = (uint16_t)a->drawn; /* it keeps its side over a wait */
    sp_conn_side(a->conn, call, room);
    a->drawn = a->conn->drawn;
    return true;
}

/* Where it goes: to an arm of its destination, or, while its address is out, to another of the
 * name.
 */
static void connect_aim(struct attempt *a, struct sp_call *call)
{
    if (!call->guards->split) {
        a->address = sp_detour(a->fd, a->conn, call, a->address, &a->length, a->other);
        return;
    }
    a->address = a->wanted;
    a->length = a->wanted_length;
    if (sp_way_go(&a->way, a->fd, a->conn, call, a->wanted->sa_family, a->other, &a->length))
        a->address = (const struct sockaddr *)(const void *)a->other;
}

/* An arm whose breaker says no after all, for its only probe is another's, is not asked again. */
static enum sp_verdict connect_admit(struct attempt *a, struct sp_call *call, struct sp_wait *wait,
                                     struct sp_admission *admission)
{
    enum sp_verdict verdict;
    while ((verdict = sp_order_admit(call, true, wait, admission)) == SP_ANOTHER) {
        a->way.barred |= 1u << a->way.at;
        connect_aim(a, call);
    }
    return verdict;
}

/* The same for a try at the program's own address, or at another of its name. */
static bool connect_begin(struct attempt *a, uint32_t dest, struct sp_call *call,
                          struct sp_guards *room)
{
    if (!connect_prepare(a, dest, call, room))
        return false;
    if ((call->guards->split | call->guards->breaker.scope) != 0)
        connect_aim(a, call);
    return true;
}

/* Sleeps until the guards say yes or no; SP_WAIT: a signal came that ends it with EINTR. A leap out
 * of the sleep leaves nothing behind: while it lasts there is no connection. */
static enum sp_verdict connect_wait(struct attempt *a, struct sp_call *call, struct sp_guards *room,
                                    struct sp_wait *wait, struct sp_admission *admission)
{
    enum sp_verdict verdict = SP_WAIT;
    struct sp_await sleep;
    sp_await_begin(&sleep, call->index, a->fd, wait);
    if (a->until < wait->end)
        wait->end = a->until;
    while (verdict == SP_WAIT) {
        sp_conn_free(a->conn);
        a->conn = NULL;
        if (!sp_await(&sleep, wait))
            break;
        verdict = connect_begin(a, call->index, call, room)
                      ? connect_admit(a, call, wait, admission)
                      : SP_PASS;
    }
    sp_await_end(&sleep);
    if (wait->began)
        sp_order_leave(call, true, wait);
    return verdict;
}

static enum sp_verdict connect_ask(struct attempt *a, struct sp_call *call, struct sp_guards *room,
                                   struct sp_admission *admission)
{
    struct sp_wait wait;
    sp_wait_none(&wait);
    enum sp_verdict verdict = connect_admit(a, call, a->blocking ? &wait : NULL, admission);
    return verdict == SP_WAIT ? connect_wait(a, call, room, &wait, admission) : verdict;
}

/* The first try counts the call for the budget; the others are part of it, for `deadline total`. */
static void connect_count(struct attempt *a, const struct sp_call *call,
                          struct sp_admission *admission)
{
    if (a->began != 0) {
        admission->began = a->began;
        return;
    }
    a->began = admission->began;
    a->cookie = sp_attempt_identify(a);
    a->again = sp_retry_wanted(call->guards);
    if (a->again)
        sp_retry_call(call);
}

static bool connect_again_ready(struct attempt *a, struct sp_call *call, struct sp_guards *room)
{
    const struct sp_dial dial = {.cookie = a->cookie, .local = a->local};
    return a->conn || (sp_dial_clear(&dial, a->fd) && connect_prepare(a, call->index, call, room));
}

/* The program's own address, for a try that goes elsewhere in between. */
struct aim {
    const struct sockaddr *address;
    socklen_t length;
};

/* The same socket goes to the first fallback that takes it; a blocking one tries them all. False:
 * there is none for a socket like this. */
static bool connect_elsewhere(struct attempt *a, struct sp_call *call, struct sp_guards *room,
                              enum sp_when when, int *result)
{
    const struct aim own = {a->address, a->length};
    struct sp_divert to = {0};
    struct sp_admission admission;
    bool over = false;
    int error = 0;
    a->cookie = sp_attempt_identify(a);
    a->when = when;
    a->delay = 0; /* the fault is the destination's */
    a->swallowed = false;
    while (!over && sp_divert_next(&to, a->fd, call, when) && connect_again_ready(a, call, room)) {
        a->address = (const struct sockaddr *)(const void *)&to.to;
        a->length = to.length;
        a->aside++;
        sp_conn_mark(a->conn, SP_CONN_FALLBACK, true);
        sp_order_aside(call, &admission);
        admission.began = a->began ? a->began : admission.began;
        sp_fallback_taken(call, &to.line);
        *result = sp_attempt_run(a, call, &admission);
        error = errno;
        a->conn = NULL; /* it is the fd's, or over */
        over = !a->blocking || sp_socket_outcome(a->failed, true) == SP_OUTCOME_COUNT;
        a->failed = 0; /* no retry is for this */
    }
    a->address = own.address;
    a->length = own.length;
    errno = a->aside ? error : errno;
    return a->aside > 0;
}

static int connect_guarded(struct attempt *a, uint32_t dest, bool *passed)
{
    struct sp_guards room;
    struct sp_call call;
    struct sp_admission admission;
    int result = -1;
    a->way = (struct sp_way){0};
    *passed = !connect_begin(a, dest, &call, &room);
    if (*passed)
        return 0;
    if (call.now >= sp_here.deadline) { /* of the whole program: there is no time for anything */
        sp_count(&sp_segment_shard(call.segment, call.dest)->expired[SP_DEADLINE_TOTAL], 1);
        return sp_attempt_refuse(a, &call, NULL, ETIMEDOUT);
    }
    enum sp_verdict verdict = connect_ask(a, &call, &room, &admission);
    *passed = verdict == SP_PASS && !a->conn; /* switched off meanwhile */
    if (verdict == SP_WAIT)
        errno = EINTR;
    if (!a->conn)
        return -1;
    if (verdict == SP_ELSEWHERE) {
        if (connect_elsewhere(a, &call, &room, SP_WHEN_OPEN, &result))
            return result;
        sp_order_nowhere(&call);
    }
    if (verdict != SP_PASS)
        return sp_attempt_refuse(a, &call, NULL, ECONNREFUSED);
    connect_count(a, &call, &admission);
    a->delay = 0;
    a->fault = 0;
    a->swallowed = false;
    if (sp_here_injects(&call))
        sp_inject(a, &call);
    if (a->delay)
        sp_here_own(&call, &room);
    if (a->fault && (a->blocking || !sp_retry_wanted(call.guards)))
        return sp_attempt_refuse(a, &call, &admission, a->fault);
    return sp_attempt_run(a, &call, &admission);
}

/* The first try of a blocking connect has failed. A signal that libc's call would not have outlived
 * ends the pause with the error that stands: EINTR would promise a connect that goes on. */
static int connect_retry(struct attempt *a, uint32_t dest, bool *passed)
{
    struct sp_dial dial = {.cookie = a->cookie, .dest = dest, .drawn = a->drawn, .local = a->local};
    struct timeval own;
    uint64_t at, now = sp_now(), limit = sp_connect_limit(a->fd, &own);
    int result = -1;
    a->own = limit == SP_NEVER ? SP_NEVER : a->began + (limit > now ? limit - now : 0);
    sp_dial_begin(&dial, a->began, a->own);
    a->until = dial.retry.until;
    while (a->failed && sp_dial_next(&dial, a->failed, &at) == SP_NEXT_AGAIN &&
           sp_await_pause(SP_ASLEEP_RETRY, dest, a->fd, at) && sp_dial_clear(&dial, a->fd)) {
        a->failed = 0;
        result = connect_guarded(a, dest, passed);
        if (*passed)
            return result;
    }
    if (a->aside)
        return result;
    if (result == 0)
        sp_dial_succeeded(&dial);
    else if (a->refused)
        sp_dial_refused(&dial);
    if (result != 0 && (a->failed || a->refused))
        errno = dial.error;
    return result;
}

/* What was tried has failed, for good: there may be a fallback for that. */
static int connect_failed(struct attempt *a, uint32_t dest)
{
    struct sp_guards room;
    struct sp_call call;
    int error = errno, result;
    if (a->aside || sp_socket_outcome(error, true) == SP_OUTCOME_COUNT)
        return -1;
    if (connect_prepare(a, dest, &call, &room)) {
        const struct sp_dial dial = {.cookie = a->cookie, .local = a->local};
        bool wanted = call.guards->mode == SP_MODE_ENFORCE &&
                      (call.guards->fallback & SP_WHEN_FAILED) && sp_dial_clear(&dial, a->fd);
        if (wanted && connect_elsewhere(a, &call, &room, SP_WHEN_FAILED, &result))
            return result;
        if (a->conn)
            sp_conn_free(a->conn);
    }
    errno = error;
    return -1;
}

/* Whatever the socket is about is over, and no answer to anything: what a socket dissolves it knows
 * best. A try that is being made at this moment sees that its word has changed, or goes first. */
static int connect_dissolve(const struct attempt *a, uint64_t entry)
{
    struct sp_conn *conn = sp_conn_at(entry);
    if (sp_turn_of(atomic_load(&conn->word)) == SP_TURN_RESTING)
        sp_pending_end(conn);
    int result = REAL(connect)(a->fd, a->address, a->length), error = errno;
    if (result == 0)
        sp_attempt_forget(a->fd, entry);
    errno = error;
    return result;
}

/* connect() on an fd that has an entry. True: `*result` is the answer; false: a new attempt. */
static bool connect_again(const struct attempt *a, uint64_t entry, int *result)
{
    struct sp_conn *conn = sp_conn_at(entry);
    uint64_t word = atomic_load(&conn->word);
    if (!sp_socket_dialling(conn, word) && !sp_socket_is(a->fd, conn)) {
        sp_stay_over(a->fd, entry); /* ours all the same, perhaps, if its peer is gone */
        sp_cut_forget(a->fd, entry);
        return false;
    }
    if (a->address->sa_family == AF_UNSPEC) {
        *result = connect_dissolve(a, entry);
        return true;
    }
    if (sp_turn_of(word) == SP_TURN_CUT) {
        if (sp_conn_flags(conn) & SP_CONN_REPORTED) {
            sp_attempt_forget(a->fd, entry);
            return false;
        }
        sp_conn_mark(conn, SP_CONN_REPORTED, true);
        errno = sp_turn_error(word);
        *result = -1;
        return true;
    }
    if (sp_turn_of(word) == SP_TURN_RESTING || (sp_hold_hides(conn) & SP_HOLD_OUT)) {
        errno = EALREADY;
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

static int connect_long(int fd, const struct sockaddr *address, socklen_t length)
{
    if (!sp_here_awake() || sp_process_foreign() || !sp_shim_ready() ||
        !connect_readable(address, length))
        return REAL(connect)(fd, address, length);

    struct sockaddr_storage other;
    struct attempt a = {.fd = fd,
                        .address = address,
                        .length = length,
                        .wanted = address,
                        .wanted_length = length,
                        .other = &other,
                        .due = SP_NEVER,
                        .own = SP_NEVER,
                        .until = SP_NEVER};
    uint64_t entry = sp_conn_entry(fd);
    struct sp_addr to;
    int error = errno, result = -1;
    bool passed = true;
    if (entry && connect_again(&a, entry, &result))
        return result;
    if (sp_here_has(fd) && sp_addr_from_sockaddr(address, length, &to)) {
        int dest = sp_here_route(&to);
        a.local = to.family == SP_FAMILY_UNIX;
        if (dest >= 0)
            result = connect_guarded(&a, (uint32_t)dest, &passed);
        if (!passed && result != 0 && a.failed && a.blocking && a.again)
            result = connect_retry(&a, (uint32_t)dest, &passed);
        if (!passed && result != 0 && a.failed)
            result = connect_failed(&a, (uint32_t)dest);
        if (!passed && result == 0)
            errno = error;
    }
    return passed ? REAL(connect)(fd, address, length) : result;
}

SP_EXPORT SP_HOT int connect(int fd, const struct sockaddr *address, socklen_t length)
{
    int short_result;
    if (sp_connect_short(fd, address, length, &short_result))
        return short_result;
    return connect_long(fd, address, length);
}
