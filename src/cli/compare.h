/* compare.h - how an arm does: its figures in the segment against conditions, and against those of
 * the other arms where no condition says what is good. */
#ifndef SHEARPIN_CLI_COMPARE_H
#define SHEARPIN_CLI_COMPARE_H

#include "cli/arms.h"

#define COMPARE_MARKS      64u
#define COMPARE_CONDITIONS (CLI_SLOS + 2)

/* With no condition about them, an arm may fail one call in a hundred more than the others, and its
 * p95 may be twice theirs and 20ms more; over a hundred calls at least, for nobody has named a
 * limit that must not be passed. */
#define COMPARE_ERRORS_MORE 100u
#define COMPARE_TIME_MORE   (20 * SP_MS)
#define COMPARE_CALLS       100u

struct compare_mark {
    uint64_t at;
    struct sp_figures figures;
};

/* Over a stage. */
struct compare_figures {
    uint64_t calls, errors;
    uint64_t p95; /* ns; 0: nothing to tell from, SP_NEVER: it timed out */
};

struct compare {
    struct arms *arms;
    uint32_t target;
    struct sp_condition conditions[COMPARE_CONDITIONS];
    bool derived[COMPARE_CONDITIONS]; /* from the figures of the other arms */
    uint32_t count;
    uint64_t longest;           /* `for` of all conditions */
    uint32_t opened;            /* how often the arm's breaker had when the stage began */
    struct compare_mark *marks; /* of the arm, since the stage began; the newest last */
    uint32_t mark_count;
    struct sp_figures *others; /* when all began, and when the stage did */
    struct sp_figures *others_stage;
    struct compare_figures arm, rest; /* over the stage, as of the last look */
};

/* The conditions that were typed; CLI_USAGE after saying what is wrong with one. */
int compare_open(struct compare *compare, const struct cli *cli, struct arms *arms,
                 uint32_t target);
void compare_close(struct compare *compare);
/* A stage begins: only what happens from now on counts. */
void compare_begin(struct compare *compare, uint64_t now);
/* Does all hold? `why` says what does not, or what it takes to tell. */
enum sp_measured_verdict compare_look(struct compare *compare, uint64_t now, char *why,
                                      size_t size);

#endif
