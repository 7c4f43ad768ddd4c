/* bandwidth.c - a connection moves so many bytes a second, either way. */
#include "fault/rows.h"

#include <errno.h>

#include "base/text.h"

#define BANDWIDTH_MAX (UINT64_C(16) << 30)

static int bandwidth_take(struct sp_fault *fault, const char *word, size_t length,
                          struct sp_error *error)
{
    size_t number =
        length > 2 && word[length - 2] == '/' && word[length - 1] == 's' ? length - 2 : 0;
    if (word[0] < '0' || word[0] > '9')
        return 0;
    if (number == 0 || sp_text_parse_size(word, number, &fault->amount) != SP_TEXT_OK ||
        fault->amount == 0 || fault->amount > BANDWIDTH_MAX)
        return sp_error_set(error, EINVAL,
                            "bandwidth: '%.*s' should be 1B/s to 16GiB/s: bandwidth 64KiB/s",
                            (int)length, word);
    return 1;
}

static int bandwidth_whole(struct sp_fault *fault, struct sp_error *error)
{
    return fault->amount ? 0
                         : sp_error_set(error, EINVAL, "bandwidth needs a rate: bandwidth 64KiB/s");
}

/* Of two the narrower one. */
static void bandwidth_act(const struct sp_fault *fault, uint64_t random, struct sp_fault_act *act)
{
    (void)random;
    if (act->rate == 0 || fault->amount < act->rate)
        act->rate = fault->amount;
}

const struct sp_fault_row sp_fault_bandwidth = {
    .word = "bandwidth",
    .on = SP_FAULT_ON_CONNECTION,
    .help = "bandwidth RATE",
    .take = bandwidth_take,
    .whole = bandwidth_whole,
    .act = bandwidth_act,
};
