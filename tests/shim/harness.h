/*
 * harness.h - what a scenario is made of.
 *
 * One scenario a file, named for its trap. Its victims stand beside its assertions: the test
 * program starts itself again under the shim, `/proc/self/exe --victim NAME ARGS`. A victim tells
 * what happened on stdout; how the world looked is read from the segment and counted at the
 * servers. Each test has a world of its own (a directory, a policy, a segment), so tests need no
 * order.
 */
#ifndef TESTS_SHIM_HARNESS_H
#define TESTS_SHIM_HARNESS_H

#include "base/addr.h"
#include "base/clock.h"
#include "shearpin/guard.h"
#include "shearpin/segment.h"
#include "shearpin/types.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

/* --- scenarios: main.c --- */

/* `SCENARIO(streak, opens, stays_shared)`: the suite of test_streak.c and its tests, in order. */
#define SCENARIO(name, ...)                                                \
    Suite *suite_##name(void);                                             \
    Suite *suite_##name(void)                                              \
    {                                                                      \
        return scenario(#name, (const TTest *const[]){__VA_ARGS__, NULL}); \
    }
Suite *scenario(const char *name, const TTest *const *tests);

/* What this machine cannot show; a note in the log. */
#define SKIP(why) fprintf(stderr, "# SKIP %s: %s\n", __func__, why)

/* Waits for what will happen, at most ten seconds; never for time to pass. */
#define AWAIT(condition)                                                       \
    do {                                                                       \
        uint64_t await_end = sp_now() + 10 * SP_SECOND;                        \
        while (!(condition)) {                                                 \
            ck_assert_msg(sp_now() < await_end, "never came: %s", #condition); \
            usleep(500);                                                       \
        }                                                                      \
    } while (0)

/* --- the world of one test: world.c --- */

void world_begin(void); /* a fixture of every test */
void world_end(void);
const char *world_file(const char *name); /* a path in the world's directory; three live at once */
const char *world_tool(const char *name); /* a path in the build directory: "libshearpin.so" */

/* Writes the policy; `segment test` stands first in it. */
void world_policy(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* For the victims started from now on; NULL takes the variable away. */
void world_env(const char *name, const char *value);

/* The segment belongs to a group (a number as text) from now on. */
void world_group(const char *group);

/* The segment as it is now; fails the test when there is none. */
struct sp_segment *world_segment(void);
bool world_has_segment(void);
struct sp_dest *world_dest(const char *name);
struct sp_figures world_figures(const char *dest);
struct sp_breaker_view world_breaker(const char *dest);
unsigned world_leases(const char *dest);        /* connections held by the living */
unsigned world_events(enum sp_event_kind kind); /* written so far */
unsigned world_log(char *first, size_t size);   /* lines that the shim logged, and the first */

/* --- servers: server.c. They live in the test process. --- */

enum behaviour {
    ECHO,      /* sends back what comes */
    HANG,      /* accepts and never answers */
    RESET,     /* resets as soon as a byte comes */
    EOF_EARLY, /* closes in order as soon as a byte comes */
    GREETING,  /* speaks first, then echoes */
    CLOSED,    /* bound, not listening: the kernel refuses */
    DEAF       /* listening with a full backlog: no SYN is answered, connect() never ends */
};

struct server {
    int fd;
    int family;
    _Atomic int behaviour;
    _Atomic unsigned accepted;
    _Atomic unsigned long answered; /* bytes sent back */
    uint16_t port;
    char text[128]; /* its address as policies and victims write it */
};

/* AF_INET or AF_INET6 on loopback, or AF_UNIX in the world's directory. */
struct server *server_start(int family, enum behaviour behaviour);
/* One that echoes, as the destination `d`, with these guards and this fault. */
struct server *world_faulty(const char *fault, const char *guards);
/* The same of another server, which it returns. */
struct server *world_faulty_server(struct server *server, const char *fault, const char *guards);
/* CLOSED and DEAF may become anything else, and RESET, HANG, ECHO, EOF_EARLY one another. */
void server_become(struct server *server, enum behaviour behaviour);
/* Connections accepted so far, once the backlog is known to be empty. */
unsigned server_accepted(struct server *server);

/* --- victims, from the test's side: victim.c --- */

struct victim {
    pid_t pid;
    int in;  /* its stdin */
    int out; /* its stdout */
    char line[256];
    char errors[512]; /* what was on its stderr, once it ended */
};

/* Arguments end with NULL. Runs under the shim; with `bare` without it. */
struct victim *victim_start(const char *name, ...) __attribute__((sentinel));
struct victim *victim_start_bare(const char *name, ...) __attribute__((sentinel));
/* Any program under the shim; argv[0] is its path. */
struct victim *victim_exec(char *const argv[]);
/* Victims started from now on run as this user, in no group but this one; 0 ends it. */
void victim_as(uid_t uid, gid_t group);
/* As long as a gate is shut, victims stop right before their exec; opening lets all go at once. */
void victim_gate_shut(void);
void victim_gate_open(void);

const char *victim_hear(struct victim *victim); /* its next line, "" at the end */
void victim_tell(struct victim *victim);        /* lets it pass its next victim_wait() */
int victim_end(struct victim *victim);          /* exit status, or 128 + signal */
/* From start to end: its first line. Fails the test when it exits with anything but 0, or when
 * anything stands on its stderr. */
const char *victim_says(const char *name, ...) __attribute__((sentinel));
/* Its first line is the same without the shim as with it. */
void victim_says_as_bare(const char *name, const char *address);

/* How long it was ready to run and had no processor, ns: what other work on the machine adds to any
 * time. 0 as pid: the calling thread. */
uint64_t crowded_out(pid_t pid);
/* Does the process block this signal now? */
bool victim_blocks(const struct victim *victim, int signal);

/* --- victims, from within --- */

/* Not static: two of one name are an error of the linker. */
#define VICTIM(name)                                                        \
    static int victim_##name(int argc, char **argv);                        \
    struct victim_entry victim_entry_##name = {#name, victim_##name, NULL}; \
    __attribute__((constructor)) static void victim_add_##name(void)        \
    {                                                                       \
        victim_add(&victim_entry_##name);                                   \
    }                                                                       \
    static int victim_##name(int argc __attribute__((unused)), char **argv __attribute__((unused)))

struct victim_entry {
    const char *name;
    int (*run)(int argc, char **argv);
    struct victim_entry *next;
};
void victim_add(struct victim_entry *entry);
int victim_main(int argc, char **argv); /* argv[0] is the victim's name */

void say(const char *format, ...) __attribute__((format(printf, 1, 2))); /* one line */
void pause_here(void);                                                   /* until victim_tell() */
const char *word_of(int error); /* "ok" for 0, ECONNREFUSED */

/* A socket for an address as text; `flags` as for socket(2). An IPv4 address written
 * `mapped:1.2.3.4:5` gives an IPv6 socket. Dies when there is none. */
int socket_for(const char *address, int flags, struct sockaddr_storage *to, socklen_t *length);
int dial(const char *address);       /* connected fd, or -errno */
int ask(int fd);                     /* sends a byte, waits for the answer: 0 or errno */
int start_dial(const char *address); /* O_NONBLOCK: connect() said EINPROGRESS; or -errno */
int socket_error(int fd);            /* SO_ERROR */
struct sockaddr_in;
int listen_here(struct sockaddr_in *at); /* in the victim itself, and where */
int listen_unix(const char *path);       /* the same there */
int dial_reset(void);  /* O_NONBLOCK: it stood and was reset, and nobody has asked */
int descriptors(void); /* how many are open */

/* System calls that the shim cannot see. */
long raw_call(long number, long a, long b, long c, long d, long e);

#endif
