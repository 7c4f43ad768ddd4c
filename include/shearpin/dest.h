/*
 * dest.h - what all processes know of a destination: its breaker, its queues, its figures.
 *
 * It stands in the segment (segment.h) and is written by many processes that may die anywhere, so
 * every word is atomic and right after each single store. Source: src/state.
 */
#ifndef SHEARPIN_DEST_H
#define SHEARPIN_DEST_H

#include "shearpin/policy.h"
#include "shearpin/shift.h"
#include "shearpin/types.h"
#include <stdatomic.h>

#define SP_SHARDS   8u
#define SP_PROBES   16u
#define SP_TICKETS  256u
#define SP_ORDINALS 8u  /* enum sp_ordinal */
#define SP_INJECTED 24u /* enum sp_fault_kind */
#define SP_WINDOW_BUCKETS \
    16u /* a window uses 10 of them; the rest keeps neighbours from clashing */

/* Histogram bins: edges 1.0 1.1 .. 2.5 | 2.75 .. 5 | 5.5 .. 10 of each decade from 1 us to 1000 s:
 * at most 10 % wide, and 1, 2.5, 5 are edges. Bin 0 is below 1 us, the last from 1000 s on. */
#define SP_BINS_DECADE 35u
#define SP_BINS        (9u * SP_BINS_DECADE + 2u)

typedef _Atomic uint64_t sp_word;
typedef _Atomic uint32_t sp_half;

/* Outcomes of what went over the wire; those behind them are our own refusals. */
#define SP_OUTCOMES_WIRE (SP_OUTCOME_ABANDONED + 1u)

/* Tries after the first: how they came out, and those that the budget did not allow. */
enum sp_retried { SP_RETRIED_OK, SP_RETRIED_FAILED, SP_RETRIED_OVER_BUDGET, SP_RETRIED_COUNT };

/* Why a call that failed is not tried again. */
enum sp_retry_end {
    SP_RETRY_AGAIN,   /* it is */
    SP_RETRY_UNNAMED, /* no line of the policy names the outcome */
    SP_RETRY_TRIES,   /* there are no more */
    SP_RETRY_TIME,    /* `deadline total`, or the program's own, comes first */
    SP_RETRY_BUDGET,  /* too many of the recent calls were tried again */
    SP_RETRY_REFUSED, /* by a guard: the breaker has opened, say */
    SP_RETRY_ENDS
};

/* Counters of one eighth of the processes (slot mod 8), so that neighbours share no line. */
struct sp_shard {
    sp_word sent; /* bytes; the first line is what every exchange writes */
    sp_word received;
    sp_word last_success;                /* monotonic ns */
    sp_word connects[SP_OUTCOME_COUNT];  /* attempts on the wire, by outcome */
    sp_word exchanges[SP_OUTCOME_COUNT]; /* by outcome; OK: only those that answer_time has not */
    sp_word rejected[3];                 /* breaker, cap, rate: refused by us */
    sp_word detected[3];                 /* the same, only observed */
    sp_word expired[SP_DEADLINE_COUNT];
    sp_word retried[SP_RETRIED_COUNT];
    sp_word detours;                       /* connects that went to another address of the name */
    sp_word stale;                         /* look-ups that the last good addresses answered */
    sp_word fallback[2][SP_OUTCOMES_WIRE]; /* exchanges and connects on fallbacks: apart */
    sp_word spare[6];
    sp_word rate[SP_WINDOW_BUCKETS]; /* stamp:24 calls:20 bad:20 */
    sp_word slow[SP_WINDOW_BUCKETS];
    sp_word connect_time[SP_BINS]; /* successful connects */
    sp_word answer_time[SP_BINS];  /* first byte of the request to first byte of the answer */
    sp_word pad[6];
};

/* The calls of one side while `enforce N%` is in force, so that the two can be compared. */
enum sp_side_of { SP_SIDE_NONE, SP_SIDE_ENFORCED, SP_SIDE_OBSERVED };
#define SP_SIDE_SHARDS 4u
struct sp_side {
    sp_word connects[SP_OUTCOME_COUNT];
    sp_word exchanges[SP_OUTCOME_COUNT];
    sp_word late[SP_DEADLINE_COUNT]; /* were cut, or would have been; by `mode observe` too */
    sp_word refused[3];              /* or would have been */
    sp_word answer_time[SP_BINS];
};

/* The endpoint of a destination that was learnt while programs ran, for `suggest`. */
#define SP_ORIGIN_READY 1u
struct sp_origin {
    sp_half state;  /* 0: free, else a hash of the text in the upper bits, and READY */
    char text[252]; /* as `match` takes it: by the name that was looked up, else by address */
};

/* Who steered last, shown first by status until it is reset or over. */
struct sp_steer {
    sp_half sequence; /* odd while it is being written */
    uint32_t kind;    /* enum sp_event_kind; 0: nobody */
    uint32_t uid;
    uint32_t pid;
    uint64_t wall;
    uint64_t until; /* monotonic ns; 0: until reset */
    char reason[96];
};

/* How often connections went to one fallback. */
struct sp_spill {
    sp_word of;    /* sp_fallback_id() of the line; 0: free */
    sp_word total; /* connections */
    sp_word last;  /* monotonic ns */
    sp_word spare;
};
#define SP_SPILLS 4u

struct sp_extent {
    sp_half offset; /* into the lease pool */
    sp_half count;  /* words; 0: none yet */
};

/* A caller that waits for a place. The owner is a lease word with the ticket's number as detail:
 * free with the epoch of its process, and older than another if its number is. */
struct sp_ticket {
    sp_word owner;  /* 0: free */
    sp_half beat;   /* ms at which the owner was last awake; written before it takes the ticket */
    sp_half passed; /* the number of the ticket when a later one went first */
};

/* One line for the connects of a destination and one for its exchanges. */
enum sp_line { SP_LINE_CONNECT, SP_LINE_EXCHANGE, SP_LINES };

struct sp_queue {
    sp_word maybe;  /* 0: nobody waits; else the number of a ticket taken lately */
    sp_half issued; /* tickets so far: the number of the last */
    sp_half bell;   /* what the waiters sleep on; rises when a place has become free */
    sp_half reaped; /* ms at which somebody last looked for owners that died */
    uint32_t spare[11];
    struct sp_ticket tickets[SP_TICKETS];
};

/* What one breaker knows. */
struct sp_cell {
    _Alignas(SP_CACHELINE) sp_word word; /* guard.h says what the bits are */
    sp_word hold_until;                  /* monotonic ns; 0: until reset */
    sp_word changed;                     /* monotonic ns of the last transition */
    sp_word last_failure;                /* monotonic ns; written on failures only */
    sp_word last_outcome;                /* enum sp_outcome of that failure */
    sp_word opened;                      /* how often: transitions to each state */
    sp_word half_opened;
    sp_word closed;
    sp_word open_since; /* monotonic ns at which it left the state closed; 0: never */
    sp_word open_time;  /* ns spent open, all times together but one that still lasts */
    sp_word recovery;   /* ns from the last opening to the closing after it */

    _Alignas(SP_CACHELINE) sp_word probes[SP_PROBES]; /* leases, with ms for a connection */
};

/* One address of a destination, where each has a breaker of its own. */
struct sp_endpoint {
    struct sp_cell cell;
    sp_word rate[SP_WINDOW_BUCKETS]; /* the windows, of all processes */
    sp_word slow[SP_WINDOW_BUCKETS];
    sp_word calls;  /* with an outcome that proves or blames */
    sp_word errors; /* that blamed */
    sp_half used;   /* ms at which it was last asked about */
    uint32_t spare[11];
    struct sp_addr address; /* to be shown; good if it hashes to the key */
};

/* The figures of a destination as they were at some time, all shards together, cut to 32 bits: what
 * happened since is the difference. `times` are of answers, or of connects where none follow. */
struct sp_moment {
    sp_word time; /* monotonic ns; 0 while it is being written */
    sp_half connects[SP_OUTCOME_COUNT];
    sp_half exchanges[SP_OUTCOME_COUNT];
    sp_half refused;
    sp_half retried;
    sp_half times[SP_BINS];
    sp_half spare[5];
};

struct sp_history {
    sp_word last; /* when the time of the newest moment began, by the clock cut to its step */
    sp_word spare[7];
    struct sp_moment moments[SP_MOMENTS];
};

/* What makes a destination one to look at, at the next call of every process. */
enum {
    SP_DEST_DISABLED = 1, /* straight to libc */
    SP_DEST_FAULTY = 2    /* an experiment has it among its targets: chaos.h */
};

/* Runtime state of a destination: it belongs to the name and outlives policies. */
struct sp_dest {
    char name[SP_NAME_SIZE]; /* "" when the place is free */
    sp_half row[2];          /* its row in either policy area, SP_NO_ROW: not in it */
    sp_half odd;             /* SP_DEST_*; 0: a healthy exchange may go the short way */
    sp_half peak;            /* most connections at once, where it was learnt */

    struct sp_cell cell;
    _Alignas(SP_CACHELINE) struct sp_steer steer;
    _Alignas(SP_CACHELINE) struct sp_extent caps[SP_CAP_COUNT];
    /* Touched only where faults are: what `at` and `every` count, and how often each has struck. */
    _Alignas(SP_CACHELINE) sp_word ordinals[SP_ORDINALS];
    sp_word injected[SP_INJECTED];         /* by the number of the fault */
    _Alignas(SP_CACHELINE) sp_word drawn;  /* connections that drew their side of `enforce N%` */
    sp_word split_connects;                /* connections that drew their arm */
    sp_word split_processes;               /* processes that drew theirs */
    sp_half history;                       /* which of the histories is its, + 1; 0: none */
    _Alignas(SP_CACHELINE) sp_word bucket; /* of the rate limit: when it is full again; rate.c */
    /* The budget of retries, a bucket a second, stamp:24 calls:20 tries:20; and of calls given up
     * in vain: ms of the last event:32, how many since:32. Touched only where the policy retries.
     */
    _Alignas(SP_CACHELINE) sp_word retries[SP_WINDOW_BUCKETS];
    sp_word retry_told;
    _Alignas(SP_CACHELINE) struct sp_queue queues[SP_LINES];
    _Alignas(SP_CACHELINE) struct sp_spill spills[SP_SPILLS];
    struct sp_shift shift; /* of the connections to its arms */
    sp_half reply; /* ports where its canned answers are given: IPv4, above it IPv6; 0: none */
    sp_half reply_local;                               /* 1: on a unix socket, too */
    _Alignas(SP_CACHELINE) sp_word wait_time[SP_BINS]; /* of callers that stood in a queue */
    _Alignas(SP_CACHELINE) struct sp_origin origin;

    _Alignas(SP_CACHELINE) struct sp_shard shards[SP_SHARDS];
    _Alignas(SP_CACHELINE) struct sp_side sides[2][SP_SIDE_SHARDS];
};

_Static_assert(sizeof(struct sp_shard) % SP_CACHELINE == 0, "layout");
_Static_assert(sizeof(struct sp_side) % SP_CACHELINE == 0, "layout");
_Static_assert(sizeof(struct sp_moment) == 1408, "layout");
_Static_assert(sizeof(struct sp_history) % SP_CACHELINE == 0, "layout");
_Static_assert(sizeof(struct sp_origin) == 256, "layout");
_Static_assert(sizeof(struct sp_endpoint) == 704, "layout");
_Static_assert(offsetof(struct sp_dest, cell) == 64, "layout");
_Static_assert(offsetof(struct sp_queue, tickets) == SP_CACHELINE, "layout");
_Static_assert(offsetof(struct sp_dest, shift) % SP_CACHELINE == 0, "layout");
_Static_assert(sizeof(struct sp_dest) % SP_CACHELINE == 0, "layout");

/* Between two readings of the clock in ms, cut to 32 bits. Another process may have read its clock
 * a little later than we did ours: a note from the future is young, not 49 days old. */
static inline uint32_t sp_ms_since(uint32_t now, uint32_t then)
{
    uint32_t age = now - then;
    return age > UINT32_MAX - 60000u ? 0 : age;
}

/* --- counters: src/state/count.c --- */

static inline void sp_count(sp_word *word, uint64_t more)
{
    atomic_fetch_add_explicit(word, more, memory_order_relaxed);
}

/* Good exchanges, which are counted by their duration alone: the sum of answer_time. */
uint64_t sp_count_timed(const struct sp_shard *shard);

struct sp_figures { /* a destination's shards added up */
    uint64_t connects[SP_OUTCOME_COUNT];
    uint64_t exchanges[SP_OUTCOME_COUNT];
    uint64_t rejected[3], detected[3];
    uint64_t expired[SP_DEADLINE_COUNT];
    uint64_t injected[SP_INJECTED];
    uint64_t retried[SP_RETRIED_COUNT];
    uint64_t sent, received;
    uint64_t detours, stale;
    uint64_t connect_time[SP_BINS], answer_time[SP_BINS], wait_time[SP_BINS];
    uint64_t fallback[2]
                     [SP_OUTCOMES_WIRE]; /* by `connecting`: on fallbacks, in none of the above */
    uint64_t diverted;                   /* connections that went to a fallback */
    uint64_t last_success;               /* monotonic ns; 0: never */
    struct sp_figures_side {             /* of `enforce N%` */
        uint64_t connects[SP_OUTCOME_COUNT];
        uint64_t exchanges[SP_OUTCOME_COUNT];
        uint64_t late[SP_DEADLINE_COUNT];
        uint64_t refused[3];
        uint64_t answer_time[SP_BINS];
    } enforced, observed;
};
void sp_count_sum(const struct sp_dest *dest, struct sp_figures *out);

/* What leads from a duration below 2^32 ns to its bin without a division or a branch: its six upper
 * bits make a step, which is narrower than any bin, so that at most one begins inside of it. */
#define SP_BIN_STEPS (23u * 32u)
struct sp_bins {
    uint8_t first[SP_BIN_STEPS];       /* the bin in which the step begins */
    uint32_t next[7 * SP_BINS_DECADE]; /* by the bin: where the one behind it begins */
};
extern __attribute__((visibility("hidden"))) const struct sp_bins sp_bins;
uint32_t sp_bin_far(uint64_t duration); /* below 1 us, or seconds */

/* ns -> bin; a part of every healthy exchange. */
static inline bool sp_bin_is_far(uint64_t duration)
{
    return __builtin_expect(duration - 1000 >= UINT32_MAX - 1000, 0);
}
static inline uint64_t sp_bin_near(uint64_t duration)
{
    uint32_t high = 63u ^ (uint32_t)__builtin_clzll(duration);
    uint64_t bin = sp_bins.first[high * 32 + (duration >> (high - 5)) - (9 * 32 + 32)];
    return bin + (duration >= sp_bins.next[bin]);
}
static inline uint32_t sp_bin_of(uint64_t duration)
{
    return sp_bin_is_far(duration) ? sp_bin_far(duration) : (uint32_t)sp_bin_near(duration);
}
uint64_t sp_bin_low(uint32_t bin);                        /* inclusive lower edge, ns */
uint64_t sp_bin_quantile(const uint64_t *bins, double q); /* ns; 0 when empty */

/* --- sliding windows: src/state/window.c. `words` is one array of buckets. --- */

void sp_window_add(sp_word *words, uint64_t window, uint64_t now, bool bad);
struct sp_window_sum {
    uint64_t calls, bad;
};
struct sp_window_sum sp_window_of(const sp_word *words, uint64_t window, uint64_t now);
/* Over all shards; `offset` is offsetof(struct sp_shard, rate or slow). */
struct sp_window_sum sp_window_sum(const struct sp_dest *dest, size_t offset, uint64_t window,
                                   uint64_t now);
void sp_window_clear(struct sp_dest *dest);
void sp_window_wipe(sp_word *words);

static inline bool sp_dest_disabled(const struct sp_dest *dest)
{
    return atomic_load_explicit(&dest->odd, memory_order_relaxed) & SP_DEST_DISABLED;
}
static inline void sp_dest_mark(struct sp_dest *dest, uint32_t bit, bool on)
{
    if (on)
        atomic_fetch_or(&dest->odd, bit);
    else
        atomic_fetch_and(&dest->odd, ~bit);
}

/* --- who steered: src/state/event.c --- */

/* The note of the last steering, copied; kind 0 when there is none. */
void sp_steer_read(const struct sp_dest *dest, struct sp_steer *out);
void sp_steer_write(struct sp_dest *dest, const struct sp_steer *note);

#endif
