/* slice.c - transfers move a few bytes at a time: short reads and writes, with pauses if wanted. */
#include "fault/rows.h"

#include <errno.h>

#include "base/text.h"

#define SLICE_USUAL 64u
#define SLICE_MAX   (UINT64_C(1) << 30)

static int slice_bad(struct sp_error *error, const char *word, size_t length)
{
    return sp_error_set(error, EINVAL,
                        "slice: '%.*s' should be a size from 1B to 1GiB, +-SIZE, or pause T",
                        (int)length, word);
}

#define SLICE_PAUSE 1 /* `form`: the word was read, the time comes next */

static int slice_take(struct sp_fault *fault, const char *word, size_t length,
                      struct sp_error *error)
{
    if (fault->form == SLICE_PAUSE) {
        fault->form = 0;
        return sp_text_parse_time(word, length, &fault->pause) == SP_TEXT_OK
                   ? 1
                   : sp_error_set(error, EINVAL, "pause: '%.*s' should be a time: pause 10ms",
                                  (int)length, word);
    }
    if (sp_text_is(word, length, "pause")) {
        fault->form = SLICE_PAUSE;
        return 1;
    }
    uint64_t *to = sp_fault_number(fault, &word, &length);
    if (!to)
        return 0;
    if (sp_text_parse_size(word, length, to) != SP_TEXT_OK || *to == 0 || *to > SLICE_MAX)
        return slice_bad(error, word, length);
    return 1;
}

static int slice_whole(struct sp_fault *fault, struct sp_error *error)
{
    if (fault->form == SLICE_PAUSE)
        return sp_error_set(error, EINVAL, "pause for how long? pause 10ms");
    if (fault->amount == 0)
        fault->amount = SLICE_USUAL;
    if (fault->spread >= fault->amount)
        return sp_error_set(error, EINVAL, "slice: a spread below the size leaves no byte");
    return 0;
}

static void slice_act(const struct sp_fault *fault, uint64_t random, struct sp_fault_act *act)
{
    act->slice = (uint32_t)fault->amount;
    act->slice_spread = (uint32_t)fault->spread;
    act->slice_pause = fault->pause;
    act->random = random;
}

const struct sp_fault_row sp_fault_slice = {
    .word = "slice",
    .on = SP_FAULT_ON_CONNECTION,
    .help = "slice [SIZE [+-SIZE]] [pause T]",
    .take = slice_take,
    .whole = slice_whole,
    .act = slice_act,
};
