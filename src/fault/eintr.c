/* eintr.c - signals without end: calls that would wait end with EINTR. */
#include "fault/rows.h"

#include <errno.h>

static void eintr_act(const struct sp_fault *fault, uint64_t random, struct sp_fault_act *act)
{
    (void)fault;
    (void)random;
    act->error = EINTR;
}

const struct sp_fault_row sp_fault_eintr = {
    .word = "eintr",
    .on = SP_FAULT_ON_WAIT,
    .share = SP_SHARE_ALL / 2, /* with all of them a program that tries again would never end */
    .help = "eintr",
    .act = eintr_act,
};
