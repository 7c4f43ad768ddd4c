/* whatif.h - between the files of `whatif`: calls that were, and a policy that is tried on them. */
#ifndef SHEARPIN_CLI_WHATIF_H
#define SHEARPIN_CLI_WHATIF_H

#include "cli/calls.h"
#include "cli/replay.h"

struct whatif {
    struct cli *cli;
    const char *from;          /* the file that the calls are from; NULL: the segment's journal */
    struct calls_file file;    /* what stands in it */
    struct sp_segment segment; /* the real one; with a file and a policy there is none */
    struct sp_policy *policy;  /* the one that is tried */
    char source[600];          /* where it is from */
    struct replay replay;
    struct replay_counts *did; /* by place in the private segment */
    uint64_t *did_trip;
    uint64_t first, last; /* times of the journal, ns */
    uint64_t offset;      /* from these to the wall's */
    uint64_t foreign;     /* calls of destinations that the policy does not name */
};

/* The place of a destination in the private segment; -1: the policy does not name it. */
int whatif_place(const struct whatif *w, const char *name);
/* The calls of the journal or the file, in order, and what became of them; an exit status. */
int whatif_read(struct whatif *w);
/* What a breaker did at the time: counted, or printed. */
void whatif_really(struct whatif *w, bool print);

/* After the replay. */
void whatif_print(struct whatif *w);
void whatif_json(const struct whatif *w);

#endif
