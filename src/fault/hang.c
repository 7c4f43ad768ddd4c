/* hang.c - it connects and never answers; a deadline ends it, or the program. */
#include "fault/rows.h"

static void hang_act(const struct sp_fault *fault, uint64_t random, struct sp_fault_act *act)
{
    (void)fault;
    (void)random;
    act->silent = true;
}

const struct sp_fault_row sp_fault_hang = {
    .word = "hang",
    .on = SP_FAULT_ON_REQUEST | SP_FAULT_ON_CONNECTION,
    .usual = SP_FAULT_ON_REQUEST,
    .help = "hang",
    .act = hang_act,
};
