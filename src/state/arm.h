/* arm.h - which place the arms of a policy get in a segment. */
#ifndef SHEARPIN_STATE_ARM_H
#define SHEARPIN_STATE_ARM_H

#include "shearpin/split.h"

/* How many arms a policy has. */
uint32_t sp_arm_total(const struct sp_policy *policy);
/* Is there room for all of them? `dests` says which place each row's destination gets. Changes
 * nothing; ENOSPC. */
int sp_arm_plan(struct sp_segment *segment, const struct sp_policy *policy, const uint32_t *dests,
                struct sp_error *error);
/* After a plan: writes into `copy`, the area that is being filled with `policy`, where each is. */
void sp_arm_hand_out(struct sp_segment *segment, const struct sp_policy *policy,
                     struct sp_policy *copy, const uint32_t *dests);
/* All arms of a destination give up their places. */
void sp_arm_forget(struct sp_segment *segment, uint32_t dest);

#endif
