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

enum sp_verdict { SP_PASS, SP_REFUSED_BREAKER, SP_REFUSED_CAP, SP_REFUSED_RATE };

enum sp_permit_kind {
    SP_PERMIT_NONE,
    SP_PERMIT_CALL,
    SP_PERMIT_PROBE, /* holds a probe lease */
    SP_PERMIT_SHADOW /* would have been refused: only counted */
};

/* What was taken for a call; settles or gives back. Fits one word: sp_permit_pack. */
struct sp_permit {
    uint8_t kind;
    uint8_t probe : 6; /* index of the probe lease */
    uint8_t side : 2;  /* enum sp_side_of; OBSERVED: whatever was decided, the call goes on */
    uint16_t epoch;    /* the breaker's, when it was given */
    uint32_t since;    /* ms at which a probe began: part of its lease */
};

/* One question to the guards. */
struct sp_call {
    struct sp_segment *segment;
    struct sp_dest *dest;
    uint32_t index; /* of dest */
    const struct sp_guards *guards;
    uint64_t now;
    uint32_t conn;   /* the asker's number for the connection, kept in leases */
    uint64_t random; /* for jitter */
    sp_alive_fn *alive;
    void *alive_context;
};

/* Breaker (src/guard/breaker.c). Writes events for the transitions that it wins. */
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

/* Share (src/guard/share.c): which connections `enforce N%` is for. Each draws a number once, in
 * the order of the destination's connections: of 100 in a row exactly N are below the share. */
uint32_t sp_share_draw(struct sp_dest *dest);
static inline bool sp_share_enforces(uint32_t drawn, uint32_t share)
{
    return share == 0 || drawn < share;
}

/* Cap (src/guard/cap.c): returns the lease index, or SP_NO_LEASE when full. */
uint32_t sp_cap_take(const struct sp_call *call, enum sp_cap cap, uint64_t *lease);
void sp_cap_give(const struct sp_call *call, enum sp_cap cap, uint32_t index, uint64_t lease);

/* The order of the guards (src/guard/order.c): breaker -> rate -> cap. `connecting` asks for a
 * place of the connection cap too. In observe mode a refusal becomes a pass with a shadow permit
 * and is counted as detected. */
struct sp_admission {
    struct sp_permit permit;
    uint32_t lease_index;
    uint64_t lease;
};
enum sp_verdict sp_order_admit(const struct sp_call *call, bool connecting,
                               struct sp_admission *admission);
/* Counts the outcome of a connect attempt (`connecting`) or of an exchange, and settles the permit.
 * What was only observed and took longer than its deadline is a timeout for the breaker. False: a
 * connect that succeeded is no verdict, the permit lives on until the first answer. */
bool sp_order_settle(const struct sp_call *call, const struct sp_permit *permit, bool connecting,
                     enum sp_outcome outcome, uint64_t duration);
/* The end of a connection that `stood` that long: a line of the journal, nothing else. */
void sp_order_closed(const struct sp_call *call, uint64_t stood);
/* Nothing came of it: gives the permit back without a verdict. */
void sp_order_return(const struct sp_call *call, const struct sp_permit *permit);

#endif
