/* wrapper.h - what the wrappers of transfers are made of. */
#ifndef SHEARPIN_SHIM_WRAPPER_H
#define SHEARPIN_SHIM_WRAPPER_H

#include "shim/quick.h"

/* A wrapper is two functions: what every other fd pays for is a look at the table and a jump. */
#define SP_OUTER(type, name, parameters, arguments, fd, next) \
    SP_OUTER_AFTER((void)0, type, name, parameters, arguments, fd, next)
/* The same with something to be done first. */
#define SP_OUTER_AFTER(first, type, name, parameters, arguments, fd, next)              \
    SP_EXPORT type name parameters                                                      \
    {                                                                                   \
        first;                                                                          \
        if (SP_UNLIKELY(sp_here_has(fd))) {                                             \
            uint64_t mine =                                                             \
                atomic_load_explicit(&sp_here.fds[(uint32_t)fd], memory_order_acquire); \
            if (mine != 0)                                                              \
                return next;                                                            \
        }                                                                               \
        __typeof__(name) *real = __atomic_load_n(&sp_real.name, __ATOMIC_RELAXED);      \
        if (SP_LIKELY(real != NULL))                                                    \
            return real arguments;                                                      \
        return guarded_##name arguments;                                                \
    }
#define SP_GUARDED(type, name, parameters, body)                    \
    static __attribute__((noinline)) type guarded_##name parameters \
    {                                                               \
        body                                                        \
    }
#define SP_WRAPPER(type, name, parameters, arguments, fd, body) \
    SP_GUARDED(type, name, parameters, body)                    \
    SP_OUTER(type, name, parameters, arguments, fd, ((void)mine, guarded_##name arguments))

/* Or three, for the calls that nearly everybody makes: between the two stands the healthy exchange,
 * which needs less room than what may become of it. `mine`, the entry of the fd, is the last
 * argument: the others stay in their registers. They stand together: a program that does much
 * between two calls has forgotten every page of code that they are on. */
#define SP_PLUS(...) (__VA_ARGS__, uint64_t mine)
#define SP_WITH(...) (__VA_ARGS__, mine)
#define SP_MIDDLE(type, name, parameters, body)                          \
    static SP_HOT __attribute__((noinline)) type name SP_PLUS parameters \
    {                                                                    \
        struct sp_conn *conn = sp_conn_at(mine);                         \
        body                                                             \
    }
#define SP_WRAPPER_HOT(type, name, parameters, arguments, fd, first, body) \
    SP_HOT __typeof__(name) name;                                          \
    SP_GUARDED(type, name, parameters, body)                               \
    SP_MIDDLE(type, quick_##name, parameters, first)                       \
    SP_OUTER(type, name, parameters, arguments, fd, quick_##name SP_WITH arguments)

/* And four for receives, with an alarm or without. */
#define SP_TURN(...) (__VA_ARGS__, uint64_t mine, uint64_t turn)
#define SP_ALARMED(type, name, parameters, body)                         \
    static SP_HOT __attribute__((noinline)) type name SP_TURN parameters \
    {                                                                    \
        struct sp_conn *conn = sp_conn_at(mine);                         \
        body                                                             \
    }
#define SP_WRAPPER_RECEIVE(type, name, parameters, arguments, fd, first, second, body) \
    SP_HOT __typeof__(name) name;                                                      \
    SP_GUARDED(type, name, parameters, body)                                           \
    SP_ALARMED(type, alarmed_##name, parameters, second)                               \
    SP_MIDDLE(type, quick_##name, parameters, first)                                   \
    SP_OUTER(type, name, parameters, arguments, fd, quick_##name SP_WITH arguments)

/* `guarded` is the same call on the long way, `stack` moves its arguments. */
#define SP_QUICK_SENDING(fd, length, stack, guarded, call)     \
    struct sp_shard *shard;                                    \
    if (SP_UNLIKELY(!sp_quick_sends(conn, length)))            \
        return guarded;                                        \
    stack;                                                     \
    struct sp_conn *asked = conn;                              \
    SP_STACK_2(mine, asked);                                   \
    uint64_t now = sp_now();                                   \
    uint64_t began = sp_quick_ask(asked, now, length, &shard); \
    if (SP_UNLIKELY(began == 0))                               \
        return guarded;                                        \
    SP_STACK_3(fd, mine, asked);                               \
    if (SP_UNLIKELY(!sp_quick_is(fd, mine))) {                 \
        sp_turn_unsend(asked, began); /* by another thread */  \
        return guarded;                                        \
    }                                                          \
    SP_STACK_2(began, shard);                                  \
    ssize_t sent = call;                                       \
    SP_STACK_4(fd, mine, began, shard);                        \
    if (SP_LIKELY(sp_quick_sent(shard, sent)))                 \
        return sent;                                           \
    return sp_io_sent_as(fd, mine, began, sent)

#define SP_QUICK_RECEIVING(fd, flags, length, guarded, alarmed, call) \
    uint64_t turn;                                                    \
    if (SP_UNLIKELY(!sp_quick_receive(conn, flags, length, &turn)))   \
        return guarded;                                               \
    if (sp_quick_sleeps(conn, flags))                                 \
        return alarmed;                                               \
    int number = fd;                                                  \
    int how = flags;                                                  \
    struct sp_conn *asked = conn;                                     \
    uint64_t word = turn;                                             \
    SP_STACK_3(number, how, mine);                                    \
    SP_STACK_2(asked, word);                                          \
    ssize_t got = call;                                               \
    SP_STACK_3(number, how, mine);                                    \
    SP_STACK_2(asked, word);                                          \
    return SP_RECEIVED(asked, word, got) ? got : sp_io_received_as(number, mine, word, how, got)
/* What was got waits on the stack for what the clock says. */
#define SP_RECEIVED(conn, word, got)                                \
    ({                                                              \
        bool done = false;                                          \
        if (SP_UNLIKELY(got > 0 && word == 0)) {                    \
            done = sp_io_more(conn, (size_t)got);                   \
        } else if (SP_LIKELY(got > 0)) {                            \
            SP_STACK_1(got);                                        \
            uint64_t now = sp_now();                                \
            SP_STACK_3(conn, word, got);                            \
            done = sp_quick_answered(conn, word, now, (size_t)got); \
        }                                                           \
        done;                                                       \
    })

#define SP_ALARM_RECEIVING(fd, stack, guarded, call)            \
    stack;                                                      \
    SP_STACK_3(mine, turn, conn);                               \
    uint64_t started = sp_now();                                \
    if (SP_UNLIKELY(!sp_quick_alarm(conn, turn, started)))      \
        return guarded;                                         \
    SP_STACK_1(started);                                        \
    int error = errno;                                          \
    SP_STACK_1(error);                                          \
    ssize_t got = call;                                         \
    SP_STACK_4(fd, mine, started, error);                       \
    SP_STACK_2(conn, turn);                                     \
    if (SP_RECEIVED(conn, turn, got))                           \
        return got;                                             \
    if (sp_io_alarmed_as(fd, mine, turn, started, &got, error)) \
        return guarded;                                         \
    return got

/* `bytes` may use `result`. */
#define SP_SENDING(fd, flags, bytes, call)                \
    struct sp_io io;                                      \
    io.harmed = false;                                    \
    uint64_t entry = sp_conn_entry(fd);                   \
    if (SP_LIKELY(entry == 0) || !sp_io_sends(fd, entry)) \
        return call;                                      \
    int error = errno;                                    \
    if (!sp_io_send(&io, fd, entry, flags))               \
        return -1;                                        \
    errno = error;                                        \
    __typeof__(call) result = call;                       \
    return (__typeof__(call))sp_io_sent(&io, result, (size_t)(bytes))

/* The same for calls that a blocking send with a deadline can be made of. */
#define SP_PUSHING(fd, length, flags, push, call)         \
    uint64_t entry = sp_conn_entry(fd);                   \
    if (SP_LIKELY(entry == 0) || !sp_io_sends(fd, entry)) \
        return call;                                      \
    struct sp_io io;                                      \
    int error = errno;                                    \
    if (!sp_io_send(&io, fd, entry, flags))               \
        return -1;                                        \
    errno = error;                                        \
    bool pushed = sp_push_wanted(&io, length, flags);     \
    ssize_t result = pushed ? push : call;                \
    if (SP_UNLIKELY(pushed) && sp_push_odd(result))       \
        result = call;                                    \
    if (result >= 0)                                      \
        errno = error;                                    \
    return sp_io_sent(&io, result, (size_t)result)

#define SP_RECEIVING(fd, flags, asked, bytes, call)                                        \
    struct sp_io io;                                                                       \
    sp_io_none(&io);                                                                       \
    uint64_t entry = sp_conn_entry(fd);                                                    \
    if (SP_LIKELY(entry == 0) || !sp_io_on(fd, entry))                                     \
        return call;                                                                       \
    int error = errno;                                                                     \
    if (!sp_io_receive(&io, fd, entry, flags))                                             \
        return -1;                                                                         \
    __typeof__(call) result;                                                               \
    do {                                                                                   \
        errno = error;                                                                     \
        result = call;                                                                     \
    } while (SP_UNLIKELY(result < 0) && sp_io_again(&io, result));                         \
    errno = result < 0 ? errno : error;                                                    \
    /* `asked` may follow the program's pointers, which are good only if the call was. */  \
    return (__typeof__(call))sp_io_received(&io, result, flags, result == 0 ? (asked) : 1, \
                                            (size_t)(bytes))

#endif
