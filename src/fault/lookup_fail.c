/* lookup_fail.c - the name is not found: no server answers, or there is no such name. */
#include "fault/rows.h"

#include <netdb.h>

#include "base/text.h"

#define LOOKUP_NO_NAME 1 /* `form` */

static int lookup_fail_take(struct sp_fault *fault, const char *word, size_t length,
                            struct sp_error *error)
{
    (void)error;
    if (!sp_text_is(word, length, "no-name"))
        return 0;
    fault->form = LOOKUP_NO_NAME;
    return 1;
}

static void lookup_fail_act(const struct sp_fault *fault, uint64_t random, struct sp_fault_act *act)
{
    (void)random;
    act->error = fault->form == LOOKUP_NO_NAME ? EAI_NONAME : EAI_AGAIN;
}

const struct sp_fault_row sp_fault_lookup_fail = {
    .word = "lookup-fail",
    .on = SP_FAULT_ON_LOOKUP,
    .help = "lookup-fail [no-name]",
    .take = lookup_fail_take,
    .act = lookup_fail_act,
};
