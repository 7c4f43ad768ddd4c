/* no_fds.c - the process has as many files open as it may: socket() and accept() end with EMFILE.
 */
#include "fault/rows.h"

#include <errno.h>

#include "base/text.h"

#define NO_FDS_SYSTEM 1 /* `form`: the whole machine has, ENFILE */

static int no_fds_take(struct sp_fault *fault, const char *word, size_t length,
                       struct sp_error *error)
{
    (void)error;
    if (!sp_text_is(word, length, "system"))
        return 0;
    fault->form = NO_FDS_SYSTEM;
    return 1;
}

static void no_fds_act(const struct sp_fault *fault, uint64_t random, struct sp_fault_act *act)
{
    (void)random;
    act->error = fault->form == NO_FDS_SYSTEM ? ENFILE : EMFILE;
}

const struct sp_fault_row sp_fault_no_fds = {
    .word = "no-fds",
    .on = SP_FAULT_ON_FD | SP_FAULT_ON_CONNECT,
    .usual = SP_FAULT_ON_FD,
    .help = "no-fds [system]",
    .take = no_fds_take,
    .act = no_fds_act,
};
