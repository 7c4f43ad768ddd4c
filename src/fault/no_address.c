/* no_address.c - this machine has no free port left: connect() ends with EADDRNOTAVAIL. */
#include "fault/rows.h"

#include <errno.h>

static void no_address_act(const struct sp_fault *fault, uint64_t random, struct sp_fault_act *act)
{
    (void)fault;
    (void)random;
    act->error = EADDRNOTAVAIL;
}

const struct sp_fault_row sp_fault_no_address = {
    .word = "no-address",
    .on = SP_FAULT_ON_CONNECT,
    .help = "no-address",
    .act = no_address_act,
};
