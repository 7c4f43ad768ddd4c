/* latency.c - what comes is seen later: by a fixed time, or by one of a distribution. */
#include "fault/quantile.h"
#include "fault/rows.h"

#include <errno.h>

#include "base/text.h"

enum latency_form { LATENCY_UNIFORM, LATENCY_FIXED, LATENCY_NORMAL, LATENCY_PARETO, LATENCY_FORMS };

static const char *const latency_forms[LATENCY_FORMS] = {"uniform", "fixed", "normal", "pareto"};

/* 99%: of more, hardly two calls in a row differ. */
#define LATENCY_CORRELATED (SP_SHARE_ALL / 100 * 99)

static int latency_word(struct sp_fault *fault, const char *word, size_t length)
{
    for (size_t i = 0; i < LATENCY_FORMS; i++) {
        if (!sp_text_is(word, length, latency_forms[i]))
            continue;
        fault->form = (uint8_t)i;
        return 1;
    }
    return 0;
}

/* `correlation P%`: the share is a word of its own, and comes next. */
static int latency_correlated(struct sp_fault *fault, const char *word, size_t length,
                              struct sp_error *error)
{
    if (sp_text_parse_share(word, length, &fault->correlation) == SP_TEXT_OK &&
        fault->correlation <= LATENCY_CORRELATED)
        return 1;
    return sp_error_set(error, EINVAL, "correlation: '%.*s' should be 0%% to 99%%", (int)length,
                        word);
}

static int latency_take(struct sp_fault *fault, const char *word, size_t length,
                        struct sp_error *error)
{
    if (fault->correlation == UINT32_MAX)
        return latency_correlated(fault, word, length, error);
    if (sp_text_is(word, length, "correlation")) {
        fault->correlation = UINT32_MAX;
        return 1;
    }
    uint64_t *to = sp_fault_number(fault, &word, &length);
    if (!to)
        return latency_word(fault, word, length);
    if (sp_text_parse_time(word, length, to) != SP_TEXT_OK)
        return sp_error_set(error, EINVAL,
                            "latency: '%.*s' is no time; a time needs a unit: "
                            "250ms, 5s, 2m",
                            (int)length, word);
    return 1;
}

static int latency_whole(struct sp_fault *fault, struct sp_error *error)
{
    const char *form = latency_forms[fault->form];
    if (!fault->amount)
        return sp_error_set(error, EINVAL, "latency needs a time: latency 300ms");
    if (fault->correlation == UINT32_MAX)
        return sp_error_set(error, EINVAL, "correlation needs a share: correlation 25%%");
    if (fault->form == LATENCY_FIXED && fault->spread)
        return sp_error_set(error, EINVAL, "latency: fixed has no spread; leave out +- or fixed");
    if (fault->form > LATENCY_FIXED && !fault->spread)
        return sp_error_set(error, EINVAL, "latency: %s needs a spread: latency 300ms +-50ms %s",
                            form, form);
    return 0;
}

/* How far from the amount, in spreads. */
static double latency_drawn(enum latency_form form, uint64_t random)
{
    double u = sp_quantile_share(random);
    return form == LATENCY_NORMAL   ? sp_quantile_normal(u)
           : form == LATENCY_PARETO ? sp_quantile_pareto(u)
                                    : 2 * u - 1;
}

static void latency_act(const struct sp_fault *fault, uint64_t random, struct sp_fault_act *act)
{
    double delay = (double)fault->amount;
    if (fault->spread)
        delay += (double)fault->spread * latency_drawn(fault->form, random);
    uint64_t ns = delay < 1 ? 0 : delay < 1e18 ? (uint64_t)delay : UINT64_C(1000000000000000000);
    if (fault->on == SP_FAULT_ON_ANSWER)
        act->answer += ns;
    else
        act->delay += ns;
}

const struct sp_fault_row sp_fault_latency = {
    .word = "latency",
    .on = SP_FAULT_ON_CONNECT | SP_FAULT_ON_REQUEST | SP_FAULT_ON_ANSWER | SP_FAULT_ON_LOOKUP,
    .usual = SP_FAULT_ON_CONNECT | SP_FAULT_ON_REQUEST,
    .help = "latency D [+-J] [fixed|uniform|normal|pareto] [correlation P%]",
    .take = latency_take,
    .whole = latency_whole,
    .act = latency_act,
};
