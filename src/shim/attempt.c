/* attempt.c - one try of a connect: the kernel's part of it, and what the guards learn of it. */
#include "shim/await.h"
#include "shim/connect.h"
#include "shim/harm.h"
#include "shim/hold.h"
#include "shim/redial.h"
#include "shim/stay.h"

#include <errno.h>

#include "base/clock.h"

void sp_attempt_forget(int fd, uint64_t entry)
{
    sp_alarm_lift(fd, sp_conn_at(entry));
    sp_stay_over(fd, entry);
    sp_hold_free(sp_conn_at(entry));
    sp_harm_afresh(fd);
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
        sp_pending_learnt(conn, error);
        sp_turn_connected(conn, word, outcome == SP_OUTCOME_COUNT ? SP_OUTCOME_ABANDONED : outcome,
                          sp_now());
        if (error)
            sp_attempt_forget(fd, entry);
        else if (SP_UNLIKELY(sp_conn_flags(conn) & SP_CONN_HARMED))
            sp_harm_stands(conn, fd);
    }
    sp_fd_left(conn);
}

/* Returns the error that the program is told, 0: connected. */
static int attempt_finish(const struct attempt *a, const struct sp_call *call, bool blocking,
                          int error)
{
    if (sp_conn_entry(a->fd) != a->entry)
        return error; /* closed meanwhile by another thread, which ended it */
    uint64_t word = atomic_load(&a->conn->word);
    if (blocking && sp_turn_of(word) == SP_TURN_CUT) { /* by another thread, when it was due */
        sp_attempt_forget(a->fd, a->entry);
        return sp_turn_error(word);
    }
    if (error == EINPROGRESS || error == EALREADY || error == EINTR)
        return error; /* in the background: told later by SO_ERROR, connect(), I/O or close() */
    if (error == ETIMEDOUT && !a->aside && a->due <= sp_now())
        sp_count(&sp_segment_shard(call->segment, call->dest)->expired[SP_DEADLINE_CONNECT], 1);
    sp_connect_learnt(a->fd, a->entry, error);
    return error;
}

uint64_t sp_attempt_identify(const struct attempt *a)
{
    uint64_t cookie = atomic_load_explicit(&a->conn->cookie, memory_order_relaxed);
    if (cookie == 0) {
        cookie = sp_socket_cookie(a->fd);
        atomic_store_explicit(&a->conn->cookie, cookie, memory_order_relaxed);
    }
    return cookie;
}

int sp_connect_told(struct attempt *a, const struct sp_call *call, int result)
{
    int error = errno;
    if (result != 0 && !a->blocking && sp_pending_refused(a->conn, a->entry, a->fd, error))
        error = EINPROGRESS;
    if (result == 0 || error != EINPROGRESS)
        sp_hold_free(a->conn); /* who does not block is told at once what is known at once */
    int told = attempt_finish(a, call, a->blocking, result == 0 ? 0 : error);
    if (told != EINPROGRESS && told != EALREADY && told != EINTR)
        a->failed = told;
    errno = told ? told : error;
    return told ? -1 : 0;
}

int sp_attempt_run(struct attempt *a, const struct sp_call *call,
                   const struct sp_admission *admission)
{
    struct sp_conn *conn = a->conn;
    bool blocking = a->blocking;
    sp_attempt_identify(a);
    sp_turn_connect(conn, call, admission);
    a->word = atomic_load(&conn->word);
    a->due = sp_due_of(conn, a->word);
    sp_pending_begin(a, call);
    if (!blocking && a->delay && !a->local)
        sp_hold_connect(conn, sp_turn_since(a->word), a->delay);
    sp_fd_fresh(a->fd);
    a->entry = (uint64_t)sp_conn_generation(conn) << 32 | (sp_conn_index(conn) + 1);
    /* From here on the fd alone holds it: a signal handler's leap out of the call, or a cancelled
     * thread, leaves nothing behind that close() would not give back. */
    sp_conn_give(a->fd, conn);
    int result = sp_inject_connect(a);
    if (blocking && a->delay)
        result = sp_connect_delay(a, result);
    return sp_connect_told(a, call, result);
}

int sp_attempt_refuse(struct attempt *a, const struct sp_call *call, struct sp_admission *admission,
                      int error)
{
    a->failed = admission ? error : 0;
    a->refused = !admission;
    if (admission) {
        enum sp_outcome outcome = sp_socket_outcome(error, true);
        if (a->delay && a->blocking)
            sp_await_pause(SP_ASLEEP_INJECTED, call->index, a->fd, call->now + a->delay);
        sp_order_settle(call, &admission->permit, true, outcome, 0);
        sp_cap_release(call, admission);
    }
    sp_conn_free(a->conn);
    errno = error;
    return -1;
}
