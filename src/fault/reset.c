/* reset.c - the connection is reset: every call on it ends with ECONNRESET. */
#include "fault/end.h"

static void reset_act(const struct sp_fault *fault, uint64_t random, struct sp_fault_act *act)
{
    (void)random;
    end_act(fault, SP_FAULT_END_RESET, act);
}

const struct sp_fault_row sp_fault_reset = {
    .word = "reset",
    .on = SP_FAULT_ON_CONNECTION | SP_FAULT_ON_REQUEST,
    .help = "reset [after SIZE|T]",
    .take = end_take,
    .whole = end_whole,
    .act = reset_act,
};
