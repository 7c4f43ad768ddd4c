/* group.h - several segments at once: those that are named, or all there are. */
#ifndef SHEARPIN_CLI_GROUP_H
#define SHEARPIN_CLI_GROUP_H

#include "cli/look.h"

struct group_seat {
    char name[WHERE_NAME_SIZE]; /* as -s takes it */
    bool gone;                  /* its file is another now, or none */
    struct sp_segment segment;
    struct look_mark mark;
};

struct group {
    struct group_seat *seats;
    size_t count;
};

/* Attaches what is meant: every -s, else SHEARPIN_SEGMENT or the policy of -p, else all that this
 * user may read. Returns CLI_OK, or the exit status when it has said what is wrong. */
int group_attach(struct cli *cli, struct group *group);
/* The same again, without a word, for who goes on: what is new is attached, what is gone let go.
 * Seats move. */
void group_follow(struct cli *cli, struct group *group);
void group_free(struct group *group);

#endif
