/* where.h - which segment is meant, and how to get at it. */
#ifndef SHEARPIN_CLI_WHERE_H
#define SHEARPIN_CLI_WHERE_H

#include "cli/command.h"
#include "cli/rules.h"
#include "shearpin/segment.h"

#define WHERE_NAME_SIZE (SP_NAME_SIZE + 33) /* NAME@GROUP */

/* SHEARPIN_DIR, or /dev/shm. */
const char *where_directory(void);

struct where_entry {
    char name[SP_NAME_SIZE];
    char path[256];
    char shown[WHERE_NAME_SIZE]; /* as -s takes it: NAME, or NAME@GROUP */
};
struct where_list {
    struct where_entry *entries;
    size_t count;
};

/* Every segment of ours (root: of everybody) that the directory holds, by name. */
void where_list(struct where_list *list);

/* Attaches the segment that is meant: -s, else SHEARPIN_SEGMENT, else the policy's, else the only
 * one. Returns CLI_OK, or the exit status when it has said what is wrong. */
int where_attach(struct cli *cli, struct sp_segment *segment);

/* Says that there is no segment at all, and how to start. Returns the exit status. */
int where_nothing(void);

/* The same without a word, and without asking the policy. False: none, or several. */
bool where_try(struct cli *cli, struct sp_segment *segment);

/* NAME or NAME@GROUP, as the policy says. -1 after saying why not. */
int where_policy_name(char *out, size_t size, const struct rules *rules, const char *path);

/* The segment's name, harmless. */
const char *where_name(const struct sp_segment *segment);

/* The destination of that name. Returns CLI_OK, or CLI_UNKNOWN after saying what may be meant. */
int where_dest(const struct cli *cli, const struct sp_segment *segment, const char *name,
               uint32_t *index);

/* A question to the guards about a destination; `guards` is filled with the policy in force. */
struct sp_call;
void where_call(struct sp_call *call, struct sp_segment *segment, uint32_t index,
                struct sp_guards *guards);

#endif
