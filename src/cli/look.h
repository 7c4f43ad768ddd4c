/* look.h - one look at a segment, from which tables and JSON are made. Nothing in it is trusted:
 * counts are bounded, texts are made harmless where they are printed. */
#ifndef SHEARPIN_CLI_LOOK_H
#define SHEARPIN_CLI_LOOK_H

#include "cli/where.h"
#include "shearpin/guard.h"

#define LOOK_INTERVAL (200 * SP_MS)

/* With `enforce 10%`: one of the two parts of a destination's calls. */
enum { LOOK_ENFORCED, LOOK_OBSERVED, LOOK_SIDES };
struct look_side {
    double calls_per_s;
    uint64_t calls, errors;
    uint64_t p50, p99; /* of answers, ns */
    uint64_t refused;  /* or would have been */
    uint64_t cut;      /* by a deadline; or would have been */
};

struct look_dest {
    uint32_t index;
    uint32_t rank;           /* its row in the policy */
    char name[SP_NAME_SIZE]; /* NUL-terminated */
    bool named;              /* the policy in force names it */
    bool disabled;
    struct sp_guards guards;
    struct sp_breaker_view view;
    uint64_t since; /* ns in this state; SP_NEVER: always */
    struct sp_steer steer;
    uint64_t last_failure; /* monotonic ns; 0: never */
    uint64_t open_time;    /* ns spent open, with the time that lasts */
    uint64_t recovery;     /* ns from the last opening to the closing; 0: never closed */
    bool tripped;          /* `trip` is the event that opened it last */
    struct sp_event trip;

    struct sp_figures life;  /* since the segment was made */
    struct sp_figures shown; /* what ERRORS, P50 and P99 are made from */
    double calls_per_s, refused_per_min;
    double fallback_per_s;  /* calls on fallbacks, in none of the other figures */
    uint64_t calls, errors; /* of `shown` */
    uint64_t life_calls, life_errors;
    uint64_t p50, p99; /* ns; 0: nothing to tell from */
    struct look_side side[LOOK_SIDES];

    bool capped;
    enum sp_cap cap; /* the first that the policy sets */
    uint32_t cap_limit, cap_held;
    uint32_t waiting; /* for a place of any cap */
};

struct look {
    struct sp_segment *segment;
    uint64_t now, wall, interval;
    uint32_t processes;
    bool alive[SP_PROCESSES];    /* by slot */
    struct sp_policy *policy;    /* a copy; NULL when the one in force is damaged */
    uint64_t generation, loaded; /* loaded: wall ns */
    bool disabled;
    uint64_t unmatched;
    double unmatched_per_s;
    struct look_dest *dests;
    uint32_t count;
};

/* Looks twice, `interval` apart (0: LOOK_INTERVAL; then ERRORS and percentiles are over the life of
 * the segment, else over the interval). */
void look_take(struct look *look, struct sp_segment *segment, uint64_t interval);
void look_free(struct look *look);

/* The same for who looks again and again: figures kept from one look, and the look after it, whose
 * rates are over the time between. With `only`, ERRORS and percentiles are, too. */
struct look_mark {
    struct sp_figures *figures; /* by destination; zero-initialise */
    uint32_t room;
    uint64_t unmatched;
    uint64_t at; /* monotonic ns */
};
void look_mark(struct look_mark *mark, const struct sp_segment *segment);
void look_since(struct look *look, struct sp_segment *segment, const struct look_mark *mark,
                bool only);
void look_unmark(struct look_mark *mark);

/* A copy of the policy in force and its generation; NULL when it is damaged. Free it. */
struct sp_policy *look_policy(struct sp_segment *segment, uint64_t *generation);

/* How many processes live; `alive` (may be NULL) gets which. */
uint32_t look_processes(const struct sp_segment *segment, bool alive[SP_PROCESSES]);
/* The slot that holds this lease, SP_NO_SLOT when it is nobody's: what a process that was killed
 * held stands in its word until somebody wants the place. */
uint32_t look_holder(const struct look *look, uint64_t lease);
uint32_t look_held(const struct look *look, const sp_word *words, uint32_t count);
uint64_t look_sum(const uint64_t *words, size_t count);
/* Names do not always end inside shared memory. */
void look_name(char out[SP_NAME_SIZE], const char *name);
void look_sleep(uint64_t ns);

#endif
