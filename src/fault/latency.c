/* latency.c - the answer takes longer: a fixed time, give or take a uniform spread. */
#include "fault/rows.h"

#include <errno.h>

#include "base/text.h"

static int latency_take(struct sp_fault *fault, const char *word, size_t length,
                        struct sp_error *error)
{
    uint64_t *to = &fault->amount;
    if (length > 2 && word[0] == '+' && word[1] == '-') {
        to = &fault->spread;
        word += 2;
        length -= 2;
    } else if (word[0] < '0' || word[0] > '9') {
        return 0;
    }
    if (sp_text_parse_time(word, length, to) != SP_TEXT_OK)
        return sp_error_set(error, EINVAL,
                            "latency: '%.*s' is no time; a time needs a unit: "
                            "250ms, 5s, 2m",
                            (int)length, word);
    return 1;
}

static void latency_act(const struct sp_fault *fault, uint64_t random, struct sp_fault_act *act)
{
    uint64_t delay = fault->amount;
    if (fault->spread) {
        uint64_t low = delay > fault->spread ? delay - fault->spread : 0;
        delay = low + random % (fault->spread * 2 + 1);
    }
    act->delay += delay;
}

static int latency_whole(struct sp_fault *fault, struct sp_error *error)
{
    return fault->amount ? 0 : sp_error_set(error, EINVAL, "latency needs a time: latency 300ms");
}

const struct sp_fault_row sp_fault_latency = {
    .word = "latency",
    .on = SP_FAULT_ON_CONNECT | SP_FAULT_ON_REQUEST | SP_FAULT_ON_LOOKUP,
    .usual = SP_FAULT_ON_CONNECT | SP_FAULT_ON_REQUEST,
    .help = "latency D [+-J]",
    .take = latency_take,
    .whole = latency_whole,
    .act = latency_act,
};
