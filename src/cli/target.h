/* target.h - names in the policy that are looked up before they are needed: those of fallbacks and
 * of arms. */
#ifndef SHEARPIN_CLI_TARGET_H
#define SHEARPIN_CLI_TARGET_H

#include "shearpin/segment.h"

/* What HOST:PORT is looked up as, at most SP_TARGET_ADDRESSES. 0: `why` says why not. */
size_t target_look_up(const char *text, struct sp_addr out[SP_TARGET_ADDRESSES], const char **why);
/* The same for the programs of a segment, unless it was looked up within the last minute or `anew`.
 * False: it cannot be; `known` says whether what was found earlier stands. */
bool target_resolve(struct sp_segment *segment, const char *text, uint64_t hash, bool anew,
                    const char **why, bool *known);

#endif
