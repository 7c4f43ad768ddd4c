/* quick.h - a transfer of a healthy exchange, in line: what io.c does when there is nothing to it.
 * Everything unusual goes there, before the call or after it. Errno is not touched. */
#ifndef SHEARPIN_SHIM_QUICK_H
#define SHEARPIN_SHIM_QUICK_H

#include "conn/quick.h"
#include "shim/io.h"

/* Neither in a child of vfork nor in a TLS library. All else sp_quick_told() knows. */
SP_QUICK_INLINE bool sp_quick_on(void)
{
    return SP_LIKELY(sp_thread.odd <= 0); /* asked for 0, it would be kept as the 0 of others */
}

/* What a call still needs after another stays on the stack, the register that it came in being lost
 * there: to keep it in one that outlives a call takes three instructions, and most is never asked
 * for again. Naming it here moves it; after a call it says that it is still there. */
#define SP_STACK_1(a)          __asm__ volatile("" : "+m"(a))
#define SP_STACK_2(a, b)       __asm__ volatile("" : "+m"(a), "+m"(b))
#define SP_STACK_3(a, b, c)    __asm__ volatile("" : "+m"(a), "+m"(b), "+m"(c))
#define SP_STACK_4(a, b, c, d) __asm__ volatile("" : "+m"(a), "+m"(b), "+m"(c), "+m"(d))
#define SP_STACK_6(a, b, c, d, e, f) \
    __asm__ volatile("" : "+m"(a), "+m"(b), "+m"(c), "+m"(d), "+m"(e), "+m"(f))

/* May a send begin an exchange here and now? */
SP_QUICK_INLINE bool sp_quick_sends(const struct sp_conn *conn, size_t length)
{
    uint64_t word = atomic_load_explicit(&conn->word, memory_order_acquire);
    return SP_LIKELY(length < SP_PUSH_LARGE) && sp_quick_on() &&
           SP_LIKELY(sp_turn_of(word) == SP_TURN_IDLE);
}

/* Is the fd that of the connection still? It has an entry, so it is a number that the table has. */
SP_QUICK_INLINE bool sp_quick_is(int fd, uint64_t entry)
{
    return SP_LIKELY(atomic_load_explicit(&sp_here.fds[(uint32_t)fd], memory_order_acquire) ==
                     entry);
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
 * ask sp_io_receive. What it was told is looked at when there is something to be told: before, all
 * that counts is that it goes the short way at all. */
SP_QUICK_INLINE bool sp_quick_receive(const struct sp_conn *conn, int flags, size_t length,
                                      uint64_t *word)
{
    if (SP_UNLIKELY(length == 0 || (flags & ~(MSG_DONTWAIT | MSG_NOSIGNAL))) || !sp_quick_on())
        return false;
    *word = atomic_load_explicit(&conn->word, memory_order_acquire);
    return SP_LIKELY((*word & SP_TURN_ODD) == 0) &&
           SP_LIKELY(atomic_load_explicit(&conn->told, memory_order_acquire) != 0);
}

/* May it sleep for longer than its deadline? Then an alarm must stand. */
SP_QUICK_INLINE bool sp_quick_sleeps(const struct sp_conn *conn, int flags)
{
    uint32_t kept = sp_conn_flags(conn);
    return SP_UNLIKELY(kept & SP_CONN_TIMED) && !(kept & SP_CONN_NONBLOCK) &&
           !(flags & MSG_DONTWAIT);
}

/* Is the kernel's timer as sp_alarm_set would leave it, for a receive that starts now? */
SP_QUICK_INLINE bool sp_quick_alarm(const struct sp_conn *conn, uint64_t word, uint64_t started)
{
    uint64_t told;
    uint32_t set = conn->alarm, least = conn->least;
    if (SP_UNLIKELY(!sp_quick_told(conn, &told) || set == 0 || set > least - (least + 7) / 8 + 1 ||
                    conn->own_receive != 0 ||
                    (sp_conn_flags(conn) & (SP_CONN_UNTIMED | SP_CONN_STDIO))))
        return false;
    int64_t late = ((int64_t)set + (set + 7) / 8 - conn->limit) * (int64_t)SP_LIMIT_UNIT;
    return word == 0 || (int64_t)(started - sp_turn_since(word)) + late <= (int64_t)SP_ALARM_LATE;
}

/* After it, when it has got something. False: nothing was done, ask sp_io_received. */
SP_QUICK_INLINE bool sp_quick_answered(struct sp_conn *conn, uint64_t word, uint64_t now,
                                       size_t got)
{
    uint64_t told;
    return sp_quick_told_end(conn, &told) && sp_quick_end(conn, word, sp_kept_of(told), now, got);
}
/* The same while nothing was outstanding: it is more of an answer. */
bool sp_io_more(struct sp_conn *conn, size_t got);

/* What there is to do when it was not that simple. */
ssize_t sp_io_received_as(int fd, uint64_t entry, uint64_t word, int flags, ssize_t result);
/* The same under an alarm, and with the errno before it. True: it was only that, receive again. */
bool sp_io_alarmed_as(int fd, uint64_t entry, uint64_t word, uint64_t started, ssize_t *result,
                      int error);

#endif
