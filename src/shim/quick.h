/* quick.h - a transfer of a healthy exchange, in line: what io.c does when there is nothing to it.
 * Everything unusual goes there, before the call or after it. Errno is not touched. */
#ifndef SHEARPIN_SHIM_QUICK_H
#define SHEARPIN_SHIM_QUICK_H

#include "conn/quick.h"
#include "shim/io.h"

/* Awake, and neither in a child of fork that is new here nor in one of vfork. */
SP_QUICK_INLINE bool sp_quick_on(void)
{
    return SP_LIKELY(sp_here_awake() && !sp_here_forked() && !sp_vforked);
}

SP_QUICK_INLINE struct sp_shard *sp_quick_shard(const struct sp_conn *conn)
{
    return sp_segment_shard(&sp_here.segment, sp_quick_dest(conn));
}

/* Before a send on an idle connection: the exchange that it begins. 0: ask sp_io_send. */
SP_QUICK_INLINE uint64_t sp_quick_send(int fd, uint64_t entry, size_t length)
{
    if (SP_UNLIKELY(entry == 0 || length >= SP_PUSH_LARGE) || !sp_quick_on())
        return 0;
    struct sp_conn *conn = sp_conn_at(entry);
    uint64_t word = sp_quick_ask(conn);
    if (SP_UNLIKELY(word && sp_conn_entry(fd) != entry)) { /* closed by another thread */
        sp_turn_unsend(conn, word);
        return 0;
    }
    return word;
}

/* After it. False: nothing was done, ask sp_io_sent. */
SP_QUICK_INLINE bool sp_quick_sent(uint64_t entry, ssize_t result)
{
    if (SP_UNLIKELY(result <= 0 || (size_t)result >= SP_PUSH_LARGE || sp_tls_inside))
        return false;
    sp_count(&sp_quick_shard(sp_conn_at(entry))->sent, (uint64_t)result);
    return true;
}

/* A receive on its way. */
struct sp_quick {
    struct sp_conn *conn;
    uint64_t entry;
    uint64_t word;    /* an exchange, or 0: more of an answer */
    uint64_t started; /* under an alarm: when; else 0 */
    int error;        /* and errno before it */
};

/* Is the kernel's timer as sp_alarm_set would leave it? */
SP_QUICK_INLINE bool sp_quick_alarm(struct sp_quick *q)
{
    const struct sp_conn *conn = q->conn;
    uint64_t set = conn->alarm * SP_LIMIT_UNIT, limit = conn->least * SP_LIMIT_UNIT;
    if (set == 0 || set > limit - limit / 8 + SP_LIMIT_UNIT || conn->own_receive != 0 ||
        (sp_conn_flags(conn) & (SP_CONN_LOWAT | SP_CONN_STDIO)))
        return false;
    q->error = errno;
    q->started = sp_now();
    return q->word == 0 || q->started + set + set / 8 <=
                               sp_turn_since(q->word) + conn->limit * SP_LIMIT_UNIT + SP_ALARM_LATE;
}

/* Before a receive on a connection that is idle or waits for an answer. False: ask
 * sp_io_receive. */
SP_QUICK_INLINE bool sp_quick_receive(struct sp_quick *q, uint64_t entry, int flags, size_t length)
{
    if (SP_UNLIKELY(entry == 0 || length == 0 || (flags & ~(MSG_DONTWAIT | MSG_NOSIGNAL))) ||
        !sp_quick_on())
        return false;
    struct sp_conn *conn = sp_conn_at(entry);
    uint64_t word = atomic_load_explicit(&conn->word, memory_order_acquire);
    if (SP_UNLIKELY((word && sp_turn_of(word) != SP_TURN_EXCHANGE) || !sp_quick_told(conn)))
        return false;
    q->conn = conn;
    q->entry = entry;
    q->word = word;
    q->started = 0;
    return conn->least == 0 || (sp_conn_flags(conn) & SP_CONN_NONBLOCK) || (flags & MSG_DONTWAIT) ||
           sp_quick_alarm(q);
}

/* After it. False: nothing was done, ask sp_io_received. */
SP_QUICK_INLINE bool sp_quick_received(const struct sp_quick *q, ssize_t result)
{
    struct sp_conn *conn = q->conn;
    if (SP_UNLIKELY(result <= 0 || sp_tls_inside))
        return false;
    struct sp_shard *shard = sp_quick_shard(conn);
    if (q->word == 0) { /* more of an answer; but another thread may have asked meanwhile */
        if (SP_UNLIKELY(atomic_load_explicit(&conn->word, memory_order_acquire) != 0))
            return false;
    } else if (SP_UNLIKELY(!sp_quick_end(conn, q->word))) {
        return false;
    }
    sp_count(&shard->received, (uint64_t)result);
    return true;
}

/* What there is to do when it was not that simple. False: it was only our alarm, receive again. */
bool sp_io_received_as(const struct sp_quick *q, int fd, int flags, ssize_t *result);

#endif
