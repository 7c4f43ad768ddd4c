/* pending.c - non-blocking connects that are tried again. Their failure is seen by our waits, which
 * do not show it: the program waits on, and sees one slow connect.
 *
 * Whoever changes the word of the connection owns what follows, as ever. All is done on a duplicate
 * of the fd, which pins the open file; flags and options are the file's, so nothing changes. */
#include "shim/divert.h"
#include "shim/harm.h"
#include "shim/pin.h"
#include "shim/redial.h"

#include <errno.h>
#include <linux/tcp.h>
#include <string.h>

#include "base/clock.h"

static sp_table pending_table;

struct sp_pending *sp_pending_of(const struct sp_conn *conn)
{
    return sp_table_row(&pending_table, sizeof(struct sp_pending), conn);
}

/* Is there anything to be done when it fails? */
static bool pending_wanted(const struct attempt *a, const struct sp_call *call)
{
    const struct sp_guards *guards = call->guards;
    bool fallback = guards->mode == SP_MODE_ENFORCE && (guards->fallback & SP_WHEN_FAILED);
    return a->aside || fallback || sp_retry_wanted(guards);
}

void sp_pending_begin(struct attempt *a, const struct sp_call *call)
{
    struct sp_pending *p;
    if (a->blocking || a->local || a->length > sizeof p->to || !pending_wanted(a, call) ||
        !sp_table_reserve(&pending_table, sizeof(struct sp_pending)))
        return;
    p = sp_pending_of(a->conn);
    memset(p, 0, sizeof *p);
    p->dial = (struct sp_dial){.cookie = a->cookie, .dest = call->index, .drawn = a->drawn};
    memcpy(&p->to, a->address, a->length);
    p->length = a->length;
    p->aside = a->aside;
    p->when = a->when;
    sp_dial_begin(&p->dial, a->began, SP_NEVER);
    sp_due_watch(a->conn);
}

void sp_pending_learnt(struct sp_conn *conn, int error)
{
    if (!error && (sp_conn_flags(conn) & (SP_CONN_RETRY | SP_CONN_FALLBACK)) == SP_CONN_RETRY)
        sp_dial_succeeded(&sp_pending_of(conn)->dial);
}

/* --- a try has failed --- */

/* From here on it goes to a fallback, the one behind those that it went to; false: there is none.
 */
static bool pending_divert(struct sp_conn *conn, int fd, enum sp_when when)
{
    struct sp_pending *p = sp_pending_of(conn);
    struct sp_divert to = {0};
    struct sp_guards room;
    struct sp_call call;
    if (!sp_here_call(&call, conn->dest, sp_conn_index(conn), sp_now(), &room))
        return false;
    sp_conn_side(conn, &call, &room);
    p->when = p->aside ? p->when : when;
    if (call.guards->mode != SP_MODE_ENFORCE || !(call.guards->fallback & p->when) ||
        !sp_divert_behind(&to, p->aside, fd, &call, p->when) || to.length > sizeof p->to)
        return false;
    memcpy(&p->to, &to.to, to.length);
    p->length = to.length;
    p->aside++;
    sp_fallback_taken(&call, &to.line);
    return true;
}

/* Whether it is tried again, and when; here or elsewhere. */
static bool pending_next(struct sp_conn *conn, int fd, int error, uint64_t *at)
{
    struct sp_pending *p = sp_pending_of(conn);
    if (!p->aside && sp_dial_next(&p->dial, error, at) == SP_NEXT_AGAIN)
        return true;
    *at = 0;
    return sp_socket_outcome(error, true) != SP_OUTCOME_COUNT &&
           pending_divert(conn, fd, SP_WHEN_FAILED);
}

/* The socket is made anew before it rests: from then on any thread may dial it. */
static bool pending_clear(struct sp_conn *conn, int fd, int error, uint64_t at)
{
    bool cleared = sp_dial_clear(&sp_pending_of(conn)->dial, fd);
    uint64_t now = sp_now();
    if (cleared)
        sp_rest_for(conn, at > now ? at - now : 0);
    else
        sp_rest_over(conn, error);
    return cleared;
}

static bool pending_rest(struct sp_conn *conn, uint64_t word, int fd, int error)
{
    enum sp_outcome outcome = sp_socket_outcome(error, true);
    uint64_t at;
    if (!pending_next(conn, fd, error, &at)) {
        sp_rest_fail(conn, word, outcome == SP_OUTCOME_COUNT ? SP_OUTCOME_ABANDONED : outcome,
                     error);
        return false;
    }
    return sp_rest_begin(conn, word, outcome) && pending_clear(conn, fd, error, at);
}

/* What was seen may be from before another thread dialled again: then it says nothing any more. */
static bool pending_stale(int fd, bool hung)
{
    struct pollfd one = {.fd = fd, .events = POLLOUT};
    return REAL(poll)(&one, 1, 0) == 0 || (hung && !(one.revents & (POLLERR | POLLHUP)));
}

/* It stood, and was reset since: to a blocking connect that is a success. The kernel tells of it
 * once, so it is left to whoever asks next. */
static bool pending_stood(int fd)
{
    struct tcp_info info;
    return sp_socket_info(fd, &info) && info.tcpi_bytes_acked > 0;
}

static bool pending_failed(struct sp_conn *conn, uint64_t word, int fd, bool hung)
{
    int error = 0, pinned;
    socklen_t length = sizeof error;
    bool hidden = false;
    if (sp_turn_of(word) == SP_TURN_RESTING || sp_turn_of(word) == SP_TURN_STARTING)
        return true;
    if (sp_turn_of(word) != SP_TURN_CONNECTING || (pinned = sp_pin(conn, fd)) < 0)
        return false;
    if (pending_stood(pinned))
        hidden = pending_stale(pinned, hung);
    else if (REAL(getsockopt)(pinned, SOL_SOCKET, SO_ERROR, &error, &length) == 0)
        hidden = error ? pending_rest(conn, word, pinned, error) : pending_stale(pinned, hung);
    sp_unpin(conn, pinned);
    return hidden;
}

bool sp_pending_failed(struct sp_conn *conn, int fd, bool hung)
{
    int error = errno;
    if (!sp_conn_hold(conn, sp_conn_generation(conn)))
        return false;
    bool rests = pending_failed(conn, atomic_load(&conn->word), fd, hung);
    sp_fd_left(conn);
    errno = error;
    return rests;
}

static bool pending_refused(struct sp_conn *conn, int fd, int error)
{
    uint64_t at, word = atomic_load(&conn->word);
    int pinned = sp_pin(conn, fd);
    bool rests = pinned >= 0 && sp_turn_of(word) == SP_TURN_CONNECTING &&
                 sp_dial_next(&sp_pending_of(conn)->dial, error, &at) == SP_NEXT_AGAIN &&
                 sp_rest_begin(conn, word, sp_socket_outcome(error, true));
    if (rests) /* or it is over, which the program then hears */
        pending_clear(conn, pinned, error, at);
    if (pinned >= 0)
        sp_unpin(conn, pinned);
    return rests;
}

bool sp_pending_refused(struct sp_conn *conn, uint64_t entry, int fd, int error)
{
    if (!(sp_conn_flags(conn) & SP_CONN_RETRY) ||
        sp_socket_outcome(error, true) == SP_OUTCOME_COUNT ||
        !sp_conn_hold(conn, (uint32_t)(entry >> 32)))
        return false;
    bool rests = pending_refused(conn, fd, error);
    sp_fd_left(conn);
    return rests;
}

bool sp_pending_late(struct sp_conn *conn, uint64_t word, int fd)
{
    struct sp_dest *dest = sp_segment_dest(&sp_here.segment, conn->dest);
    bool aside = sp_conn_flags(conn) & SP_CONN_FALLBACK;
    uint64_t at;
    if (sp_turn_of(word) != SP_TURN_CONNECTING || !(sp_conn_flags(conn) & SP_CONN_RETRY) ||
        !pending_next(conn, fd, ETIMEDOUT, &at) ||
        !sp_rest_begin(conn, word, SP_OUTCOME_CONNECT_TIMEOUT))
        return false;
    if (dest && !aside)
        sp_count(&sp_segment_shard(&sp_here.segment, dest)->expired[SP_DEADLINE_CONNECT], 1);
    pending_clear(conn, fd, ETIMEDOUT, at);
    return true;
}

/* --- the next try --- */

static void pending_over(struct sp_conn *conn, int error)
{
    sp_rest_over(conn, error);
    sp_mute_end(conn);
}

/* Switched off meanwhile: what libc makes of it is the program's. */
static void pending_pass(struct sp_conn *conn, int fd)
{
    struct sp_pending *p = sp_pending_of(conn);
    int number = (int)atomic_load(&conn->fd);
    uint64_t entry = sp_conn_entry(number);
    REAL(connect)(fd, &p->to.any, p->length);
    sp_mute_end(conn);
    sp_rest_over(conn, p->dial.error);
    if (entry && sp_conn_at(entry) == conn)
        sp_cut_forget(number, entry);
}

/* A fault stands for the network: its refusal is an attempt that failed. */
static bool pending_faulty(struct sp_conn *conn, const struct sp_call *call, int fd,
                           const struct sp_fault_act *act, struct sp_admission *admission)
{
    uint64_t at;
    if (!act->error)
        return false;
    sp_order_settle(call, &admission->permit, true, sp_socket_outcome(act->error, true), 0);
    sp_cap_release(call, admission);
    if (pending_next(conn, fd, act->error, &at))
        sp_rest_for(conn, at > call->now ? at - call->now : 0);
    else
        pending_over(conn, act->error);
    return true;
}

/* To an arm of its destination, drawn anew; with `scope endpoint` to another address of the name,
 * if this one is out by now. */
static void pending_aim(struct sp_conn *conn, struct sp_call *call, int fd, struct sp_way *way)
{
    struct sp_pending *p = sp_pending_of(conn);
    struct sockaddr_storage room;
    if (p->aside || (call->guards->split | call->guards->breaker.scope) == 0)
        return;
    if (call->guards->split) {
        if (sp_way_go(way, fd, conn, call, p->to.any.sa_family, &room, &p->length))
            memcpy(&p->to, &room, p->length);
        return;
    }
    const struct sockaddr *to = sp_detour(fd, conn, call, &p->to.any, &p->length, &room);
    if (to != &p->to.any)
        memcpy(&p->to, to, p->length);
}

static enum sp_verdict pending_ask(struct sp_conn *conn, struct sp_call *call, int fd,
                                   struct sp_admission *admission)
{
    struct sp_way way = {0};
    enum sp_verdict verdict = SP_ANOTHER;
    while (verdict == SP_ANOTHER) {
        pending_aim(conn, call, fd, &way);
        verdict = sp_order_admit(call, true, NULL, admission);
        way.barred |= 1u << way.at;
    }
    return verdict;
}

/* May it go? To a fallback it may; else the guards say, who may send it to one. */
static bool pending_admit(struct sp_conn *conn, struct sp_call *call, int fd,
                          struct sp_admission *admission)
{
    enum sp_verdict verdict = SP_REFUSED_BREAKER;
    struct sp_pending *p = sp_pending_of(conn);
    if (call->now < sp_here.deadline && !p->aside)
        verdict = pending_ask(conn, call, fd, admission);
    if (verdict == SP_ELSEWHERE && !pending_divert(conn, fd, SP_WHEN_OPEN))
        sp_order_nowhere(call);
    if (p->aside && call->now < sp_here.deadline) {
        sp_conn_mark(conn, SP_CONN_FALLBACK, true);
        sp_order_aside(call, admission);
        return true;
    }
    return verdict == SP_PASS;
}

static int pending_connect(const struct sp_pending *p, int fd, bool swallowed)
{
    socklen_t length = p->length;
    const struct sockaddr *to = &p->to.any;
    sp_harm_afresh(fd);
    if (swallowed)
        to = sp_harm_nowhere(fd, to, &length);
    return REAL(connect)(fd, to, length);
}

static void pending_dial(struct sp_conn *conn, struct sp_call *call, int fd)
{
    struct sp_pending *p = sp_pending_of(conn);
    struct sp_fault_act act = {0};
    struct sp_admission admission;
    if (!pending_admit(conn, call, fd, &admission)) {
        sp_dial_refused(&p->dial);
        pending_over(conn, p->dial.error);
        return;
    }
    if (!p->aside && sp_here_injects(call))
        sp_here_faults(call, SP_FAULT_ON_CONNECT | SP_FAULT_ON_CONNECTION, &act);
    if (pending_faulty(conn, call, fd, &act, &admission))
        return;
    sp_harm_connect(conn, &act);
    admission.began = p->dial.retry.began;
    sp_turn_connect(conn, call, &admission);
    uint64_t word = atomic_load(&conn->word);
    int result = pending_connect(p, fd, act.swallowed);
    if (result != 0 && errno != EINPROGRESS && pending_rest(conn, word, fd, errno))
        return;
    sp_mute_end(conn);
}

static void pending_again(struct sp_conn *conn)
{
    struct sp_guards room;
    struct sp_call call;
    int fd = sp_pin(conn, (int)atomic_load(&conn->fd));
    if (fd < 0) {
        pending_over(conn, sp_pending_of(conn)->dial.error);
        return;
    }
    if (sp_here_awake() && sp_here_call(&call, conn->dest, sp_conn_index(conn), sp_now(), &room)) {
        sp_conn_side(conn, &call, &room);
        pending_dial(conn, &call, fd);
    } else {
        pending_pass(conn, fd);
    }
    sp_unpin(conn, fd);
}

void sp_pending_due(struct sp_conn *conn, uint64_t word)
{
    if (!sp_rest_end(conn, word))
        return;
    pending_again(conn);
    atomic_fetch_add(&sp_rests_ended, 1);
}

void sp_pending_end(struct sp_conn *conn)
{
    if (!sp_rest_end(conn, atomic_load(&conn->word)))
        return;
    pending_over(conn, sp_pending_of(conn)->dial.error);
    atomic_fetch_add(&sp_rests_ended, 1);
}
