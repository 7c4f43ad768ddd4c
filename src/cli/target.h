/* target.h - names in the policy that are looked up before they are needed: those of fallbacks and
 * of arms. */
#ifndef SHEARPIN_CLI_TARGET_H
#define SHEARPIN_CLI_TARGET_H

#include "shearpin/segment.h"

/* What HOST:PORT is looked up as, at most SP_TARGET_ADDRESSES. 0: `why` says why not. */
size_t target_look_up(const char *text, struct sp_addr out[SP_TARGET_ADDRESSES], const char **why);

/* A line of the policy that may have such a name. */
struct target_line {
    const char *text; /* HOST:PORT; NULL: there is nothing to look up */
    uint64_t hash;    /* of it */
    uint16_t file;
    uint16_t line;
    uint16_t column;
};
/* Lines of one sort. */
struct target_lines {
    const char *what; /* "fallback", "arm" */
    /* The nth of a row; false: behind the last. */
    bool (*nth)(const struct sp_policy *policy, const struct sp_row *row, size_t nth,
                struct target_line *line);
    const char *until;   /* what follows where nothing is known yet, to a reader of errors */
    const char *without; /* what follows where it cannot be looked up */
};
/* Looks up the names of the policy in force that were not looked up within the last minute
 * (`anew`: all), for the programs of the segment. What cannot be is said, unless `quiet`; what was
 * found earlier then stands. */
void target_resolve(struct sp_segment *segment, const struct target_lines *lines, bool anew,
                    bool quiet);
/* A warning for every name that cannot be looked up from here. */
void target_findings(const struct sp_policy *policy, const struct target_lines *lines,
                     sp_finding_fn *say, void *context);

#endif
