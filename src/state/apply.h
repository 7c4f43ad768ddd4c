/* apply.h - putting a compiled policy into a segment. */
#ifndef SHEARPIN_STATE_APPLY_H
#define SHEARPIN_STATE_APPLY_H

#include "shearpin/segment.h"

/* Lease words that the caps of a policy want. */
uint32_t sp_apply_leases(const struct sp_policy *policy);
/* Entries of the journal that a policy wants. */
uint32_t sp_apply_journal(const struct sp_policy *policy);
/* Fills the area that is not in force and switches to it. Needs the apply lock, or a segment that
 * nobody sees yet. ENOSPC changes nothing. */
int sp_apply_fill(struct sp_segment *segment, const struct sp_policy *policy,
                  struct sp_error *error);

#endif
