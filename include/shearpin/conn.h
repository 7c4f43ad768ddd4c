/*
 * conn.h - what this process knows of its fds: which of them are guarded connections, what is
 * outstanding on each, when that is due, and which names its addresses have. Source: src/conn.
 *
 * No locks and no allocation after sp_here_start; every function is safe in signal handlers.
 * A vfork child shares this memory and must not come here (src/shim sees to it).
 */
#ifndef SHEARPIN_CONN_H
#define SHEARPIN_CONN_H

#include "shearpin/fault.h"
#include "shearpin/guard.h"

#define SP_CONNS_MAX  65536u
#define SP_FAULTS_MAX 8u
#define SP_NO_CONN    UINT32_MAX

/* The word of a connection: one 64-bit atomic. 0: nothing is outstanding. Else a kind in the low
 * three bits, and above them the time since when (ns, the low bits cut off), or for CUT the errno
 * that every call gets from then on. */
enum sp_turn {
    SP_TURN_IDLE,
    SP_TURN_CONNECTING, /* a connect that has not been heard of yet */
    SP_TURN_STARTING,   /* an exchange is being admitted; nothing was sent */
    SP_TURN_QUIET,      /* answered; silence from here on is bounded by `deadline idle` */
    SP_TURN_EXCHANGE,   /* sent, not answered; alone with IDLE has it no bit of SP_TURN_ODD */
    SP_TURN_CUT,
    SP_TURN_RESTING /* a connect has failed; the limit of the turn is when it is tried again */
};

#define SP_TURN_ODD 3u

static inline uint64_t sp_turn_word(enum sp_turn turn, uint64_t since)
{
    return (since & ~UINT64_C(7)) | turn;
}
static inline enum sp_turn sp_turn_of(uint64_t word)
{
    return (enum sp_turn)(word & 7);
}
/* Rounded up, so that nothing is ever due early. */
static inline uint64_t sp_turn_since(uint64_t word)
{
    return word | 7;
}
static inline uint64_t sp_turn_cut(int error)
{
    return (uint64_t)error << 3 | SP_TURN_CUT;
}
static inline int sp_turn_error(uint64_t word)
{
    return (int)(word >> 3);
}

enum {
    SP_CONN_NONBLOCK = 1,    /* as last seen; never changed by us */
    SP_CONN_UNIX = 2,        /* a unix socket: cut by shutdown() */
    SP_CONN_INHERITED = 4,   /* from the parent, and not used here yet: never scanned, never cut */
    SP_CONN_FRESH = 8,       /* the permit of the connect still waits for the first answer */
    SP_CONN_ONEWAY = 16,     /* `exchange none`: nothing is ever outstanding */
    SP_CONN_REPORTED = 32,   /* the program was told of the cut: a further connect() is a new one */
    SP_CONN_TOTAL = 64,      /* the limit of this turn is what is left of `deadline total` */
    SP_CONN_STDIO = 128,     /* has a FILE: nobody of us stands between it and the kernel */
    SP_CONN_LOWAT = 256,     /* SO_RCVLOWAT is above 1: a timer would give less than that */
    SP_CONN_CAPPED = 512,    /* `cap inflight`: no byte may go before its exchange has a place */
    SP_CONN_RETRY = 1024,    /* a pending connect that may be tried again: sp_due_watch() */
    SP_CONN_TALLIED = 2048,  /* it counts among those that stand on its arm */
    SP_CONN_FALLBACK = 4096, /* it goes to a fallback: only the deadlines are its destination's */
    SP_CONN_PINNED = 8192,   /* a duplicate may stand: a close() waits for it (pin.c) */
    SP_CONN_HELD = 16384,    /* something of it is not to be seen yet: held.h */
    SP_CONN_HARMED = 32768,  /* injected: its data or its end are not what they were: harm.h */
    SP_CONN_TIMED = 65536, /* `least` is not 0: its exchanges have limits, its receives an alarm */
    SP_CONN_LIMITED = 131072, /* `limit` is not that of an exchange as it begins */
    SP_CONN_TELLS = 262144,   /* its answers are told to more than a histogram: sp_quick_tells() */
    SP_CONN_ARM = 524288,     /* it may stand on an arm, whose breaker is asked, too */
    SP_CONN_LENT = 1048576,   /* another program may have it as well, and must not find our timer */
    SP_CONN_STAYS = 2097152,  /* the timer of its connect still stands, for its sends: stay.h */
    SP_CONN_UNTIMED = SP_CONN_LOWAT | SP_CONN_LENT /* no timer of ours may end its receives */
};

#define SP_LIMIT_UNIT (100 * SP_US)

/* In place of a cookie that nobody has needed yet: the peer, by which it is known until then.
 * Generation:15 port:16 IPv4 address:32, as the socket's address has them. */
#define SP_COOKIE_PEER (UINT64_C(1) << 63)
static inline uint64_t sp_cookie_peer(uint32_t generation, uint16_t port, uint32_t ip)
{
    return SP_COOKIE_PEER | (uint64_t)(generation & 0x7fff) << 48 | (uint64_t)port << 32 | ip;
}

/* The first line is what every exchange touches; the second what deadlines need, and what begins
 * and ends a connection. Limits are in SP_LIMIT_UNIT; 0: none. */
struct sp_conn {
    sp_word word;
    sp_word permit; /* struct sp_permit, packed; belongs to whoever ends the turn */
    sp_word told;   /* sp_kept_told() of the guards whose limits these are; 0: ask at length */
    sp_half flags;
    sp_half content;    /* sp_quick_content() of the breaker that gave the permit */
    uint16_t dest;      /* index of the destination's state */
    uint16_t drawn;     /* for `enforce N%`: sp_share_draw() + 1, 0: not yet */
    sp_half references; /* fds and calls that hold it; 0: free */
    sp_half generation;
    sp_half fd;     /* one of its fds; while it is free, the next free one, index + 1 */
    uint32_t lease; /* place in the cap, SP_NO_LEASE */
    sp_half limit;  /* of this turn */
    sp_half hold;   /* injected: so much later is the answer seen than it came */
    sp_half least;  /* the shortest limit that a blocking receive must notice */

    sp_word blocked;     /* when bytes last went that may still be queued; 0: none may */
    uint64_t began;      /* the connect, for `deadline total` */
    sp_word cookie;      /* SO_COOKIE: tells a stranger on our number; or SP_COOKIE_PEER */
    sp_half idle;        /* `deadline idle` */
    sp_half send;        /* `deadline send` */
    sp_half alarm;       /* SO_RCVTIMEO as we have set it */
    sp_half own_receive; /* the program's own SO_RCVTIMEO, ms */
    sp_half queued;      /* of them at the first look, + 1; 0: not looked yet */
    sp_half response;    /* of this exchange: more of a request begins it anew */
    sp_half total;       /* what was left of `deadline total` as the exchange began, 0: no limit */
    uint32_t claim;      /* the place that the turn holds if its permit says so; claim.c */
    struct sp_aim aim;   /* at the endpoint, with `scope endpoint` */
};
_Static_assert((int)SP_FAULT_COUNT <= (int)SP_INJECTED && (int)SP_ORDINAL_COUNT <= (int)SP_ORDINALS,
               "the segment counts them");
_Static_assert(offsetof(struct sp_conn, blocked) == SP_CACHELINE, "the hot line of a connection");
_Static_assert(sizeof(struct sp_conn) == 2 * SP_CACHELINE, "two lines a connection");

/* --- the process: src/conn/here.c --- */

/* A destination's guards as they are in force for this process: src/conn/kept.c. */
struct sp_kept {
    _Alignas(SP_CACHELINE) sp_word word; /* the policy's, plus 1; 0: none, above 1 << 63: filling */
    sp_word retired;                     /* when it was seen to be out of force; 0: not yet */
    uint32_t response;                   /* its deadline, in SP_LIMIT_UNIT */
    uint32_t connect;                    /* the same of connects */
    struct sp_dest *dest;
    _Atomic(struct sp_shard *) shard; /* this process's, since a connection was told */
    sp_word spot;    /* pid:32 and its point between arms:32; of the even copy, for both: way.c */
    sp_word *places; /* of the cap on connections */
    uint32_t place_room;  /* of them: more than the policy has in force, perhaps */
    uint32_t place_count; /* 0: there is no such cap */
    sp_half place;        /* the one that this process gave back last */
    bool plain;           /* a healthy exchange may go the short way: quick.h */
    bool tells;           /* and then sp_quick_tells() */
    bool connects;        /* and so may a connect */
    struct sp_guards guards;
};

/* A thread that sleeps in one of our wrappers, for whoever may look (src/conn/sleeper.c). */
enum sp_asleep { SP_ASLEEP_PLACE, SP_ASLEEP_RATE, SP_ASLEEP_RETRY, SP_ASLEEP_INJECTED };
#define SP_SLEEPERS 64u
struct sp_sleeper {
    sp_half tid; /* 0: free */
    sp_half why; /* enum sp_asleep */
    uint32_t dest;
    int32_t fd;
    uint64_t since; /* monotonic ns */
};

struct sp_here {
    /* one line, to the first word of the segment's: what every exchange reads */
    _Alignas(SP_CACHELINE)
        sp_half *off; /* 1 while the shim sleeps; points into the segment once there is one */
    sp_word *fds;     /* fd -> generation << 32 | index + 1, 0: not guarded */
    uint32_t fd_max;  /* 0 until there are tables: then every look-up says no */
    uint32_t fd_room; /* what it is going to be; 0: not started */
    struct sp_conn *conns;
    struct sp_kept *kept; /* two a destination, one for either policy area */
    uint32_t *alive;      /* a page that is wiped on fork: 0 tells a child in one load */
    struct sp_segment segment;

    sp_half fd_high;   /* above all fds that ever had an entry */
    sp_half conn_high; /* above all connections in use so far */
    uint8_t *kinds;    /* fd -> what its socket is, 0: not known; src/shim/kind.h */
    sp_half kind_high; /* above all fds that were ever known */
    uint32_t pid;
    struct sp_override *overrides; /* SP_OVERRIDES_MAX */
    size_t override_count;
    struct {
        char destination[SP_NAME_SIZE];
        struct sp_fault fault;
    } faults[SP_FAULTS_MAX];
    size_t fault_count;
    sp_half *loose; /* stages of faults that are of no destination: the segment's word; where there
                       is one of our own, all of them, for live ones come and go beside it */
    void (*wake)(sp_half *bell, uint32_t bits); /* of those who sleep before a cap */
    uint64_t deadline;           /* of the whole program: SHEARPIN_DEADLINE, SP_NEVER: none */
    struct sp_sleeper *sleepers; /* SP_SLEEPERS */
};
_Static_assert(offsetof(struct sp_here, segment.head) < SP_CACHELINE, "one line");
/* -fvisibility=hidden says nothing of what is only declared: without it, every look goes by the
 * global offset table. */
extern __attribute__((visibility("hidden"))) struct sp_here sp_here;

/* Apart from what every start writes: that is to be one page. */
extern __attribute__((visibility("hidden"))) struct sp_override sp_overrides[SP_OVERRIDES_MAX];
extern __attribute__((visibility("hidden"))) struct sp_sleeper sp_sleepers[SP_SLEEPERS];

/* From here on this thread sleeps; NULL: there is no room to say so. */
struct sp_sleeper *sp_sleeper_enter(enum sp_asleep why, uint32_t dest, int fd, uint64_t since);
void sp_sleeper_leave(struct sp_sleeper *sleeper);

/* Is it a number that the tables have? They stand before fd_max does, whichever thread makes them:
 * so nothing of them is read before it. Costs nothing where loads are in order anyway. */
static inline __attribute__((always_inline)) bool sp_here_has(int fd)
{
#ifdef __SANITIZE_THREAD__ /* it knows no fences */
    return (uint32_t)fd < __atomic_load_n(&sp_here.fd_max, __ATOMIC_ACQUIRE);
#endif
    bool has = (uint32_t)fd < sp_here.fd_max;
    if (has)
        atomic_thread_fence(memory_order_acquire);
    return has;
}

/* The shim is awake: two loads. */
static inline bool sp_here_awake(void)
{
    return atomic_load_explicit(sp_here.off, memory_order_relaxed) == 0;
}

/* The segment must be attached and joined already. */
void sp_here_start(uint32_t fd_max);
/* Reserves the tables, when something first needs them: most programs never make a socket. LOST:
 * there is no memory for them, so the shim sleeps from now on. */
enum sp_here_tables { SP_TABLES_NONE, SP_TABLES_THERE, SP_TABLES_LOST };
enum sp_here_tables sp_here_tables(void);
/* True in a child of fork that has not been here yet. */
static inline bool sp_here_forked(void)
{
    return *(volatile uint32_t *)__atomic_load_n(&sp_here.alive, __ATOMIC_ACQUIRE) == 0;
}
/* Drops what only the parent owns: nothing is outstanding, no lease is ours. Takes a slot. */
void sp_here_after_fork(void);

/* The guards of a destination in force, overrides included, copied once a generation; good for a
 * call, not over a sleep. NULL: sp_kept_ask() has to look, and may have to use the `room` given; it
 * says false when the policy does not name the destination (any more), which is SP_MODE_OFF. */
static inline struct sp_kept *sp_kept_at(uint32_t dest, uint64_t word)
{
    return &sp_here.kept[dest * 2 + (uint32_t)(word & 1)];
}
/* What stands on the page that fork wipes. A policy's word is its generation, and the area that
 * takes turns: 3, 4, 7, 8, 11... So this much more is no policy's own, in a child of fork either.
 */
#define SP_HERE_ALIVE 2u
/* Which copy and of which policy, in one word: its offset, and the lower half of its word and that.
 */
static inline uint64_t sp_kept_told(const struct sp_kept *kept, uint64_t policy)
{
    return (uint64_t)((const char *)kept - (const char *)sp_here.kept) << 32 |
           (uint32_t)(policy + SP_HERE_ALIVE);
}
static inline struct sp_kept *sp_kept_of(uint64_t told)
{
    return (struct sp_kept *)((char *)sp_here.kept + (told >> 32));
}
static inline struct sp_kept *sp_kept_now(uint32_t dest)
{
    uint64_t word = atomic_load_explicit(&sp_here.segment.head->policy, memory_order_acquire);
    struct sp_kept *kept = sp_kept_at(dest, word);
    uint64_t seen = atomic_load_explicit(&kept->word, memory_order_acquire);
    return seen == word + 1 && seen != 0 ? kept : NULL;
}
bool sp_kept_ask(uint32_t dest, struct sp_guards *room, const struct sp_guards **guards);
/* Do these guards, and what this process adds to them, leave a healthy exchange alone? */
bool sp_quick_plain(const struct sp_guards *guards);

/* A question to the guards about a destination. False: the destination is off, disabled or no
 * longer in the policy: straight to libc; what was admitted earlier can still be settled when
 * call->dest is not NULL. `room` must live as long as `call`: its guards may stand there. */
bool sp_here_call(struct sp_call *call, uint32_t dest, uint32_t conn, uint64_t now,
                  struct sp_guards *room);
/* Before a sleep: the call keeps the guards that it has. */
static inline void sp_here_own(struct sp_call *call, struct sp_guards *room)
{
    if (call->guards != room)
        *room = *call->guards;
    call->guards = room;
}
/* The destination of an address, or -1. Counts what no destination takes. */
int sp_here_route(const struct sp_addr *address);
/* The same for who does not connect: nothing is counted or learnt. */
int sp_here_destination(const struct sp_addr *address);
/* The destination of a name that is to be looked up, `port` 0 if it is not known; or -1. */
int sp_here_route_name(const char *name, uint16_t port);
/* Can there be any faults for a call with these guards? Asked first, since mostly there are none.
 */
static inline bool sp_here_injects(const struct sp_call *call)
{
    uint32_t odd = atomic_load_explicit(&call->dest->odd, memory_order_relaxed);
    return __builtin_expect((sp_here.fault_count | odd) != 0, 0);
}
/* A call begins or ends on a target of a live experiment: is there a reason to stop it? */
void sp_here_chaos(uint64_t now);
/* What the injected faults do to a call of this destination: those of all `stages` that are decided
 * at once, by one ordinal; it is taken if there are any. */
void sp_here_faults(const struct sp_call *call, uint8_t stages, struct sp_fault_act *act);
/* The same where no destination is known. */
static inline bool sp_here_loose(uint8_t stage)
{
    return __builtin_expect(atomic_load_explicit(sp_here.loose, memory_order_relaxed) & stage, 0);
}
/* The errno that such a call ends with; 0: none. */
int sp_here_fault_loose(uint8_t stage);
/* A fault of this process alone, on a destination or on all: `*`. */
int sp_here_inject(const char *destination, size_t length, const char *fault,
                   struct sp_error *error);

/* --- fds and connections: src/conn/table.c --- */

static inline uint64_t sp_conn_entry(int fd)
{
    if (!sp_here_has(fd))
        return 0;
    return atomic_load_explicit(&sp_here.fds[fd], memory_order_acquire);
}
static inline struct sp_conn *sp_conn_at(uint64_t entry)
{
    return &sp_here.conns[(uint32_t)entry - 1];
}
static inline uint32_t sp_conn_index(const struct sp_conn *conn)
{
    return (uint32_t)(conn - sp_here.conns);
}

static inline void sp_table_raise(sp_half *high, uint32_t to)
{
    uint32_t seen = atomic_load_explicit(high, memory_order_relaxed);
    while (seen < to && !atomic_compare_exchange_weak(high, &seen, to))
        ;
}

/* What only some connections have stands in a table of its own, a row a connection. The first of
 * them in a process reserves it; what is not used costs nothing. False: there is no memory. */
typedef _Atomic(void *) sp_table;
bool sp_table_reserve(sp_table *table, size_t each);
static inline void *sp_table_row(sp_table *table, size_t each, const struct sp_conn *conn)
{
    return (char *)atomic_load_explicit(table, memory_order_acquire) + each * sp_conn_index(conn);
}

/* A free connection with one reference, held by the caller; NULL when all are taken. */
struct sp_conn *sp_conn_new(void);
/* One more reference to the connection as it was in `generation`, so that it stays itself until
 * sp_conn_drop(). False: it is over, nothing was done. */
bool sp_conn_hold(struct sp_conn *conn, uint32_t generation);
/* Makes `fd` name the connection: a reference as above. */
bool sp_conn_install(int fd, struct sp_conn *conn, uint32_t generation);
/* The same with the caller's own reference: the fd, below sp_here.fd_max, has it from now on. */
void sp_conn_give(int fd, struct sp_conn *conn);
/* Takes `fd` off the table if it still is `entry`. True: the caller has its reference now. */
bool sp_conn_remove(int fd, uint64_t entry);
/* Gives a reference back; true when that was the last: nobody else can take one any more, and the
 * caller must sp_turn_over() it. */
bool sp_conn_drop(struct sp_conn *conn);
/* The end of sp_turn_over(): free to be somebody else's. */
void sp_conn_free(struct sp_conn *conn);

/* What is left of the call's guards on this connection: under `enforce N%` its side is drawn once,
 * and an observed one has no deadlines; such guards stand in `room`. Called wherever something
 * begins on it. */
void sp_conn_side_of(struct sp_conn *conn, struct sp_call *call, struct sp_guards *room);
static inline void sp_conn_side(struct sp_conn *conn, struct sp_call *call, struct sp_guards *room)
{
    if (call->guards->mode != SP_MODE_ENFORCE || call->guards->share != 0)
        sp_conn_side_of(conn, call, room);
}

static inline uint32_t sp_conn_generation(const struct sp_conn *conn)
{
    return atomic_load_explicit(&conn->generation, memory_order_relaxed);
}
static inline uint32_t sp_conn_flags(const struct sp_conn *conn)
{
    return atomic_load_explicit(&conn->flags, memory_order_relaxed);
}
static inline void sp_conn_mark(struct sp_conn *conn, uint32_t flag, bool on)
{
    uint32_t flags = sp_conn_flags(conn);
    if (on && (flags & flag) != flag)
        atomic_fetch_or_explicit(&conn->flags, flag, memory_order_relaxed);
    else if (!on && (flags & flag) != 0)
        atomic_fetch_and_explicit(&conn->flags, ~flag, memory_order_relaxed);
}

/* --- turns: src/conn/turn*.c --- */

/* A connect was admitted: `admission` is kept, the turn stands as CONNECTING since call->now. */
void sp_turn_connect(struct sp_conn *conn, const struct sp_call *call,
                     const struct sp_admission *admission);
/* It came out. An OK keeps the permit for the first exchange. False: not CONNECTING as `word`. */
bool sp_turn_connected(struct sp_conn *conn, uint64_t word, enum sp_outcome outcome, uint64_t now);

/* Asks for a new exchange on an idle connection. SP_PASS with `*began` set: the word is ours, give
 * it to sp_turn_sent. SP_PASS with 0: another has begun one, or nothing is to be tracked. `wait` is
 * NULL for a send that must not wait. */
enum sp_verdict sp_turn_ask(struct sp_conn *conn, uint64_t now, struct sp_wait *wait,
                            uint64_t *began);
/* Who waited asks no more. */
void sp_turn_leave(const struct sp_conn *conn, struct sp_wait *wait);
/* The send of who began failed to send anything: the turn is taken back. */
void sp_turn_unsend(struct sp_conn *conn, uint64_t began);
/* Ends the exchange that stands as `word`. False: another was faster, and owns it. */
bool sp_turn_end(struct sp_conn *conn, uint64_t word, enum sp_outcome outcome, uint64_t now);
/* Ends any turn by cutting: every later call on the connection gets `error`. */
bool sp_turn_cut_as(struct sp_conn *conn, uint64_t word, enum sp_outcome outcome, int error,
                    uint64_t now);
/* A byte came in the middle of an answer, or the connection ended: silence begins anew, or stops.
 */
void sp_turn_heard(struct sp_conn *conn, uint64_t word, bool more, uint64_t now);
/* More of a request went: silence counts from here on, within what is left of `total`. */
void sp_turn_more(struct sp_conn *conn, uint64_t word, uint64_t now);
/* Too early to say: the turn that stands as `word` is due `ns` from now; 0: never. */
void sp_turn_later(struct sp_conn *conn, uint64_t word, uint64_t now, uint64_t ns);
/* Bytes went (`moved`), or found no room: from here on the peer has `deadline send` to take some.
 */
void sp_turn_pushed(struct sp_conn *conn, bool moved);
/* How a conversation came out that nobody saw: through a FILE, its end is all that is known.
 * Settles what the connect was admitted with. */
void sp_turn_unseen(struct sp_conn *conn, enum sp_outcome outcome, uint64_t now);
/* The last reference is gone and the real close is done: what is outstanding was abandoned, permit
 * and lease go back, the connection is free. */
void sp_turn_over(struct sp_conn *conn, uint64_t now);

/* --- a connect between two tries: src/conn/rest.c --- */

/* The connect that stands as `word` came out as a failure; what it was admitted with is settled and
 * given back. True makes the caller the one who says what follows, as sp_rest_end() does; or, with
 * `error`, it is over and every call is told so. False: another was faster, and owns it. */
bool sp_rest_begin(struct sp_conn *conn, uint64_t word, enum sp_outcome outcome);
bool sp_rest_fail(struct sp_conn *conn, uint64_t word, enum sp_outcome outcome, int error);
/* The rest is over: true makes the caller the one who tries again. It says how that went by
 * sp_turn_connect(), or by one of these: it rests for `ns`; it has failed. */
bool sp_rest_end(struct sp_conn *conn, uint64_t word);
/* How many have begun to end so, and are over: what a wait saw in between may be of one of them. */
extern __attribute__((visibility("hidden"))) sp_half sp_rests_ending, sp_rests_ended;
void sp_rest_forked(void);
void sp_rest_for(struct sp_conn *conn, uint64_t ns);
void sp_rest_over(struct sp_conn *conn, int error);

/* --- the places that a turn and its connection hold: src/conn/claim.c --- */

#define SP_CLAIM_INDEX 0xffffffu /* of a claim: the place; above it: which cap */

/* Before the turn stands: notes the place of `cap` in the connection and its permit. */
static inline void sp_claim_keep(struct sp_conn *conn, struct sp_permit *permit, enum sp_cap cap,
                                 const struct sp_admission *admission)
{
    permit->leased = admission->places[cap] != SP_NO_LEASE;
    if (permit->leased)
        conn->claim = (uint32_t)cap << 24 | (admission->places[cap] & SP_CLAIM_INDEX);
}
/* To be read before the turn ends, with its permit, and given back by whoever ended it. */
static inline uint32_t sp_claim_of(const struct sp_conn *conn, const struct sp_permit *permit)
{
    return permit->leased ? conn->claim : SP_NO_LEASE;
}
void sp_claim_give(const struct sp_conn *conn, uint32_t dest, uint32_t claim);
static inline void sp_claim_end(const struct sp_conn *conn, uint32_t dest, uint32_t claim)
{
    if (claim != SP_NO_LEASE)
        sp_claim_give(conn, dest, claim);
}
/* The connection's own lease goes back, if it has one. */
void sp_claim_give_at(const struct sp_conn *conn, uint32_t dest, enum sp_cap cap, uint32_t index,
                      uint64_t now);
static inline void sp_claim_leave(struct sp_conn *conn, uint64_t now)
{
    if (conn->lease != SP_NO_LEASE)
        sp_claim_give_at(conn, conn->dest, SP_CAP_CONNECTIONS, conn->lease, now);
    conn->lease = SP_NO_LEASE;
}
/* The first use of a connection that came from the parent: from now on it is ours too, with a lease
 * of its own. A full cap is not its fault: it then goes without. */
void sp_conn_adopt(struct sp_conn *conn);

/* --- deadlines: src/conn/due.c --- */

extern __attribute__((visibility("hidden")))
sp_word sp_due_next; /* the nearest in this process, SP_NEVER: none */
extern __attribute__((visibility("hidden")))
sp_word sp_due_shortest; /* the shortest that may be armed; 0: nobody has looked yet */

/* Looks which deadlines the policy in force has. */
uint64_t sp_due_learn(void);
/* The shortest that may be armed, SP_NEVER: the policy has none. */
static inline uint64_t sp_due_least(void)
{
    uint64_t least = atomic_load_explicit(&sp_due_shortest, memory_order_relaxed);
    return __builtin_expect(least == 0, 0) ? sp_due_learn() : least;
}
/* A turn that is due at `due`, `limit` after it began. */
void sp_due_arm(uint64_t due, uint64_t limit);
extern __attribute__((visibility("hidden")))
sp_half sp_due_scanning; /* threads that look right now: sp_due_next says nothing */

/* Connects that wait for their outcome or for their next try, and that no wait may overlook. While
 * there are any, sp_due_next is not SP_NEVER but SP_DUE_WATCH, which never comes. */
#define SP_DUE_WATCH (SP_NEVER - 1)
extern __attribute__((visibility("hidden"))) sp_half sp_due_watched;
void sp_due_watch(struct sp_conn *conn);
void sp_due_unwatch_now(struct sp_conn *conn);
static inline void sp_due_unwatch(struct sp_conn *conn)
{
    if (sp_conn_flags(conn) & SP_CONN_RETRY)
        sp_due_unwatch_now(conn);
}
/* Nobody is watched any more: SP_DUE_WATCH becomes SP_NEVER again. */
void sp_due_relax(void);

/* When a send is to be looked at: at half of its limit for what is queued then, and at the end. */
uint64_t sp_due_send(const struct sp_conn *conn);
uint64_t sp_due_turn(const struct sp_conn *conn, uint64_t word);
/* The nearest of the two and of the whole program's end;
 * SP_NEVER when nothing has a limit. */
uint64_t sp_due_of(const struct sp_conn *conn, uint64_t word);
/* Hands every turn that is due to `expire`, and finds the next. */
typedef void sp_due_fn(struct sp_conn *conn, uint64_t word);
void sp_due_scan(uint64_t now, sp_due_fn *expire);

/* --- addresses with a breaker of their own: src/conn/aim.c --- */

/* The connection is for `address`: its breaker is asked from now on. */
void sp_aim(struct sp_conn *conn, struct sp_call *call, const struct sp_addr *address);
/* Another address of the same name, family, port and destination that is not out: then the
 * connection is for that one. False: there is none. */
bool sp_aim_other(struct sp_conn *conn, struct sp_call *call, struct sp_addr *address);
/* Is an address out? With port 0: on every port that is known of it. */
bool sp_aim_out(const struct sp_call *call, const struct sp_addr *address);

/* --- names of addresses: src/conn/names.c --- */

void sp_names_learn(const char *name, const struct sp_addr *address);
/* Up to four names of an address, the newest look-up of this thread first. */
#define SP_NAMES_EACH 4
#define SP_NAMES_TEXT 256
size_t sp_names_of(const struct sp_addr *address, char (*names)[SP_NAMES_TEXT]);

#endif
