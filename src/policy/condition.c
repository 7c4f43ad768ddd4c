/*
 * condition.c - the one grammar of conditions:  MEASURE < | > LIMIT [for TIME]
 */
#include "policy/condition.h"

#include "base/near.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *word;
    enum sp_measure_kind kind;
    unsigned tail;
} condition_measures[] = {
#define X(id, word, kind, tail) {word, SP_MEASURE_##kind##_KIND, tail},
    SP_MEASURES(X)
#undef X
};

const char *sp_measure_word(unsigned measure)
{
    return measure < SP_MEASURE_COUNT ? condition_measures[measure].word : "?";
}

enum sp_measure_kind sp_measure_kind(unsigned measure)
{
    return measure < SP_MEASURE_COUNT ? condition_measures[measure].kind : SP_MEASURE_COUNT_KIND;
}

unsigned sp_measure_tail(unsigned measure)
{
    return measure < SP_MEASURE_COUNT ? condition_measures[measure].tail : 0;
}

/* --- reading --- */

struct condition_text {
    const char *start, *at, *end;
    const char *word; /* the last one taken */
    size_t length;
};

static bool condition_sign(char c)
{
    return c == '<' || c == '>';
}

/* The next word; a sign is one by itself, with blanks around it or not. */
static bool condition_next(struct condition_text *text)
{
    while (text->at < text->end && (*text->at == ' ' || *text->at == '\t'))
        text->at++;
    text->word = text->at;
    if (text->at < text->end && condition_sign(*text->at)) {
        text->at++;
    } else {
        while (text->at < text->end && *text->at != ' ' && *text->at != '\t' &&
               !condition_sign(*text->at))
            text->at++;
    }
    text->length = (size_t)(text->at - text->word);
    return text->length > 0;
}

/* Marks the last word; behind the end, the word before it. */
static bool condition_fault(const struct condition_text *text, struct value_fault *fault,
                            const char *what, const char *cure)
{
    fault->offset = (size_t)(text->word - text->start);
    fault->length = text->length > 0 ? text->length : 1;
    if (text->length == 0 && fault->offset > 0)
        fault->offset--;
    snprintf(fault->text, sizeof fault->text, "%s", what);
    snprintf(fault->cure, sizeof fault->cure, "%s", cure);
    return false;
}

static bool condition_measure(struct condition_text *text, struct sp_condition *out,
                              struct value_fault *fault)
{
    struct sp_near near = {0};
    char what[120], cure[120];
    struct sp_text_out all = sp_text_out(cure, sizeof cure);

    if (!condition_next(text))
        return condition_fault(text, fault, "a condition is missing", CONDITION_EXAMPLE);
    near = sp_near_begin(text->word, text->length);
    sp_text_put(&all, "possible here:");
    for (unsigned i = 0; i < SP_MEASURE_COUNT; i++) {
        out->measure = (uint8_t)i;
        if (sp_text_is(text->word, text->length, condition_measures[i].word))
            return true;
        sp_near_try(&near, condition_measures[i].word);
        sp_text_put(&all, " %s", condition_measures[i].word);
    }
    if (near.best != NULL && near.best[0] != 'p') /* one percentile is near any other */
        snprintf(cure, sizeof cure, "did you mean '%s'?", near.best);
    snprintf(what, sizeof what, "unknown measure '%.*s'",
             (int)(text->length < 64 ? text->length : 64), text->word);
    return condition_fault(text, fault, what, cure);
}

static bool condition_limit(struct condition_text *text, struct sp_condition *out,
                            struct value_fault *fault)
{
    static const char *const cures[] = {"a time above 0: 250ms, 2s", "a share: 1%, 0.5%",
                                        "calls in a second: 50"};
    enum sp_measure_kind kind = sp_measure_kind(out->measure);
    uint32_t share = 0;
    bool good = false;
    char what[120];

    if (condition_next(text) && kind == SP_MEASURE_TIME_KIND)
        good = sp_text_parse_time(text->word, text->length, &out->limit) == SP_TEXT_OK &&
               out->limit > 0;
    else if (text->length > 0 && kind == SP_MEASURE_COUNT_KIND)
        good = sp_text_parse_count(text->word, text->length, &out->limit) == SP_TEXT_OK;
    else if (text->length > 0)
        good = sp_text_parse_share(text->word, text->length, &share) == SP_TEXT_OK &&
               share <= SP_SHARE_ALL && (share > 0 || out->above);
    if (kind == SP_MEASURE_SHARE_KIND)
        out->limit = share;
    if (good)
        return true;
    snprintf(what, sizeof what, "'%.*s' is no limit of %s",
             (int)(text->length < 64 ? text->length : 64), text->word,
             sp_measure_word(out->measure));
    return condition_fault(text, fault, text->length ? what : "a limit is missing", cures[kind]);
}

static bool condition_window(struct condition_text *text, struct sp_condition *out,
                             struct value_fault *fault)
{
    if (!condition_next(text))
        return true;
    if (!sp_text_is(text->word, text->length, "for"))
        return condition_fault(text, fault, "'for' and a time are all that may follow",
                               CONDITION_EXAMPLE);
    if (!condition_next(text) ||
        sp_text_parse_time(text->word, text->length, &out->window) != SP_TEXT_OK ||
        out->window < CONDITION_WINDOW_MIN || out->window > CONDITION_WINDOW_MAX)
        return condition_fault(text, fault, "'for' needs a time of 1s to 1d", CONDITION_EXAMPLE);
    if (condition_next(text))
        return condition_fault(text, fault, "nothing may follow", CONDITION_EXAMPLE);
    return true;
}

bool condition_read(const char *text, size_t length, struct sp_condition *out,
                    struct value_fault *fault)
{
    struct condition_text at = {.start = text, .at = text, .end = text + length};

    *out = (struct sp_condition){0};
    if (!condition_measure(&at, out, fault))
        return false;
    if (!condition_next(&at) || !condition_sign(*at.word))
        return condition_fault(&at, fault, "'<' or '>' belongs behind the measure",
                               CONDITION_EXAMPLE);
    out->above = *at.word == '>';
    return condition_limit(&at, out, fault) && condition_window(&at, out, fault);
}

int sp_condition_parse(const char *text, size_t length, struct sp_condition *out,
                       struct sp_error *error)
{
    struct value_fault fault;

    if (condition_read(text, length, out, &fault))
        return 0;
    return sp_error_set(error, 0, "%s (%s)", fault.text, fault.cure);
}

/* --- writing --- */

size_t sp_condition_value(unsigned measure, uint64_t value, char *out, size_t size)
{
    switch (sp_measure_kind(measure)) {
    case SP_MEASURE_TIME_KIND:
        return sp_text_format_time(value, out, size);
    case SP_MEASURE_SHARE_KIND:
        return sp_text_format_share((uint32_t)value, out, size);
    default:
        return sp_text_format_count(value, out, size);
    }
}

size_t sp_condition_format(const struct sp_condition *condition, char *out, size_t size)
{
    struct sp_text_out text = sp_text_out(out, size);
    char value[32];

    sp_condition_value(condition->measure, condition->limit, value, sizeof value);
    sp_text_put(&text, "%s %c %s", sp_measure_word(condition->measure),
                condition->above ? '>' : '<', value);
    if (condition->window == 0)
        return text.length;
    sp_text_format_time(condition->window, value, sizeof value);
    sp_text_put(&text, " for %s", value);
    return text.length;
}
