/* answer.h - canned answers: their files, and the process that gives them. */
#ifndef SHEARPIN_CLI_ANSWER_H
#define SHEARPIN_CLI_ANSWER_H

#include "cli/command.h"
#include "shearpin/segment.h"

/* Reads the file of a line `fallback respond`, which is meant relative to the policy's. The bytes,
 * to be freed, and `*size`; NULL with `error` set. */
char *answer_read(const struct sp_policy *policy, const struct sp_fallback *line, size_t *size,
                  struct sp_error *error);
/* What is wrong with the files that a policy names. */
void answer_findings(const struct sp_policy *policy, sp_finding_fn *say, void *context);

/* Sees to it that somebody gives the answers that the policy in force names, as long as a process
 * of the segment lives: starts a process that is nobody's child, unless there is one. -1: `error`.
 */
int answer_start(struct sp_segment *segment, struct sp_error *error);

#endif
