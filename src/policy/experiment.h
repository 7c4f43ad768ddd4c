/*
 * experiment.h - reading sections `experiment NAME`.
 */
#ifndef POLICY_EXPERIMENT_H
#define POLICY_EXPERIMENT_H

#include "policy/reader.h"

void experiment_open(struct reader *reader, const struct scan_word *name); /* its first line */
void experiment_line(struct reader *reader);                               /* and the others */
void experiment_check(struct reader *reader, const struct sp_policy *policy);
/* How often the figures of what an experiment watches are written down. */
void experiment_moments(const struct reader *reader, struct sp_row *rows);

#endif
