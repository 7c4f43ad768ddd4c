/* eof.c - the peer closes in order, in the middle of whatever it was about to say. */
#include "fault/end.h"

static void eof_act(const struct sp_fault *fault, uint64_t random, struct sp_fault_act *act)
{
    (void)random;
    end_act(fault, SP_FAULT_END_EOF, act);
}

const struct sp_fault_row sp_fault_eof = {
    .word = "eof",
    .on = SP_FAULT_ON_CONNECTION | SP_FAULT_ON_REQUEST,
    .help = "eof [after SIZE|T]",
    .take = end_take,
    .whole = end_whole,
    .act = eof_act,
};
