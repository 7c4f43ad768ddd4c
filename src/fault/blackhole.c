/* blackhole.c - the connect is never answered: nothing comes from there, not even a refusal. */
#include "fault/rows.h"

static void blackhole_act(const struct sp_fault *fault, uint64_t random, struct sp_fault_act *act)
{
    (void)fault;
    (void)random;
    act->swallowed = true;
}

const struct sp_fault_row sp_fault_blackhole = {
    .word = "blackhole",
    .on = SP_FAULT_ON_CONNECT,
    .help = "blackhole",
    .act = blackhole_act,
};
