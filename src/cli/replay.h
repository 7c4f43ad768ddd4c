/* replay.h - the calls of a journal once more, through the same guards, under another policy. */
#ifndef SHEARPIN_CLI_REPLAY_H
#define SHEARPIN_CLI_REPLAY_H

#include "shearpin/guard.h"

struct replay_note { /* a line of the journal; `dest` is a place in the private segment */
    struct sp_note note;
    int dest; /* -1: the policy does not name its destination */
};

struct replay_counts { /* of one destination */
    uint64_t calls;    /* connects that failed, and exchanges */
    uint64_t refused[3];
    uint64_t cut;     /* ended by a deadline */
    uint64_t unmade;  /* on connections that would have been refused or cut */
    uint64_t unknown; /* were refused then: nobody knows what would have become of them */
};

/* What a breaker would have done, at the time of the journal. */
struct replay_change {
    uint64_t at;
    struct sp_event event;
};

struct replay {
    struct sp_segment segment; /* private; made by the caller */
    struct replay_note *notes;
    size_t count;
    struct replay_counts *counts; /* by place in `segment` */
    struct replay_change *changes;
    size_t change_count;
};

/* Fills counts and changes. */
void replay_run(struct replay *replay);

#endif
