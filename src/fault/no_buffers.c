/* no_buffers.c - the kernel has no memory for a connection: connect() ends with ENOBUFS. */
#include "fault/rows.h"

#include <errno.h>

static void no_buffers_act(const struct sp_fault *fault, uint64_t random, struct sp_fault_act *act)
{
    (void)fault;
    (void)random;
    act->error = ENOBUFS;
}

const struct sp_fault_row sp_fault_no_buffers = {
    .word = "no-buffers",
    .on = SP_FAULT_ON_CONNECT,
    .help = "no-buffers",
    .act = no_buffers_act,
};
