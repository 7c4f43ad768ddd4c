/* connect.h - one connect() on its way through: connect.c, and blocking.c for those that block. */
#ifndef SHEARPIN_SHIM_CONNECT_H
#define SHEARPIN_SHIM_CONNECT_H

#include "shim/shim.h"
#include "shim/way.h"

#include <sys/time.h>

struct attempt {
    int fd;
    const struct sockaddr *address;
    socklen_t length;
    const struct sockaddr *wanted; /* by the program */
    socklen_t wanted_length;
    struct sp_conn *conn;
    uint64_t entry; /* of the fd */
    uint64_t word;  /* the turn */
    uint64_t due;   /* SP_NEVER: no deadline */
    uint32_t drawn; /* of `enforce N%`: sp_conn.drawn */
    struct sp_way way;
    uint64_t delay; /* injected: the result is not to be seen earlier */
    bool local;     /* a unix socket */
    bool blocking;
    bool untimed;                   /* it is known that the program has set no SO_SNDTIMEO */
    struct sockaddr_storage *other; /* room for where it goes while its own address is out */
    bool swallowed;                 /* injected: it is never answered */
    int fault;                      /* injected: what the network is to have said; 0: nothing */
    bool refused;                   /* a guard said no: this try was not made */
    int failed; /* what the network said to it; 0: nothing, or it is not known yet */
    /* over all tries of the call: */
    uint32_t aside; /* fallbacks that it went to; 0: none */
    enum sp_when when;
    bool again;     /* the policy has retries */
    uint64_t began; /* the first that was made; 0: none was */
    uint64_t cookie;
    uint64_t own;   /* the program's own SO_SNDTIMEO ends the later ones */
    uint64_t until; /* they wait for nothing beyond it */
};

/* What faults make of a connect that was admitted; and the connect itself, or what stands for it.
 * (inject.c) */
void sp_inject(struct attempt *a, const struct sp_call *call);
int sp_inject_connect(struct attempt *a);
/* The kernel's connect within the deadline, the program's own limit, and EINTR as libc has it. */
int sp_connect_blocking(const struct attempt *a);
/* The same when the kernel has said `result` to its first call, under the timer; the program's own
 * one was `own`, and ends it then. */
int sp_connect_begun(const struct attempt *a, uint64_t own_until, const struct timeval *own,
                     int result);
/* Before a connect of TCP it stands at 7/8 of what there is. */
static inline void sp_connect_alarm(int fd, uint64_t ns)
{
    uint64_t us = ns < SP_MS ? 1000 : ns / SP_US; /* 0 would mean for ever */
    struct timeval time = {(time_t)(us / 1000000), (suseconds_t)(us % 1000000)};
    REAL(setsockopt)(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
}
/* Injected latency holds the result back, whatever it is; a deadline that ends first wins. */
int sp_connect_delay(const struct attempt *a, int result);
/* When the program's own SO_SNDTIMEO ends a connect that begins now; SP_NEVER: it has none. */
uint64_t sp_connect_limit(int fd, struct timeval *own);

/* --- attempt.c --- */

/* SO_COOKIE, asked only of what is going to be connected: a refusal needs no system call. */
uint64_t sp_attempt_identify(const struct attempt *a);
/* The try itself, once admitted. */
int sp_attempt_run(struct attempt *a, const struct sp_call *call,
                   const struct sp_admission *admission);
/* Refused by a guard, or, with an `admission`, by an injected fault: nothing is sent or kept. */
int sp_attempt_refuse(struct attempt *a, const struct sp_call *call, struct sp_admission *admission,
                      int error);
/* Nothing is connected any more: the next connect() on the socket is a new attempt. */
void sp_attempt_forget(int fd, uint64_t entry);

/* The kernel has said `result` and errno to a connect that stands in the table: what the program is
 * told. */
int sp_connect_told(struct attempt *a, const struct sp_call *call, int result);

/* The short way (short.c). False: nothing was done. */
bool sp_connect_short(int fd, const struct sockaddr *address, socklen_t length, int *result);

#endif
