/* list.c - the table of faults, and the words that all of them take: share, at, every, seed, on. */
#include "fault/rows.h"

#include <errno.h>
#include <string.h>

#include "base/near.h"
#include "base/random.h"
#include "base/text.h"

const struct sp_fault_row *const sp_faults[SP_FAULT_COUNT] = {
    [SP_FAULT_LATENCY] = &sp_fault_latency,
    [SP_FAULT_REFUSE] = &sp_fault_refuse,
    [SP_FAULT_UNREACHABLE] = &sp_fault_unreachable,
    [SP_FAULT_NO_ADDRESS] = &sp_fault_no_address,
    [SP_FAULT_NO_BUFFERS] = &sp_fault_no_buffers,
    [SP_FAULT_BLACKHOLE] = &sp_fault_blackhole,
    [SP_FAULT_HANG] = &sp_fault_hang,
    [SP_FAULT_RESET] = &sp_fault_reset,
    [SP_FAULT_EOF] = &sp_fault_eof,
    [SP_FAULT_SLICE] = &sp_fault_slice,
    [SP_FAULT_SLOW_CLOSE] = &sp_fault_slow_close,
    [SP_FAULT_CORRUPT] = &sp_fault_corrupt,
    [SP_FAULT_LOOKUP_FAIL] = &sp_fault_lookup_fail,
    [SP_FAULT_WRONG_ADDRESS] = &sp_fault_wrong_address,
    [SP_FAULT_NO_FDS] = &sp_fault_no_fds,
    [SP_FAULT_EINTR] = &sp_fault_eintr,
    [SP_FAULT_BANDWIDTH] = &sp_fault_bandwidth,
};

#define LIST_KINDS 64u /* what a seed decides stays as it is when a fault is added */

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

uint64_t *sp_fault_number(struct sp_fault *fault, const char **word, size_t *length)
{
    const char *at = *word;
    if (*length > 2 && at[0] == '+' && at[1] == '-') {
        *word += 2;
        *length -= 2;
        return &fault->spread;
    }
    return at[0] >= '0' && at[0] <= '9' ? &fault->amount : NULL;
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
    if (dots && (sp_text_parse_count(dots + 2, w.length - first - 2, &fault->last) != SP_TEXT_OK ||
                 fault->last < fault->first))
        return list_bad(error, "at", w, "ordinals from 1: 3 or 3..5");
    return 1;
}

/* Where a fault acts, as people write it. */
static const struct {
    const char *word;
    uint8_t on;
} list_stages[] = {
    {"connect", SP_FAULT_ON_CONNECT}, {"connection", SP_FAULT_ON_CONNECTION},
    {"request", SP_FAULT_ON_REQUEST}, {"answer", SP_FAULT_ON_ANSWER},
    {"lookup", SP_FAULT_ON_LOOKUP},   {"fd", SP_FAULT_ON_FD},
    {"wait", SP_FAULT_ON_WAIT},
};
#define LIST_STAGES (sizeof list_stages / sizeof *list_stages)

static int list_on(struct sp_fault *fault, struct word w, struct sp_error *error)
{
    const struct sp_fault_row *row = sp_faults[fault->kind];
    char possible[80];
    struct sp_text_out out = sp_text_out(possible, sizeof possible);
    for (size_t i = 0; i < LIST_STAGES; i++) {
        if (!(row->on & list_stages[i].on))
            continue;
        if (sp_text_is(w.at, w.length, list_stages[i].word)) {
            fault->on = list_stages[i].on;
            return 1;
        }
        sp_text_put(&out, "%s%s", out.length ? " or " : "", list_stages[i].word);
    }
    sp_text_put(&out, ", where %s acts", row->word);
    return list_bad(error, "on", w, possible);
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
                        "share P%, at N..M, every N, seed N, on STAGE or a word of its own");
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

static int list_kind(struct sp_fault *fault, struct word w, struct sp_error *error)
{
    char known[256];
    struct sp_text_out out = sp_text_out(known, sizeof known);
    struct sp_near near = sp_near_begin(w.at, w.length);
    for (int kind = 0; kind < SP_FAULT_COUNT; kind++) {
        fault->kind = (uint8_t)kind;
        if (sp_text_is(w.at, w.length, sp_faults[kind]->word))
            return 0;
        sp_text_put(&out, "%s%s", kind ? ", " : "one of: ", sp_faults[kind]->word);
        sp_near_try(&near, sp_faults[kind]->word);
    }
    if (near.best)
        return sp_error_set(error, EINVAL, "there is no fault '%.*s'; did you mean '%s'?",
                            (int)w.length, w.at, near.best);
    list_bad(error, "fault", w, known);
    return -1;
}

int sp_fault_parse(const char *text, struct sp_fault *out, struct sp_error *error)
{
    struct word w = list_next(&text);
    memset(out, 0, sizeof *out);
    if (list_kind(out, w, error) != 0)
        return -1;
    const struct sp_fault_row *row = sp_faults[out->kind];
    out->share = row->share ? row->share : SP_SHARE_ALL;
    for (w = list_next(&text); w.length; w = list_next(&text)) {
        int taken = row->take ? row->take(out, w.at, w.length, error) : 0;
        if (taken == 0)
            taken = list_common(out, w, &text, error);
        if (taken < 0)
            return -1;
    }
    if (row->whole && row->whole(out, error) != 0)
        return -1;
    if (out->on == 0)
        out->on = row->usual ? row->usual : row->on;
    return 0;
}

static uint64_t list_random(const struct sp_fault *fault, uint64_t destination, uint64_t ordinal)
{
    return sp_mix(sp_mix(sp_mix(fault->seed * LIST_KINDS + fault->kind) ^ destination) ^
                  ordinal * UINT64_C(0x9e3779b97f4a7c15));
}

static bool list_drawn(uint64_t random, uint32_t share)
{
    return (random >> 32) * SP_SHARE_ALL >> 32 < share;
}

/* Of correlated ordinals one is, with that probability, as the one before it; so the distribution
 * stays what it is, and the ordinal alone decides. */
static uint64_t list_act(const struct sp_fault *fault, uint64_t destination, uint64_t ordinal)
{
    uint64_t random = list_random(fault, destination, ordinal);
    while (ordinal > 1 && list_drawn(sp_mix(~random), fault->correlation))
        random = list_random(fault, destination, --ordinal);
    return sp_mix(random);
}

bool sp_fault_apply(const struct sp_fault *fault, uint64_t destination, uint64_t ordinal,
                    struct sp_fault_act *act)
{
    uint64_t random = list_random(fault, destination, ordinal);
    bool hit;
    if (fault->first)
        hit = ordinal >= fault->first && ordinal <= fault->last;
    else if (fault->every)
        hit = ordinal % fault->every == 0;
    else
        hit = list_drawn(random, fault->share);
    if (hit && fault->kind < SP_FAULT_COUNT)
        sp_faults[fault->kind]->act(fault, list_act(fault, destination, ordinal), act);
    return hit;
}
