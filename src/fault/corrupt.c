/* corrupt.c - one bit is flipped in one byte of so many, at places that the seed decides. */
#include "fault/rows.h"

#include <errno.h>

#include "base/text.h"

#define CORRUPT_USUAL 1024u

static int corrupt_take(struct sp_fault *fault, const char *word, size_t length,
                        struct sp_error *error)
{
    if (word[0] < '0' || word[0] > '9')
        return 0;
    if (sp_text_parse_size(word, length, &fault->amount) != SP_TEXT_OK || fault->amount == 0 ||
        fault->amount > UINT32_MAX)
        return sp_error_set(error, EINVAL,
                            "corrupt: '%.*s' should be a size, one byte of which is hurt: 1KiB",
                            (int)length, word);
    return 1;
}

static int corrupt_whole(struct sp_fault *fault, struct sp_error *error)
{
    (void)error;
    if (fault->amount == 0)
        fault->amount = CORRUPT_USUAL;
    return 0;
}

static void corrupt_act(const struct sp_fault *fault, uint64_t random, struct sp_fault_act *act)
{
    if (fault->on & (SP_FAULT_ON_ANSWER | SP_FAULT_ON_CONNECTION))
        act->corrupt_in = (uint32_t)fault->amount;
    if (fault->on & (SP_FAULT_ON_REQUEST | SP_FAULT_ON_CONNECTION))
        act->corrupt_out = (uint32_t)fault->amount;
    act->random = random;
}

const struct sp_fault_row sp_fault_corrupt = {
    .word = "corrupt",
    .on = SP_FAULT_ON_ANSWER | SP_FAULT_ON_REQUEST | SP_FAULT_ON_CONNECTION,
    .usual = SP_FAULT_ON_ANSWER,
    .help = "corrupt [SIZE]",
    .take = corrupt_take,
    .whole = corrupt_whole,
    .act = corrupt_act,
};
