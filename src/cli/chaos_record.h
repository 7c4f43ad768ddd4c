/* chaos_record.h - the decisions of an experiment in a file: which calls were struck, by what. */
#ifndef SHEARPIN_CLI_CHAOS_RECORD_H
#define SHEARPIN_CLI_CHAOS_RECORD_H

#include "cli/chaos.h"

/* X(id, word): what is counted, as the file names it. */
#define RECORD_ORDINALS(X)      \
    X(CONNECTION, "connection") \
    X(EXCHANGE, "exchange")     \
    X(LOOKUP, "lookup")         \
    X(FD, "fd")                 \
    X(WAIT, "wait")
extern const char *const record_words[SP_ORDINAL_COUNT];

/* Calls each decision of an experiment, whose ordinals went up to `counts[target][ordinal]`, in one
 * order; returns how many there are. `tell` may be NULL. */
typedef void record_fn(void *context, uint32_t target, uint32_t fault, enum sp_ordinal of,
                       uint64_t ordinal);
uint64_t record_decisions(const struct sp_chaos *chaos, uint64_t (*counts)[SP_ORDINAL_COUNT],
                          record_fn *tell, void *context);

#endif
