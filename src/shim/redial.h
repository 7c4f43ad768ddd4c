/* redial.h - one connect() of the program's over all of its tries (redial.c), and those of them
 * that are pending while the program waits (pending.c, watch.c, mute.c). */
#ifndef SHEARPIN_SHIM_REDIAL_H
#define SHEARPIN_SHIM_REDIAL_H

#include "shim/connect.h"
#include "shim/mute.h"
#include "shim/wait.h"

#include <netinet/in.h>

struct sp_dial {
    struct sp_retry retry;
    uint64_t cookie; /* of the socket: a stranger on its number is nobody's to dial */
    uint32_t dest;
    uint32_t drawn; /* of `enforce N%`: sp_conn.drawn */
    int error;      /* the last that the network gave */
    bool local;     /* a unix socket */
};

enum sp_next {
    SP_NEXT_NONE, /* the error stands */
    SP_NEXT_AGAIN /* the same address, when the time has come */
};

/* The one place that says what comes after a try that failed with `error`. */
enum sp_next sp_dial_next(struct sp_dial *dial, int error, uint64_t *at);
/* The first try began then; the program's own limit (SO_SNDTIMEO) ends it all at `own`. */
void sp_dial_begin(struct sp_dial *dial, uint64_t began, uint64_t own);
/* A try that sp_dial_next had allowed was refused by a guard, or connected. */
void sp_dial_refused(struct sp_dial *dial);
void sp_dial_succeeded(const struct sp_dial *dial);

/* Makes the socket one that was never connected; its options and its bound port stay. False: it
 * cannot be dialled again, or is another's by now. */
bool sp_dial_clear(const struct sp_dial *dial, int fd);

/* --- connects that are pending: pending.c --- */

/* What is known of a connection with SP_CONN_RETRY: by its index, in a table of its own. */
struct sp_pending {
    struct sp_dial dial;
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    } to;
    socklen_t length;
    uint32_t aside; /* fallbacks that it went to; `to` is the last of them; 0: none */
    enum sp_when when;
    struct sp_mute mute; /* of an epoll that must not see the rest */
};
struct sp_pending *sp_pending_of(const struct sp_conn *conn);

/* Before a non-blocking connect goes out that may be tried again. */
void sp_pending_begin(struct attempt *a, const struct sp_call *call);
/* It stands, or the program heard of its failure before we did. */
void sp_pending_learnt(struct sp_conn *conn, int error);
/* It was seen to be ready, or to have `hung` up: the kernel says that it failed, or it came up
 * against its deadline. True: it rests, and the program must not see it. False: nothing has
 * changed, or it failed for good. */
bool sp_pending_failed(struct sp_conn *conn, int fd, bool hung);
/* The same of a connect that failed at once. False: the program is told so at once. */
bool sp_pending_refused(struct sp_conn *conn, uint64_t entry, int fd, int error);
bool sp_pending_late(struct sp_conn *conn, uint64_t word, int fd);
/* Its rest is over: it is tried again. */
void sp_pending_due(struct sp_conn *conn, uint64_t word);
/* Somebody sees it where we cannot hide it: the error that stands ends it. */
void sp_pending_end(struct sp_conn *conn);

/* The connection of an fd, if it is pending so; it may be resting. Held by nobody. */
static inline struct sp_conn *sp_pending_at(int fd)
{
    uint64_t entry = sp_conn_entry(fd);
    struct sp_conn *conn = entry ? sp_conn_at(entry) : NULL;
    return conn && (sp_conn_flags(conn) & SP_CONN_RETRY) ? conn : NULL;
}
static inline bool sp_pending_rests(const struct sp_conn *conn)
{
    return sp_turn_of(atomic_load(&conn->word)) == SP_TURN_RESTING;
}

/* --- what waits see of them: watch.c --- */

/* What was seen of an fd: nothing yet, that it is ready, an error or a hang-up. Does it belong to a
 * connect that rests, or begins to? Then the wait must not show it. */
enum sp_watch { SP_WATCH_ASKED, SP_WATCH_READY, SP_WATCH_HUNG };
bool sp_watch_hides(int fd, enum sp_watch seen);
/* The events of an epoll_wait without those that must not be seen; returns how many are left. */
int sp_watch_epoll(int epoll, struct epoll_event *events, int count, const struct wait *w);

#endif
