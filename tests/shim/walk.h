/* walk.h - a random walk over socket and fd calls; see test_differential.c. */
#ifndef TESTS_SHIM_WALK_H
#define TESTS_SHIM_WALK_H

#include "harness.h"

#include <sys/un.h>

/* One end is the walk's, the other (a number from 100 on, not guarded) does what a server might. */
struct slot {
    int fd;   /* what the calls are made on, good or not; -1: never opened */
    int peer; /* -1: none */
    int kind;
    char data[64]; /* what is received and sent */
};

enum { TCP, UNIX_STREAM, UNIX_SEQPACKET, UNIX_DGRAM, UDP, KINDS };

struct walk_call {
    const char *name;
    long (*run)(struct slot *slot);
    bool blocks; /* may wait for the peer: a signal ends it, or makes the peer do something */
};
extern const struct walk_call walk_sends[], walk_receives[], walk_waits[], walk_peers[], walk_fds[],
    walk_others[], walk_fresh[];

/* --- what calls are written with (walk_calls.c) --- */

#define CALL(name) static long name(struct slot *s __attribute__((unused)))
#ifdef __SANITIZE_THREAD__ /* it takes places that nobody has for some that threads share */
#define WILD    ((void *)((uintptr_t)0x700000000000 + ((uintptr_t)gettid() << 12)))
#define NOWHERE WILD
#else
#define WILD    ((void *)(uintptr_t)0x700000000000)
#define NOWHERE NULL
#endif
#define END               \
    {                     \
        NULL, NULL, false \
    }
int any_of(const int *from, uint32_t count);
#define ANY(...) \
    any_of((const int[]){__VA_ARGS__}, (uint32_t)(sizeof((int[]){__VA_ARGS__}) / sizeof(int)))
extern const char words[];
size_t some(void); /* how much of them */

/* --- chance, and the trace (walk.c) --- */

uint32_t pick(uint32_t below);
bool chance(uint32_t percent);
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void settle(void); /* lets the kernel deliver what a peer did */

/* --- what the peer does while a call blocks --- */

enum kick {
    KICK_INTERRUPTS, /* the handler asks for EINTR; all others restart */
    KICK_SAYS,       /* and the peer says something */
    KICK_SAYS_LATE,  /* not at the first signal */
    KICK_ENDS,       /* the peer ends its side */
    KICK_DRAINS,     /* the peer reads all there is */
    KICK_RESETS,     /* the peer resets */
    KICKS_AT_RANDOM = KICK_DRAINS
};
void kick_begin(enum kick kick, struct slot *slot);
void kick_end(void);

/* --- sockets --- */

int walk_aside(
    int fd); /* under a number from 100 on, so that the walk's own are as they would be */
socklen_t walk_listen(int kind, int *listener, struct sockaddr_storage *at); /* one of its own */
long walk_pass(int fd, int *back); /* over a unix socket; what sendmsg() returned */
int walk_open(struct slot *slot, int kind, int flags);
socklen_t walk_address(int kind, struct sockaddr_storage *to);
bool walk_stream(const struct slot *slot);
void peer_reset(struct slot *slot);

#endif
