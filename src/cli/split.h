/* split.h - lines `split`: how they are shown, what became of their arms, and the names in them
 * looked up. */
#ifndef SHEARPIN_CLI_SPLIT_H
#define SHEARPIN_CLI_SPLIT_H

#include "cli/json.h"
#include "cli/look.h"
#include "cli/setting.h"
#include "shearpin/split.h"

/* The nth arm of a row, NULL behind the last. */
const struct sp_arm_policy *split_at(const struct sp_policy *policy, const struct sp_row *row,
                                     size_t nth);
/* The lines of a row as `match` and `show` print them, in one line for comparison, and for
 * machines.
 */
void split_print(const struct setting_view *view);
void split_join(const struct sp_policy *policy, const struct sp_row *row, char *out, size_t size);
void split_lines_json(struct json *json, const struct setting_view *view);

/* Looks up every arm that the policy in force names (`anew`: also those of the last minute), for
 * the programs of the segment. What cannot be is said, unless `quiet`. */
void split_resolve(struct sp_segment *segment, bool anew, bool quiet);
/* Findings about names that cannot be looked up. */
void split_findings(const struct sp_policy *policy, sp_finding_fn *say, void *context);
/* Prints what is no mistake, and yet does not work under a bare LD_PRELOAD. */
void split_notes(const struct sp_policy *policy);

/* --- what became of them: split_status.c --- */

/* One arm now. */
struct split_arm {
    char name[4 * SP_ARM_NAME_SIZE + 1]; /* made harmless */
    const struct sp_arm_policy *line;
    const struct sp_arm *arm; /* NULL: it has no place in the segment */
    uint32_t share;           /* in force; hundredths of a percent */
    uint32_t standing;        /* connections */
    bool uncounted;           /* ... or more */
    struct sp_breaker_view view;
    uint64_t since; /* ns in this state; SP_NEVER: always */
    struct sp_figures figures;
};
/* The nth arm of a destination; false: it has no such. */
bool split_arm(const struct look *look, const struct look_dest *d, size_t nth,
               struct split_arm *out);
/* "blue 95%  green 5%, open: probe in 3s"; "" without arms. */
void split_why(const struct look *look, const struct look_dest *d, char *out, size_t size);
/* Of the arms that have a share: how many, and how many of them their breaker keeps out. */
unsigned split_out(const struct look *look, const struct look_dest *d, unsigned *shared);
void split_depth(const struct look *look, const struct look_dest *d);
void split_json(struct json *json, const struct look *look, const struct look_dest *d);

#endif
