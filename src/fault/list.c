/* list.c - the table of faults, and the words that all of them take: share, at, every, seed, on. */
#include "fault/rows.h"

#include <errno.h>
#include <string.h>

#include "base/random.h"
#include "base/text.h"

const struct sp_fault_row *const sp_faults[SP_FAULT_COUNT] = {
    [SP_FAULT_LATENCY] = &sp_fault_latency,
    [SP_FAULT_REFUSE] = &sp_fault_refuse,
};

struct word {
    const char *at;
    size_t length;
};

static struct word list_next(const char **text)
{
    *text += strspn(*text, " \t");
    struct word w = {*text, strcspn(*text, " \t")};
    *text += w.length;
    return w;
}

static int list_bad(struct sp_error *error, const char *what, struct word w, const char *right)
{
    return sp_error_set(error, EINVAL, "%s: '%.*s' should be %s", what, (int)w.length, w.at, right);
}

static int list_at(struct sp_fault *fault, struct word w, struct sp_error *error)
{
    const char *dots = memmem(w.at, w.length, "..", 2);
    size_t first = dots ? (size_t)(dots - w.at) : w.length;
    if (sp_text_parse_count(w.at, first, &fault->first) != SP_TEXT_OK || fault->first == 0)
        return list_bad(error, "at", w, "ordinals from 1: 3 or 3..5");
    fault->last = fault->first;
    if (dots && sp_text_parse_count(dots + 2, w.length - first - 2, &fault->last) != SP_TEXT_OK)
        return list_bad(error, "at", w, "ordinals from 1: 3 or 3..5");
    return 1;
}

static int list_on(struct sp_fault *fault, struct word w, struct sp_error *error)
{
    uint8_t on = sp_text_is(w.at, w.length, "connect")   ? SP_FAULT_ON_CONNECT
                 : sp_text_is(w.at, w.length, "request") ? SP_FAULT_ON_REQUEST
                                                         : 0;
    if (!(on & sp_faults[fault->kind]->on))
        return list_bad(error, "on", w, "connect or request, where this fault acts");
    fault->on = on;
    return 1;
}

/* A word that every fault takes, with its value. */
static int list_common(struct sp_fault *fault, struct word w, const char **text,
                       struct sp_error *error)
{
    static const char *const known[] = {"share", "at", "every", "seed", "on"};
    size_t i = 0;
    while (i < 5 && !sp_text_is(w.at, w.length, known[i]))
        i++;
    if (i == 5)
        return list_bad(error, sp_faults[fault->kind]->word, w,
                        "share P%, at N..M, every N, seed N or on connect|request");
    struct word value = list_next(text);
    switch (i) {
    case 0:
        return sp_text_parse_share(value.at, value.length, &fault->share) == SP_TEXT_OK &&
                       fault->share <= SP_SHARE_ALL
                   ? 1
                   : list_bad(error, "share", value, "0% to 100%");
    case 1:
        return list_at(fault, value, error);
    case 2:
        return sp_text_parse_count(value.at, value.length, &fault->every) == SP_TEXT_OK &&
                       fault->every
                   ? 1
                   : list_bad(error, "every", value, "a number from 1");
    case 3:
        return sp_text_parse_count(value.at, value.length, &fault->seed) == SP_TEXT_OK
                   ? 1
                   : list_bad(error, "seed", value, "a number");
    default:
        return list_on(fault, value, error);
    }
}

int sp_fault_parse(const char *text, struct sp_fault *out, struct sp_error *error)
{
    struct word w = list_next(&text);
    memset(out, 0, sizeof *out);
    out->share = SP_SHARE_ALL;
    while (out->kind < SP_FAULT_COUNT && !sp_text_is(w.at, w.length, sp_faults[out->kind]->word))
        out->kind++;
    if (out->kind == SP_FAULT_COUNT)
        return list_bad(error, "fault", w, "latency or refuse");
    const struct sp_fault_row *row = sp_faults[out->kind];
    out->on = row->on;
    for (w = list_next(&text); w.length; w = list_next(&text)) {
        int taken = row->take(out, w.at, w.length, error);
        if (taken == 0)
            taken = list_common(out, w, &text, error);
        if (taken < 0)
            return -1;
    }
    if (out->kind == SP_FAULT_LATENCY && out->amount == 0)
        return sp_error_set(error, EINVAL, "latency needs a time: latency 300ms");
    return 0;
}

bool sp_fault_apply(const struct sp_fault *fault, uint64_t destination, uint64_t ordinal,
                    struct sp_fault_act *act)
{
    uint64_t random = sp_mix(sp_mix(fault->seed * SP_FAULT_COUNT + fault->kind) ^ destination) ^
                      ordinal * UINT64_C(0x9e3779b97f4a7c15);
    random = sp_mix(random);
    bool hit;
    if (fault->first)
        hit = ordinal >= fault->first && ordinal <= fault->last;
    else if (fault->every)
        hit = ordinal % fault->every == 0;
    else
        hit = (random >> 32) * SP_SHARE_ALL >> 32 < fault->share;
    if (hit && fault->kind < SP_FAULT_COUNT)
        sp_faults[fault->kind]->act(fault, sp_mix(random), act);
    return hit;
}
