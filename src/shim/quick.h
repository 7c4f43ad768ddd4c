/* quick.h - a transfer of a healthy exchange, in line: what io.c does when there is nothing to it.
 * Everything unusual goes there, before the call or after it. Errno is not touched. */
#ifndef SHEARPIN_SHIM_QUICK_H
#define SHEARPIN_SHIM_QUICK_H

#include "conn/quick.h"
#include "shim/io.h"

/* Neither in a child of vfork nor in a TLS library. All else sp_quick_told() knows. */
SP_QUICK_INLINE bool sp_quick_on(void)
{
    return SP_LIKELY(sp_thread.odd == 0);
}

/* Before a send on an idle connection: the exchange that it begins. 0: ask sp_io_send. */
SP_QUICK_INLINE uint64_t sp_quick_send(int fd, uint64_t entry, size_t length,
                                       struct sp_shard **shard)
{
    if (SP_UNLIKELY(length >= SP_PUSH_LARGE) || !sp_quick_on())
        return 0;
    struct sp_conn *conn = sp_conn_at(entry);
    uint64_t word = sp_quick_ask(conn, shard);
    if (SP_UNLIKELY(word && sp_conn_entry(fd) != entry)) { /* closed by another thread */
        sp_turn_unsend(conn, word);
        return 0;
    }
    return word;
}

/* After it. False: nothing was done, ask sp_io_sent. */
SP_QUICK_INLINE bool sp_quick_sent(struct sp_shard *shard, ssize_t result)
{
    if (SP_UNLIKELY((size_t)result - 1 >= SP_PUSH_LARGE - 1))
        return false;
    sp_count(&shard->sent, (uint64_t)result);
    return true;
}

/* Before a receive on a connection that is idle or waits for an answer; `word` says which. False:
 * ask sp_io_receive. */
SP_QUICK_INLINE bool sp_quick_receive(uint64_t entry, int flags, size_t length, uint64_t *word)
{
    if (SP_UNLIKELY(length == 0 || (flags & ~(MSG_DONTWAIT | MSG_NOSIGNAL))) || !sp_quick_on())
        return false;
    struct sp_conn *conn = sp_conn_at(entry);
    uint64_t told;
    *word = atomic_load_explicit(&conn->word, memory_order_acquire);
    return SP_LIKELY(sp_turn_of(*word) == SP_TURN_EXCHANGE || *word == 0) &&
           sp_quick_told(conn, &told);
}

/* May it sleep for longer than its deadline? Then an alarm must stand. */
SP_QUICK_INLINE bool sp_quick_sleeps(uint64_t entry, int flags)
{
    const struct sp_conn *conn = sp_conn_at(entry);
    return conn->least != 0 && !(sp_conn_flags(conn) & SP_CONN_NONBLOCK) && !(flags & MSG_DONTWAIT);
}

/* Is the kernel's timer as sp_alarm_set would leave it, for a receive that starts now? */
SP_QUICK_INLINE bool sp_quick_alarm(const struct sp_conn *conn, uint64_t word, uint64_t started)
{
    uint32_t set = conn->alarm, least = conn->least;
    if (SP_UNLIKELY(set == 0 || set > least - (least + 7) / 8 + 1 || conn->own_receive != 0 ||
                    (sp_conn_flags(conn) & (SP_CONN_LOWAT | SP_CONN_STDIO))))
        return false;
    int64_t late = ((int64_t)set + (set + 7) / 8 - conn->limit) * (int64_t)SP_LIMIT_UNIT;
    return word == 0 || (int64_t)(started - sp_turn_since(word)) + late <= (int64_t)SP_ALARM_LATE;
}

/* After it. False: nothing was done, ask sp_io_received. */
SP_QUICK_INLINE bool sp_quick_received(uint64_t entry, uint64_t word, ssize_t result)
{
    if (SP_UNLIKELY(result <= 0))
        return false;
    uint64_t now = SP_LIKELY(word != 0) ? sp_now() : 0, told;
    struct sp_conn *conn = sp_conn_at(entry);
    if (!sp_quick_told(conn, &told))
        return false;
    struct sp_kept *kept = sp_kept_of(told);
    /* More of an answer; but another thread may have asked meanwhile. */
    if (SP_LIKELY(word != 0)
            ? SP_UNLIKELY(!sp_quick_end(conn, word, kept, now))
            : SP_UNLIKELY(atomic_load_explicit(&conn->word, memory_order_acquire) != 0))
        return false;
    sp_count(&sp_quick_shard(kept)->received, (uint64_t)result);
    return true;
}

/* What there is to do when it was not that simple. */
ssize_t sp_io_received_as(int fd, uint64_t entry, uint64_t word, int flags, ssize_t result);
/* The same under an alarm, and with the errno before it. True: it was only that, receive again. */
bool sp_io_alarmed_as(int fd, uint64_t entry, uint64_t word, uint64_t started, ssize_t *result,
                      int error);

#endif
