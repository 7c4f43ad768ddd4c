/* slow_close.c - the end of the stream is seen later than it came. */
#include "fault/rows.h"

#include <errno.h>

#include "base/text.h"

static int slow_close_take(struct sp_fault *fault, const char *word, size_t length,
                           struct sp_error *error)
{
    if (word[0] < '0' || word[0] > '9')
        return 0;
    if (sp_text_parse_time(word, length, &fault->amount) != SP_TEXT_OK)
        return sp_error_set(error, EINVAL, "slow-close: '%.*s' is no time: slow-close 2s",
                            (int)length, word);
    return 1;
}

static int slow_close_whole(struct sp_fault *fault, struct sp_error *error)
{
    return fault->amount ? 0
                         : sp_error_set(error, EINVAL, "slow-close needs a time: slow-close 2s");
}

static void slow_close_act(const struct sp_fault *fault, uint64_t random, struct sp_fault_act *act)
{
    (void)random;
    act->close = fault->amount;
}

const struct sp_fault_row sp_fault_slow_close = {
    .word = "slow-close",
    .on = SP_FAULT_ON_CONNECTION,
    .help = "slow-close T",
    .take = slow_close_take,
    .whole = slow_close_whole,
    .act = slow_close_act,
};
