/* refuse.c - nobody listens: connect() ends with ECONNREFUSED and nothing is sent. */
#include "fault/rows.h"

#include <errno.h>

static int refuse_take(struct sp_fault *fault, const char *word, size_t length,
                       struct sp_error *error)
{
    (void)fault;
    (void)word;
    (void)length;
    (void)error;
    return 0;
}

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
    .take = refuse_take,
    .act = refuse_act,
};
