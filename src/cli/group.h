/* group.h - several segments at once: those that are named, or all there are. */
#ifndef SHEARPIN_CLI_GROUP_H
#define SHEARPIN_CLI_GROUP_H

#include "cli/look.h"

#define GROUP_PAST 60

struct group_seat {
    char name[WHERE_NAME_SIZE]; /* as -s takes it */
    bool gone;                  /* its file is another now, or none */
    struct sp_segment segment;
    struct look_mark mark;
    /* for who goes on */
    bool looked; /* `look` holds one */
    struct look look;
    float (*past)[GROUP_PAST]; /* calls/s by destination, oldest first; NAN: nobody looked */
    uint64_t ticks;
};

struct group {
    struct group_seat **seats;
    size_t count;
};

/* Attaches what is meant: every -s, else SHEARPIN_SEGMENT or the policy of -p, else all that this
 * user may read. Returns CLI_OK, or the exit status when it has said what is wrong. */
int group_attach(struct cli *cli, struct group *group);
/* For who goes on: what is new is attached, what is gone let go, without a word; then every seat
 * gets a look over the time since the last. */
void group_tick(struct cli *cli, struct group *group);
void group_free(struct group *group);

#endif
