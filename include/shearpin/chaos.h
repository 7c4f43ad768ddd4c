/*
 * chaos.h - experiments while they run, and what is known of them afterwards.
 *
 * They stand in the segment: every process obeys them at its next call, and each has an absolute
 * end, so nobody needs to live for one to be over. What a row holds is written before its word says
 * RUNNING and does not change until another experiment takes the row; only words change meanwhile.
 * Source: src/state/chaos.c (the table), src/guard/chaos.c (what it does to a call, when it
 * aborts).
 */
#ifndef SHEARPIN_CHAOS_H
#define SHEARPIN_CHAOS_H

#include "shearpin/fault.h"
#include "shearpin/segment.h"

#define SP_CHAOS_EVERY UINT32_MAX /* a condition on each of the targets */

/* X(id, word): how an experiment stands, or came out. */
#define SP_CHAOS_STATES(X)                                                   \
    X(FREE, "free")                                                          \
    X(WRITING, "starting")                                                   \
    X(RUNNING, "running")                                                    \
    X(COMPLETED, "completed")                                                \
    X(FAILED, "failed")           /* none of its targets was left */         \
    X(ABORTED, "aborted")         /* by a condition, or it was not steady */ \
    X(INTERRUPTED, "interrupted") /* by somebody */
enum sp_chaos_state {
#define X(id, word) SP_CHAOS_##id,
    SP_CHAOS_STATES(X)
#undef X
        SP_CHAOS_STATE_COUNT
};

/* The calls of a target over some time, in few words. */
struct sp_chaos_sum {
    uint64_t time; /* ns; 0: nothing is known */
    uint64_t calls, errors, timeouts, refused;
    uint64_t retried;                       /* tries after the first */
    uint64_t opened;                        /* how often its breaker opened */
    uint64_t p50, p75, p90, p95, p99, p999; /* ns; SP_NEVER: timed out */
};

struct sp_chaos_target {
    char name[SP_NAME_SIZE]; /* a place whose name is another by now is no target any more */
    uint64_t hash;           /* of the name: what decides is the same in every segment */
    uint32_t dest;
    uint32_t mark;                 /* which of the marks is its, + 1; 0: none was free */
    uint64_t opened;               /* of its breaker, at the start */
    sp_word ordinals[SP_ORDINALS]; /* enum sp_ordinal: calls so far, from 1 */
    uint32_t limits[SP_ORDINALS]; /* of a replay: from this ordinal on nothing is struck; 0: none */
    struct sp_chaos_sum before;   /* the start */
    struct sp_chaos_sum during;   /* written at the end; `time` last */
};

struct sp_chaos_fault {
    struct sp_fault fault; /* its seed is made of the experiment's and of its place here */
    char text[SP_EXPERIMENT_TEXT];
    sp_word injected[SP_EXPERIMENT_TARGETS]; /* by target */
};

struct sp_chaos_condition {
    struct sp_condition condition; /* of an `opens`: nothing but file and line */
    uint32_t dest;                 /* SP_CHAOS_EVERY: each of the targets */
    uint8_t when;                  /* enum sp_proviso_when */
    uint8_t opens;                 /* 1: its breaker opens */
    uint8_t spare[2];
    uint64_t opened; /* how often it had, at the start; of a destination that is no target */
};

struct sp_chaos {
    _Alignas(SP_CACHELINE) sp_word word; /* number of the start << 8 | enum sp_chaos_state */
    char name[SP_NAME_SIZE];
    char expect[128];
    uint64_t start, end; /* monotonic ns */
    uint64_t start_wall;
    uint64_t seed;
    uint64_t ramp;      /* ns from nothing to the whole shares */
    uint32_t intensity; /* of all shares */
    uint32_t processes; /* share of the processes; SP_SHARE_ALL: all */
    uint32_t pid;       /* only this one; 0: all */
    uint32_t uid;       /* who started it */
    char command[16];   /* only those; "": all */
    uint8_t target_count, fault_count, condition_count;
    uint8_t adhoc;  /* it stands in no policy */
    sp_half aborts; /* how often, under this name */
    sp_word ended;  /* monotonic ns; 0: not yet */
    sp_word ended_wall;
    sp_word because; /* the condition that aborted it, + 1; written after the three below */
    sp_word because_dest;
    sp_word because_value; /* in the unit of the measure */
    sp_word because_calls;
    struct sp_chaos_condition conditions[SP_EXPERIMENT_CONDITIONS];
    struct sp_chaos_fault faults[SP_EXPERIMENT_FAULTS];
    struct sp_chaos_target targets[SP_EXPERIMENT_TARGETS];
};

static inline uint64_t sp_chaos_word(uint64_t number, enum sp_chaos_state state)
{
    return number << 8 | state;
}
static inline enum sp_chaos_state sp_chaos_state(uint64_t word)
{
    return (enum sp_chaos_state)((word & 0xff) < SP_CHAOS_STATE_COUNT ? word & 0xff : 0);
}

const char *sp_chaos_state_word(unsigned state); /* never NULL */

/* --- the table: src/state/chaos.c --- */

/* The row below SP_EXPERIMENTS, or the one that has or had this name last; NULL. */
struct sp_chaos *sp_chaos_at(const struct sp_segment *segment, uint32_t index);
struct sp_chaos *sp_chaos_named(const struct sp_segment *segment, const char *name);
/* How it stands now: one whose end has passed is over, whether somebody has noticed or not. */
enum sp_chaos_state sp_chaos_stands(const struct sp_chaos *chaos, uint64_t now);
/* Which of its targets the destination is, or -1. */
int sp_chaos_target_of(const struct sp_segment *segment, const struct sp_chaos *chaos,
                       uint32_t dest);
/* A live experiment that has the destination among its targets; NULL. */
struct sp_chaos *sp_chaos_on(const struct sp_segment *segment, uint32_t dest, uint64_t now);

/* Does a fault of an experiment strike this ordinal of a target, at this scale of the shares? That
 * is all there is to a decision, so it can be asked again: src/guard/chaos.c. */
bool sp_chaos_decides(const struct sp_chaos *chaos, uint32_t target, uint32_t fault,
                      uint64_t ordinal, uint32_t scale);

/* How often the breaker of a destination has opened, with those of its addresses. */
uint64_t sp_chaos_opened(const struct sp_segment *segment, uint32_t dest);

/* Starts what `plan` says (name, targets by name and place, faults, conditions, seed, `end`...): it
 * acts from the next call of every process on. With `also` on top of what runs on its targets; else
 * that is an error. -1 with `error` set: EBUSY by name or target, ENOSPC. */
struct sp_chaos *sp_chaos_start(struct sp_segment *segment, const struct sp_chaos *plan, bool also,
                                struct sp_error *error);
/* The same for one that was not steady: it is written down, and nothing else. */
struct sp_chaos *sp_chaos_unsteady(struct sp_segment *segment, const struct sp_chaos *plan,
                                   struct sp_error *error);
/* Ends the one that stands as `word`: of many who try one does. It keeps the figures, lets the
 * destinations go and writes the event. */
bool sp_chaos_end(struct sp_segment *segment, struct sp_chaos *chaos, uint64_t word,
                  enum sp_chaos_state state, uint64_t now);
/* The same, by a condition: it says which, where, and what was measured. */
struct sp_chaos_because {
    uint32_t condition; /* its index */
    uint32_t dest;
    uint64_t value, calls;
};
bool sp_chaos_abort(struct sp_segment *segment, struct sp_chaos *chaos, uint64_t word,
                    const struct sp_chaos_because *because, uint64_t now);
/* Ends what is over by the clock; makes a destination plain again on which nothing acts. */
void sp_chaos_tidy(struct sp_segment *segment, uint64_t now);

/* The figures of a target since the start (running), or since the end (over), as a span. False:
 * they were not kept. */
bool sp_chaos_span(const struct sp_segment *segment, const struct sp_chaos *chaos, uint32_t target,
                   uint64_t now, struct sp_span *out);
/* Before, during and after; zero `time`: not known. During and after of a live one: so far, none.
 */
void sp_chaos_sums(const struct sp_segment *segment, const struct sp_chaos *chaos, uint32_t target,
                   uint64_t now, struct sp_chaos_sum out[3]);

/* --- below the guards: src/guard/chaos.c --- */

struct sp_call;
struct sp_measured;

/* What live experiments do to a call of their target at these stages, by one ordinal of each; adds
 * to `act`. False: none has the destination among its targets. */
bool sp_chaos_faults(const struct sp_call *call, uint8_t stages, struct sp_fault_act *act);
/* How much of their shares is in force now, by intensity and ramp. */
uint32_t sp_chaos_scale(const struct sp_chaos *chaos, uint64_t now);
/* Is there a reason to stop one that runs? Then it is stopped. */
void sp_chaos_judge(struct sp_segment *segment, uint64_t now);
/* How a condition stands on a destination; false: nothing is known of its last minutes. */
bool sp_chaos_measure(struct sp_segment *segment, const struct sp_chaos_condition *condition,
                      uint32_t dest, uint64_t now, struct sp_measured *out);

#endif
