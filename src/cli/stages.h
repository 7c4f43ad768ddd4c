/* stages.h - a shift from the other arms to one, step by step, as `shift --to` does it. */
#ifndef SHEARPIN_CLI_STAGES_H
#define SHEARPIN_CLI_STAGES_H

#include "cli/compare.h"
#include "cli/vet.h"

#define STAGES_MAX 16u

enum stages_phase { STAGES_CHECKS, STAGES_TURNS, STAGES_LAST, STAGES_OVER };

enum stages_end {
    STAGES_GO_ON,
    STAGES_DONE,
    STAGES_SICK,    /* the new arm was not healthy before anything was shifted */
    STAGES_FAILED,  /* a condition did not hold, or the last checks failed */
    STAGES_STOPPED, /* by a signal */
    STAGES_TIMEOUT, /* --timeout */
    STAGES_LOST,    /* somebody ended it, or we were not awake in time */
    STAGES_CHANGED, /* a reload has other lines `split` */
    STAGES_ENDS
};

struct stages_turn {
    uint32_t share;
    uint64_t took; /* ns; so far */
    bool held;
    struct compare_figures arm, rest;
};

struct stages {
    const struct cli *cli;
    struct arms *arms;
    uint32_t to;
    uint16_t from[SP_ARMS_MAX];   /* stable when it began */
    uint16_t shares[SP_ARMS_MAX]; /* in force by us */
    struct stages_turn turns[STAGES_MAX];
    uint32_t count;
    uint64_t every;        /* how long a stage lasts at least */
    uint64_t checks, last; /* how many healthy checks in a row, before and after */
    uint64_t check_every, check_for;
    struct vet vet;
    struct compare compare;

    /* how far it is */
    enum stages_phase phase;
    uint32_t at;          /* the stage */
    uint64_t passed;      /* checks in a row */
    uint64_t began, turn; /* monotonic: all, the stage */
    bool waits;           /* the stage is long enough, but its calls are too few */
    char why[240];        /* what is waited for, or what has ended it */
    enum stages_end end;
};

/* Runs it to its end. Returns the exit status. */
int stages_run(struct stages *stages);

/* --- what is seen of it: progress.c --- */

enum progress_news {
    PROGRESS_BEGIN,
    PROGRESS_CHECK, /* one has come out */
    PROGRESS_STAGE, /* one begins */
    PROGRESS_LOOK,  /* time has passed */
    PROGRESS_WAITS, /* the calls are too few */
    PROGRESS_HELD,  /* a stage has held */
    PROGRESS_LAST,  /* the last checks begin */
    PROGRESS_END
};
void progress_tell(const struct stages *stages, enum progress_news news);

#endif
