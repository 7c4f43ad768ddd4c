/*
 * guard.h - pure decisions. A guard takes (call, its policy, its state, now) and returns a verdict:
 * no fd, no clock, no sleep, no libc. Source: src/guard.
 *
 * What was admitted is settled exactly once, with its outcome or as abandoned.
 */
#ifndef SHEARPIN_GUARD_H
#define SHEARPIN_GUARD_H

#include "shearpin/segment.h"

/* The breaker's word:  state:2 hold:2 backoff:4 streak:10 epoch:14 until:32
 *   streak  closed: failures in a row; half-open: successes so far
 *   until   ms of the monotonic clock, cut to 32 bits and compared by difference. open: when probes
 *           may start; closed: when a new trip starts with the first open time again. */
struct sp_breaker {
    uint8_t state;
    uint8_t hold;
    uint8_t backoff;
    uint16_t streak;
    uint16_t epoch;
    uint32_t until;
};
#define SP_BREAKER_STREAK_MAX  1023u
#define SP_BREAKER_BACKOFF_MAX 15u
#define SP_BREAKER_EPOCH_MASK  0x3fffu

static inline struct sp_breaker sp_breaker_unpack(uint64_t word)
{
    return (struct sp_breaker){
        .state = (uint8_t)(word & 3),
        .hold = (uint8_t)(word >> 2 & 3),
        .backoff = (uint8_t)(word >> 4 & 15),
        .streak = (uint16_t)(word >> 8 & 1023),
        .epoch = (uint16_t)(word >> 18 & SP_BREAKER_EPOCH_MASK),
        .until = (uint32_t)(word >> 32),
    };
}
static inline uint64_t sp_breaker_pack(struct sp_breaker b)
{
    return (uint64_t)(b.state & 3) | (uint64_t)(b.hold & 3) << 2 | (uint64_t)(b.backoff & 15) << 4 |
           (uint64_t)(b.streak & SP_BREAKER_STREAK_MAX) << 8 |
           (uint64_t)(b.epoch & SP_BREAKER_EPOCH_MASK) << 18 | (uint64_t)b.until << 32;
}

/* SP_ELSEWHERE: the breaker refuses a connect that has a fallback for that; where none of them can
 * be used, sp_order_nowhere() makes it a refusal after all.
 * SP_ANOTHER: the breaker of its arm refuses a connect that another arm may take (sp_call.others).
 * SP_WAIT: not yet; nothing is held but the caller's turn. Sleep as sp_wait says and ask again. */
enum sp_verdict {
    SP_PASS,
    SP_REFUSED_BREAKER,
    SP_REFUSED_CAP,
    SP_REFUSED_RATE,
    SP_ELSEWHERE,
    SP_ANOTHER,
    SP_WAIT
};

enum sp_permit_kind {
    SP_PERMIT_NONE,
    SP_PERMIT_CALL,
    SP_PERMIT_PROBE,  /* holds a probe lease */
    SP_PERMIT_SHADOW, /* would have been refused: only counted */
    SP_PERMIT_ASIDE   /* on a fallback: counted apart, without a vote, a token or a place */
};

/* What was taken for a call; settles or gives back. Fits one word: sp_permit_pack. */
struct sp_permit {
    uint8_t kind : 7;
    uint8_t endpoint : 1; /* of the endpoint's breaker, not of the destination's */
    uint8_t probe : 5;    /* index of the probe lease */
    uint8_t leased : 1;   /* the turn holds a place of a cap: struct sp_conn says which */
    uint8_t side : 2;     /* enum sp_side_of; OBSERVED: whatever was decided, the call goes on */
    uint16_t epoch;       /* the breaker's, when it was given */
    uint32_t since;       /* ms at which a probe began: part of its lease */
};

/* One question to the guards. */
struct sp_call {
    struct sp_segment *segment;
    struct sp_dest *dest;
    struct sp_endpoint *endpoint; /* whose breaker is asked; NULL: the destination's */
    struct sp_arm *arm;           /* that the connection goes to; `endpoint` is then its */
    bool others;                  /* a connect may still be sent to another arm than this */
    uint32_t index;               /* of dest */
    const struct sp_guards *guards;
    uint64_t now;
    uint32_t conn;   /* the asker's number for the connection, kept in leases */
    uint64_t random; /* for jitter */
    sp_alive_fn *alive;
    void *alive_context;
    void (*wake)(sp_half *bell, uint32_t bits); /* who sleeps on it with one of these bits */
};

/* A caller that may wait, on its stack, after sp_wait_none(). The guards decide, others sleep. */
struct sp_wait {
    uint64_t began; /* the first question; 0: it has not waited */
    uint64_t token; /* since when the rate allows it; 0: no token is held */
    uint64_t since; /* it stands in the queue since then; 0: it does not */
    uint64_t end;   /* the caller has no time beyond it; others may lower it */
    uint32_t ticket;
    uint32_t number;
    uint32_t passed; /* the ticket that it tries to go before, and its number */
    uint32_t passed_number;
    /* how to sleep: until `wake`, or until the bell is no longer what was heard; NULL: no bell */
    uint64_t wake;
    sp_half *bell;
    uint32_t heard;
    uint32_t bits;
};
static inline void sp_wait_none(struct sp_wait *wait)
{
    wait->began = wait->token = wait->since = 0;
}

/* Breaker (src/guard/breaker*.c). Writes events for the transitions that it wins. */
enum sp_verdict sp_breaker_admit(const struct sp_call *call, struct sp_permit *permit);
void sp_breaker_settle(const struct sp_call *call, const struct sp_permit *permit,
                       enum sp_outcome outcome, uint64_t duration);
/* No verdict: a probe gives its place back. */
void sp_breaker_return(const struct sp_call *call, const struct sp_permit *permit);

/* Steering, by the command, which writes the event with who and why. `trip` opens as if it had
 * tripped by itself; `hold` keeps OPEN or CLOSED until the monotonic time `until` (0: until reset),
 * an OPEN one then goes on with probes; `reset` closes and forgets, in place. */
void sp_breaker_trip(const struct sp_call *call);
void sp_breaker_hold(const struct sp_call *call, enum sp_hold hold, uint64_t until);
void sp_breaker_reset(const struct sp_call *call);

/* What a breaker looks like now, for status: a hold or open time that is over counts as over. */
struct sp_breaker_view {
    enum sp_state state;
    enum sp_hold hold;
    unsigned streak;            /* failures in a row while closed */
    unsigned successes, needed; /* while half-open */
    unsigned probes;            /* leases held */
    uint64_t until;             /* ns from now to the next probe, or to the end of the hold; 0 */
    unsigned backoff;
};
void sp_breaker_look(const struct sp_call *call, struct sp_breaker_view *view);

/* Scope (src/guard/scope.c): where each address has a breaker of its own, that one is asked, unless
 * the destination's own is not simply closed: an operator has steered it, or calls that found no
 * place for their address have opened it. When more addresses are out than `eject` says, all are
 * let through, in the shadow. */
enum sp_verdict sp_scope_admit(const struct sp_call *call, struct sp_permit *permit);
/* The permit knows which of the two it was. */
void sp_scope_settle(const struct sp_call *call, const struct sp_permit *permit,
                     enum sp_outcome outcome, uint64_t duration);
void sp_scope_return(const struct sp_call *call, const struct sp_permit *permit);
/* Would call->endpoint be refused now, because it is out? */
bool sp_scope_out(const struct sp_call *call);
struct sp_scope_count {
    unsigned known; /* addresses that were asked about lately */
    unsigned out;   /* of them */
    unsigned most;  /* that may be; when more are, all are let through */
};
struct sp_scope_count sp_scope_count(const struct sp_call *call);

/* Rate limit (src/guard/rate.c): a token for a call. With `wait` one that is due later may be
 * reserved: SP_WAIT until then. */
enum sp_verdict sp_rate_admit(const struct sp_call *call, struct sp_wait *wait);
/* Nothing came of the call that took it. */
void sp_rate_give(const struct sp_call *call);

/* Retry (src/guard/retry.c): outermost of all. Each try is an attempt of its own to the guards
 * below, and what they refuse is never tried again. */
struct sp_retry {   /* one call of the program's, over all of its tries */
    uint64_t began; /* the first */
    uint64_t until; /* no try begins later */
    uint32_t tries; /* after the first */
    uint8_t end;    /* enum sp_retry_end */
    uint8_t failed[SP_OUTCOME_REJECTED_BREAKER]; /* how many of them, by outcome */
};
/* Is anything tried again here? Nothing is where the guards only observe. */
static inline bool sp_retry_wanted(const struct sp_guards *guards)
{
    return (guards->retry[0].tries | guards->retry[1].tries | guards->retry[2].tries |
            guards->retry[3].tries) != 0 &&
           guards->mode == SP_MODE_ENFORCE;
}
/* A call begins that may be tried again: the budget grows with it. */
void sp_retry_call(const struct sp_call *call);
/* Its first try, begun then, is what sp_retry_next is asked about. */
void sp_retry_begin(const struct sp_call *call, struct sp_retry *retry, uint64_t began);
/* A try came out as `outcome`. True: it is tried again `*at`; the budget has been asked. */
bool sp_retry_next(const struct sp_call *call, struct sp_retry *retry, enum sp_outcome outcome,
                   uint64_t *at);
/* A try was refused by one of our own guards, or the last one succeeded. */
void sp_retry_refused(const struct sp_call *call, struct sp_retry *retry);
void sp_retry_succeeded(const struct sp_call *call, const struct sp_retry *retry);

/* Share (src/guard/share.c): which connections `enforce N%` is for. Each draws a number once, in
 * the order of the destination's connections: of 100 in a row exactly N are below the share. */
uint32_t sp_share_draw(struct sp_dest *dest);
static inline bool sp_share_enforces(uint32_t drawn, uint32_t share)
{
    return share == 0 || drawn < share;
}

/* Split (src/guard/split.c): which arm a connection goes to. It draws a point, one of 2^32; so does
 * a `process` that keeps to one arm. */
uint32_t sp_split_draw(struct sp_dest *dest, bool process);
uint32_t sp_split_point(uint64_t ordinal);
/* The arm in whose share the point lies. One that is not `able` gives its share to those that are,
 * in proportion to theirs; these keep what they had. Both are masks. -1: none of them has a share.
 */
int sp_split_pick(const uint16_t *shares, uint32_t all, uint32_t able, uint32_t point);

/* Fallback (src/guard/fallback.c): where a connect goes that was refused or has failed. */
/* What a line is known by in sp_dest.spills; not 0. */
static inline uint64_t sp_fallback_id(const struct sp_fallback *fallback)
{
    return (fallback->hash + (fallback->kind == SP_FALLBACK_RESPOND)) | 1;
}
/* The next line of the destination for this occasion, from `*nth` on, which then is behind it. */
bool sp_fallback_next(const struct sp_call *call, enum sp_when when, uint32_t *nth,
                      struct sp_fallback *out);
/* A connection goes there: counts it, and writes an event with the first of a spell. */
void sp_fallback_taken(const struct sp_call *call, const struct sp_fallback *fallback);

/* Cap (src/guard/cap.c): returns the lease index, or SP_NO_LEASE when full. */
uint32_t sp_cap_take(const struct sp_call *call, enum sp_cap cap, uint64_t *lease);
/* Gives it back, and rings for those who wait. */
void sp_cap_give(const struct sp_call *call, enum sp_cap cap, uint32_t index, uint64_t lease);

/* What an admitted call holds. */
struct sp_admission {
    struct sp_permit permit;
    uint64_t began;                /* the first question, before any wait */
    uint64_t lease;                /* the word in each of its places */
    uint32_t places[SP_CAP_COUNT]; /* SP_NO_LEASE: none */
};
/* All places that a connect or an exchange needs, or none. Who does not wait is refused as long as
 * others do. */
enum sp_verdict sp_cap_admit(const struct sp_call *call, bool connecting, struct sp_wait *wait,
                             struct sp_admission *admission);
void sp_cap_release(const struct sp_call *call, struct sp_admission *admission);

/* The queue before a cap (src/guard/queue.c). */
#define SP_QUEUE_SLICE    (20 * SP_MS) /* no waiter sleeps longer */
#define SP_QUEUE_STALE_MS 80u          /* who was not awake for so long is passed over */
/* The first time that a caller waits. */
void sp_queue_begin(const struct sp_call *call, struct sp_wait *wait);
bool sp_queue_empty(const struct sp_call *call, struct sp_queue *queue);
/* Takes a ticket; false: there is none left. */
bool sp_queue_join(const struct sp_call *call, struct sp_queue *queue, struct sp_wait *wait);
/* Is it this waiter's turn to look for a place? The two oldest may, the second of them once before
 * the first; sp_queue_missed() says that it found none. */
bool sp_queue_turn(const struct sp_call *call, struct sp_queue *queue, struct sp_wait *wait);
void sp_queue_missed(struct sp_queue *queue, const struct sp_wait *wait);
void sp_queue_leave(const struct sp_call *call, struct sp_queue *queue, struct sp_wait *wait);
/* A place may be free: the two oldest are woken. */
void sp_queue_ring(const struct sp_call *call, struct sp_queue *queue);
/* How many wait, and how many of each process (`by_slot` of SP_PROCESSES, may be NULL). */
uint32_t sp_queue_waiting(const struct sp_segment *segment, const struct sp_queue *queue,
                          uint64_t now, uint32_t *by_slot);

/* The order of the guards (src/guard/order.c): breaker -> rate -> cap, the last of which may make
 * its caller wait longest. `connecting`: it is a connect, not an exchange. `wait` is NULL for
 * callers that may not. In observe mode a refusal becomes a pass with a shadow permit and is
 * counted as detected, and nobody waits. */
enum sp_verdict sp_order_admit(const struct sp_call *call, bool connecting, struct sp_wait *wait,
                               struct sp_admission *admission);
/* The first exchange of a connection was admitted with its connect, but for its place. */
enum sp_verdict sp_order_first(const struct sp_call *call, struct sp_wait *wait,
                               struct sp_admission *admission);
/* A connect to a fallback, and every exchange on such a connection: passes, and is counted apart.
 */
void sp_order_aside(const struct sp_call *call, struct sp_admission *admission);
/* None of the fallbacks of SP_ELSEWHERE could be used: it counts as refused by the breaker. */
void sp_order_nowhere(const struct sp_call *call);
/* A caller gives up waiting: a signal came, or its connection is gone. */
void sp_order_leave(const struct sp_call *call, bool connecting, struct sp_wait *wait);
/* Counts the outcome of a connect attempt (`connecting`) or of an exchange, and settles the permit.
 * What was only observed and took longer than its deadline is a timeout for the breaker. False: a
 * connect that succeeded is no verdict, the permit lives on until the first answer. */
bool sp_order_settle(const struct sp_call *call, const struct sp_permit *permit, bool connecting,
                     enum sp_outcome outcome, uint64_t duration);
/* Nothing was sent: the permit and the token go back as if it had never been asked. */
void sp_order_undo(const struct sp_call *call, const struct sp_permit *permit);
/* The end of a connection that `stood` that long: a line of the journal, nothing else. */
void sp_order_closed(const struct sp_call *call, uint64_t stood);
/* An exchange came out so, but nobody knows how long it took: no figure of time. */
void sp_order_told(const struct sp_call *call, const struct sp_permit *permit,
                   enum sp_outcome outcome);
/* Nothing came of it: gives the permit back without a verdict. */
void sp_order_return(const struct sp_call *call, const struct sp_permit *permit);

/* Conditions (src/guard/measure.c): what was measured over a span, and whether it holds. FEW: the
 * calls are too few to tell, and none of them has told yet. */
enum sp_measured_verdict { SP_MEASURED_HOLDS, SP_MEASURED_BROKEN, SP_MEASURED_FEW };
struct sp_measured {
    enum sp_measured_verdict verdict;
    uint64_t value;         /* in the unit of the limit; SP_NEVER: a percentile that timed out */
    uint64_t calls, needed; /* over which it was measured; how many it takes to tell */
    uint64_t wrong;         /* of them on the wrong side of the limit */
};
void sp_measure(const struct sp_condition *condition, const struct sp_span *span,
                struct sp_measured *out);
uint64_t sp_measure_needed(const struct sp_condition *condition);

#endif
