/* shim.h - what the wrappers share. Only src/shim knows libc's signatures, errno and sleeping. */
#ifndef SHEARPIN_SHIM_SHIM_H
#define SHEARPIN_SHIM_SHIM_H

#include "shearpin/conn.h"
#include "shim/real.h"

/* --- which process are we? (process.c) --- */

/* Why a call of this thread may be none like others; both are asked at once. */
union sp_thread {
    struct {
        int vforked;    /* raised by the vfork stub, in parent and child alike */
        int tls_inside; /* raised while it is inside of any call of a TLS library */
    };
    int64_t odd;
};
extern __attribute__((visibility("hidden"))) _Thread_local union sp_thread sp_thread;
bool sp_process_vforked(void);

/* True in a vfork child: it shares our memory and must only pass through. A child of fork is made
 * at home first. Call it before anything of ours is written. */
static inline bool sp_process_foreign(void)
{
    if (SP_UNLIKELY(sp_here_forked()))
        sp_here_after_fork();
    return SP_UNLIKELY(sp_thread.vforked) && sp_process_vforked();
}

/* Has this process never had a second thread? libc says so from 2.32 on; any older one says no. */
extern __attribute__((visibility("hidden"))) const char *sp_process_told;
const char *sp_process_tell(void);
static inline bool sp_process_single(void)
{
    const char *told = __atomic_load_n(&sp_process_told, __ATOMIC_RELAXED);
    return *(const volatile char *)(SP_LIKELY(told) ? told : sp_process_tell());
}

/* Are there tables? The first who asks makes them. (start.c) */
bool sp_shim_tables(void);
static inline bool sp_shim_ready(void)
{
    return SP_LIKELY(sp_here_has(0)) || sp_shim_tables();
}

/* Shall this call, on an fd that has an entry, be looked at? */
static inline bool sp_shim_on(void)
{
    return sp_here_awake() && !sp_process_foreign();
}

/* --- sockets (socket.c) --- */

/* The outcome that an errno of a connect or transfer means; SP_OUTCOME_COUNT: it blames nobody. */
enum sp_outcome sp_socket_outcome(int error, bool connecting);
uint64_t sp_socket_cookie(int fd);
/* Is `fd` still what the connection was made of? Asked before anything is refused or cut. */
bool sp_socket_is(int fd, struct sp_conn *conn);
/* Its thread is still in connect(), and there is no peer yet to know it by. */
static inline bool sp_socket_dialling(struct sp_conn *conn, uint64_t word)
{
    return sp_turn_of(word) == SP_TURN_CONNECTING &&
           (atomic_load_explicit(&conn->cookie, memory_order_relaxed) & SP_COOKIE_PEER);
}
/* Is it connected to the peer that stands in the lower half of a sp_cookie_peer()? */
bool sp_socket_peer_is(int fd, uint64_t peer);
bool sp_socket_connected(int fd);
/* What poll() has to say of it now, of these events. errno stays. */
short sp_socket_now(int fd, short events);
static inline bool sp_socket_ready(int fd, short events)
{
    return sp_socket_now(fd, events) != 0;
}
/* TCP_INFO, of <linux/tcp.h>. False: the kernel does not say, and it is all 0. errno stays. */
struct tcp_info;
bool sp_socket_info(int fd, struct tcp_info *info);
/* As it stands in the kernel, ns; 0: none. SO_RCVTIMEO or SO_SNDTIMEO. */
uint64_t sp_socket_timeout(int fd, int option);
/* May `size` bytes (at most two pages' worth) be read at `at`? Asked before a pointer of the
 * program's is followed that the kernel has not tried yet. */
bool sp_socket_asks(uintptr_t first, uintptr_t last);
/* What lies below the main thread's stack; NULL: not known. */
extern const void *sp_socket_bottom;
#define SP_SOCKET_STACK                                                       \
    ((uintptr_t)64 << 20) /* more than any stack, less than what lies between \
                           */
/* On this thread's own stack, between here and its bottom, there is memory. The main thread's is
 * below what the kernel has put there at the start; glibc keeps what is local to any other at its
 * bottom. Far away it may be another's. */
static inline __attribute__((always_inline)) bool sp_socket_readable(const void *at, size_t size)
{
    const uintptr_t near = 1u << 16, here = (uintptr_t)&at;
    uintptr_t first = (uintptr_t)at, last = first + size - 1, bottom = (uintptr_t)&sp_thread;
    if (bottom - here > SP_SOCKET_STACK)
        bottom = (uintptr_t)sp_socket_bottom;
    return (SP_LIKELY(first >= here) && last < bottom && bottom - here <= SP_SOCKET_STACK &&
            last - here < near) ||
           sp_socket_asks(first, last);
}
/* Sleeps until the time has come. False: a signal came whose handler wants EINTR. */
bool sp_socket_sleep(uint64_t until);
/* After EINTR: would libc's plain call have gone on by itself? */
bool sp_socket_restarts(void);
/* Is there a handler that asks for a restart, of a signal that a program lives on after? */
bool sp_socket_recurs(void);

/* --- ending connections from our side (cut.c) --- */

/* A sp_due_fn: cuts what is due, unless the program could see the result already. */
void sp_cut_expire(struct sp_conn *conn, uint64_t word);
/* Cuts whatever stands as `word`; the connection is held by the caller. False: it has changed. */
bool sp_cut_as(struct sp_conn *conn, uint64_t word, enum sp_outcome outcome, int error);
/* Cuts an idle connection that a guard refuses. */
void sp_cut_refused(int fd, uint64_t entry, int error);
/* The fd of a connection that turned out to be a stranger's: forget it. */
void sp_cut_forget(int fd, uint64_t entry);

/* Wakes those who sleep before a cap: a sp_call's wake (await.c). */
void sp_await_wake(sp_half *bell, uint32_t bits);

/* Does a fault of no destination strike this call? Then errno is what it ends with. (loose.c) */
bool sp_loose_strikes(uint8_t stage);
static inline bool sp_loose(uint8_t stage)
{
    return SP_UNLIKELY(sp_here_loose(stage)) && sp_loose_strikes(stage);
}

/* --- fds (fd.c) --- */

/* A number that libc just handed out means nothing yet. */
static inline int sp_fd_fresh(int fd)
{
    extern void sp_fd_clear(int);
    if (fd >= 0 && SP_UNLIKELY(sp_conn_entry(fd) != 0 ||
                               (sp_here_has(fd) &&
                                __atomic_load_n(&sp_here.kinds[fd], __ATOMIC_RELAXED) != 0)))
        sp_fd_clear(fd);
    return fd;
}
/* Takes the fd off the table before its real close; the connection, or NULL when it is not ours. */
struct sp_conn *sp_fd_leave(int fd, uint64_t entry);
/* After the real close. */
void sp_fd_left(struct sp_conn *conn);
/* Every fd from `first` to `last` that has an entry. */
void sp_fd_each(unsigned first, unsigned last, void (*what)(int fd, uint64_t entry));

/* With `scope endpoint`: the address to connect to, `address` or another of its name in `room`; the
 * connection and the call know its breaker from now on. (detour.c) */
const struct sockaddr *sp_detour(int fd, struct sp_conn *conn, struct sp_call *call,
                                 const struct sockaddr *address, socklen_t *length,
                                 struct sockaddr_storage *room);

/* The outcome of a pending connect becomes known: `error` 0 is success. Ends it when it failed. */
void sp_connect_learnt(int fd, uint64_t entry, int error);

/* One line into syslog and the file that SHEARPIN_LOG names; never to fds 0..2. (say.c) */
void sp_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
