/* unreachable.c - no way leads there: connect() ends with EHOSTUNREACH. */
#include "fault/rows.h"

#include <errno.h>

static void unreachable_act(const struct sp_fault *fault, uint64_t random, struct sp_fault_act *act)
{
    (void)fault;
    (void)random;
    act->error = EHOSTUNREACH;
}

const struct sp_fault_row sp_fault_unreachable = {
    .word = "unreachable",
    .on = SP_FAULT_ON_CONNECT,
    .help = "unreachable",
    .act = unreachable_act,
};
