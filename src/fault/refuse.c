/* refuse.c - nobody listens: connect() ends with ECONNREFUSED and nothing is sent. */
#include "fault/rows.h"

#include <errno.h>

static void refuse_act(const struct sp_fault *fault, uint64_t random, struct sp_fault_act *act)
{
    (void)fault;
    (void)random;
    act->error = ECONNREFUSED;
}

const struct sp_fault_row sp_fault_refuse = {
    .word = "refuse",
    .on = SP_FAULT_ON_CONNECT,
    .help = "refuse",
    .act = refuse_act,
};
