/* chaos.h - the figures of an experiment, which the table keeps as it starts and ends. */
#ifndef SHEARPIN_STATE_CHAOS_H
#define SHEARPIN_STATE_CHAOS_H

#include "shearpin/chaos.h"

/* Into a row that nobody sees yet and that will stand at `row`: what was before, and a mark a
 * target as long as there are any. */
void chaos_keep_before(struct sp_segment *segment, struct sp_chaos *full,
                       const struct sp_chaos *row);
/* It has just ended: what was during it. Its marks are those of the end from now on. */
void chaos_keep_during(struct sp_segment *segment, struct sp_chaos *chaos, uint64_t now);

#endif
