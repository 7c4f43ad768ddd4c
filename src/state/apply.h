/* apply.h - putting a compiled policy into a segment. */
#ifndef SHEARPIN_STATE_APPLY_H
#define SHEARPIN_STATE_APPLY_H

#include "shearpin/segment.h"

/* Words of the pool that a cap of `limit` gets. */
uint32_t sp_apply_extent(uint32_t limit);
/* What a segment that is made under a policy has room for, and its size. */
void sp_apply_capacities(struct sp_head *head, const struct sp_policy *policy);
/* Where the parts are, once `head` is known to be sound (segment.c). */
void sp_segment_point(struct sp_segment *segment, char *at, const struct sp_head *head);
/* Fills the area that is not in force and switches to it. Needs the apply lock, or a segment that
 * nobody sees yet. ENOSPC changes nothing. */
int sp_apply_fill(struct sp_segment *segment, const struct sp_policy *policy,
                  struct sp_error *error);

#endif
