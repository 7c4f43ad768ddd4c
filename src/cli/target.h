/* target.h - names in the policy that are looked up before they are needed: those of fallbacks and
 * of arms. */
#ifndef SHEARPIN_CLI_TARGET_H
#define SHEARPIN_CLI_TARGET_H

#include "shearpin/segment.h"

/* What HOST:PORT is looked up as, at most SP_TARGET_ADDRESSES. 0: `why` says why not. */
size_t target_look_up(const char *text, struct sp_addr out[SP_TARGET_ADDRESSES], const char **why);

/* A line of the policy with such a name. */
struct target_line {
    const char *what; /* "fallback", "arm" */
    const char *text; /* HOST:PORT */
    uint64_t hash;    /* of it */
    uint16_t file;
    uint16_t line;
    uint16_t column;
};
/* Looks it up for the programs of a segment, unless that was done within the last minute or `anew`.
 * What cannot be looked up is said, with what follows of it where nothing was known before. */
void target_resolve(struct sp_segment *segment, const struct sp_row *row,
                    const struct target_line *line, bool anew, const char *without, bool quiet);
/* A warning where it cannot be looked up from here, with what follows of it. */
void target_finding(const struct sp_policy *policy, const struct target_line *line,
                    const char *without, sp_finding_fn *say, void *context);

#endif
