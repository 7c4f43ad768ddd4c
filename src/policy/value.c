#include "policy/value.h"

#include "base/near.h"
#include "base/text.h"
#include "policy/keys.h"

#include <stdio.h>
#include <string.h>

/* For messages: what the user wrote, not more of it than fits. */
#define VALUE_SHOWN(length) ((int)((length) < 64 ? (length) : 64))

static void value_words(size_t key, struct sp_text_out *out)
{
    sp_text_put(out, "possible here:");
    for (size_t i = 0; sp_keys[key].words[i][0] != '\0'; i++)
        sp_text_put(out, " %s", sp_keys[key].words[i]);
}

void value_example(size_t key, char *out, size_t size)
{
    static const char *const examples[] = {
        [SP_KEY_TIME] = "a time: 250ms, 5s, 2m",         [SP_KEY_COUNT_U16] = "a whole number: 5",
        [SP_KEY_COUNT_U32] = "a whole number: 5",        [SP_KEY_SHARE] = "a share: 50%, 0.5%",
        [SP_KEY_OUTCOMES] = "outcomes: refused,timeout", [SP_KEY_RATE] = "a rate: 100/s, 10/m",
        [SP_KEY_SIZE] = "a size: 64KiB, 1MiB",
    };
    const struct keys_form *form = keys_form_of(key);
    struct sp_text_out text = sp_text_out(out, size);

    if (form != NULL)
        sp_text_put(&text, "%s", form->example);
    else if (sp_keys[key].words[0][0] != '\0')
        value_words(key, &text);
    else
        sp_text_put(&text, "%s", examples[sp_keys[key].type]);
}

static bool value_range(size_t key, const char *text, size_t length, struct value_fault *fault)
{
    char title[64], low[32], high[32];

    keys_title(key, title, sizeof title);
    keys_format(&sp_keys[key], sp_keys[key].low, low, sizeof low);
    keys_format(&sp_keys[key], sp_keys[key].high, high, sizeof high);
    snprintf(fault->text, sizeof fault->text, "'%.*s' is out of range: %s is %s to %s%s",
             VALUE_SHOWN(length), text, title, low, high, keys_off(key) ? ", or off" : "");
    return false;
}

static bool value_time_fault(enum sp_text status, const char *text, size_t length,
                             struct value_fault *fault)
{
    if (status == SP_TEXT_NO_UNIT) {
        snprintf(fault->text, sizeof fault->text, "a time needs a unit: 250ms, 5s, 2m");
        snprintf(fault->cure, sizeof fault->cure, "did you mean '%.*sms'?", VALUE_SHOWN(length),
                 text);
        return false;
    }
    snprintf(fault->text, sizeof fault->text, "'%.*s' is not a time", VALUE_SHOWN(length), text);
    snprintf(fault->cure, sizeof fault->cure, "%s",
             status == SP_TEXT_TOO_FINE ? "a nanosecond is the smallest part"
                                        : "a number and us, ms, s, m, h or d: 250ms, 5s, 2m");
    return false;
}

static bool value_number_fault(size_t key, enum sp_text status, const char *text, size_t length,
                               struct value_fault *fault)
{
    if (status == SP_TEXT_TOO_BIG)
        return value_range(key, text, length, fault);
    if (length == 0) {
        snprintf(fault->text, sizeof fault->text, "a value is missing");
        value_example(key, fault->cure, sizeof fault->cure);
        return false;
    }
    if (sp_keys[key].type == SP_KEY_TIME)
        return value_time_fault(status, text, length, fault);
    if (sp_keys[key].type == SP_KEY_SHARE) {
        snprintf(fault->text, sizeof fault->text, "'%.*s' is not a share", VALUE_SHOWN(length),
                 text);
        snprintf(fault->cure, sizeof fault->cure, "%s",
                 status == SP_TEXT_TOO_FINE ? "hundredths of a percent are the smallest part: 0.01%"
                                            : "a number and a percent sign: 50%, 0.5%");
        return false;
    }
    if (sp_keys[key].type == SP_KEY_SIZE) {
        snprintf(fault->text, sizeof fault->text, "'%.*s' is not a size", VALUE_SHOWN(length),
                 text);
        snprintf(fault->cure, sizeof fault->cure, "a number and KiB or MiB: 64KiB, 1MiB");
        return false;
    }
    snprintf(fault->text, sizeof fault->text, "'%.*s' is not a whole number", VALUE_SHOWN(length),
             text);
    value_example(key, fault->cure, sizeof fault->cure);
    return false;
}

static bool value_number(size_t key, const char *text, size_t length, uint64_t *value,
                         struct value_fault *fault)
{
    enum sp_text status;
    uint32_t share = 0;

    if (sp_keys[key].type == SP_KEY_TIME) {
        status = sp_text_parse_time(text, length, value);
    } else if (sp_keys[key].type == SP_KEY_SHARE) {
        status = sp_text_parse_share(text, length, &share);
        *value = share;
    } else if (sp_keys[key].type == SP_KEY_SIZE) {
        status = sp_text_parse_size(text, length, value);
    } else {
        status = sp_text_parse_count(text, length, value);
    }
    if (status != SP_TEXT_OK)
        return value_number_fault(key, status, text, length, fault);
    if (*value < sp_keys[key].low || *value > sp_keys[key].high)
        return value_range(key, text, length, fault);
    return true;
}

static bool value_rate(size_t key, const char *text, size_t length, uint64_t *value,
                       struct value_fault *fault)
{
    const char *slash = memchr(text, '/', length);
    size_t digits = slash != NULL ? (size_t)(slash - text) : length;
    const char *unit =
        slash != NULL && digits + 2 == length ? strchr(sp_rate_units, slash[1]) : NULL;
    uint64_t count;

    if (unit != NULL && slash[1] != '\0' &&
        sp_text_parse_count(text, digits, &count) == SP_TEXT_OK) {
        *value = sp_rate_word(count, (enum sp_rate_unit)(unit - sp_rate_units));
        return (count > 0 && count <= sp_rate_count(sp_keys[key].high)) ||
               value_range(key, text, length, fault);
    }
    snprintf(fault->text, sizeof fault->text, "'%.*s' is not a rate", VALUE_SHOWN(length), text);
    snprintf(fault->cure, sizeof fault->cure, "a number and /s, /m or /h: 100/s, 10/m");
    return false;
}

static bool value_word(size_t key, const char *text, size_t length, uint64_t *value,
                       struct value_fault *fault)
{
    const char(*words)[SP_KEY_TEXT] = sp_keys[key].words;
    struct sp_near near = sp_near_begin(text, length);
    struct sp_text_out cure;

    for (uint64_t i = 0; words[i][0] != '\0'; i++) {
        *value = i;
        if (sp_text_is(text, length, words[i]))
            return true;
        sp_near_try(&near, words[i]);
    }
    snprintf(fault->text, sizeof fault->text, "unknown %s '%.*s'",
             sp_keys[key].word[0] != '\0' ? "value" : sp_keys[key].directive, VALUE_SHOWN(length),
             text);
    cure = sp_text_out(fault->cure, sizeof fault->cure);
    if (near.best != NULL)
        sp_text_put(&cure, "did you mean '%s'?", near.best);
    else
        value_words(key, &cure);
    return false;
}

/* `enforce 10%`: a share stands only behind `enforce`, and all of it is plain `enforce`. */
static bool value_mode(size_t key, const char *text, size_t length, uint64_t *value,
                       struct value_fault *fault)
{
    size_t word = 0, at;
    uint32_t share;

    while (word < length && text[word] != ' ' && text[word] != '\t')
        word++;
    for (at = word; at < length && (text[at] == ' ' || text[at] == '\t');)
        at++;
    if (at == length || text[at] < '0' || text[at] > '9')
        return value_word(key, text, length, value, fault);
    fault->length = word;
    if (!value_word(key, text, word, value, fault))
        return false;
    fault->offset = at;
    fault->length = length - at;
    if (*value != SP_MODE_ENFORCE) {
        snprintf(fault->text, sizeof fault->text, "only 'enforce' has a share, '%s' is for all",
                 sp_mode_words[*value]);
        return false;
    }
    if (sp_text_parse_share(text + at, length - at, &share) != SP_TEXT_OK || share == 0 ||
        share > SP_SHARE_ALL) {
        snprintf(fault->text, sizeof fault->text, "'%.*s' is no share of the connections",
                 VALUE_SHOWN(length - at), text + at);
        snprintf(fault->cure, sizeof fault->cure, "0.01%% to 100%%: enforce 10%%");
        return false;
    }
    *value |= (uint64_t)(share % SP_SHARE_ALL) << 8;
    return true;
}

/* Our own rejections are never failures, and `ok` is none. */
#define VALUE_NO_FAILURE                                                                    \
    (SP_OUTCOME_BIT(OK) | SP_OUTCOME_BIT(REJECTED_BREAKER) | SP_OUTCOME_BIT(REJECTED_CAP) | \
     SP_OUTCOME_BIT(REJECTED_RATE))

static bool value_outcome_fault(const char *text, size_t length, uint32_t mask,
                                struct value_fault *fault)
{
    struct sp_near near = sp_near_begin(text, length);

    fault->length = length;
    if (length == 0) {
        snprintf(fault->text, sizeof fault->text, "an outcome is missing");
        snprintf(fault->cure, sizeof fault->cure, "outcomes with commas between: refused,timeout");
        fault->length = 1;
        return false;
    }
    if (mask != 0) {
        snprintf(fault->text, sizeof fault->text, "'%.*s' is never a failure", VALUE_SHOWN(length),
                 text);
        return false;
    }
    for (unsigned i = 0; i < SP_OUTCOME_REJECTED_BREAKER; i++)
        sp_near_try(&near, sp_outcome_word(i));
    for (unsigned i = 0; i < SP_OUTCOME_GROUPS; i++)
        sp_near_try(&near, sp_outcome_groups[i].word);
    snprintf(fault->text, sizeof fault->text, "unknown outcome '%.*s'", VALUE_SHOWN(length), text);
    if (near.best != NULL)
        snprintf(fault->cure, sizeof fault->cure, "did you mean '%s'?", near.best);
    return false;
}

static bool value_outcomes(const char *text, size_t length, uint64_t *value,
                           struct value_fault *fault)
{
    const char *end = text + length, *word = text;

    for (*value = 0;; word++) {
        const char *comma = memchr(word, ',', (size_t)(end - word));
        size_t size = (size_t)((comma != NULL ? comma : end) - word);
        uint32_t mask = sp_outcome_mask(word, size);

        if (mask == 0 || (mask & VALUE_NO_FAILURE) != 0) {
            fault->offset = (size_t)(word - text);
            return value_outcome_fault(word, size, mask, fault);
        }
        *value |= mask;
        word += size;
        if (comma == NULL)
            return true;
    }
}

bool value_parse(size_t key, const char *text, size_t length, uint64_t *value,
                 struct value_fault *fault)
{
    char title[64];

    fault->cure[0] = '\0';
    fault->offset = 0;
    fault->length = length;
    *value = 0;
    if (sp_keys[key].type == SP_KEY_MODE)
        return value_mode(key, text, length, value, fault);
    if (sp_keys[key].words[0][0] != '\0')
        return value_word(key, text, length, value, fault);
    if (sp_text_is(text, length, "off")) {
        if (keys_off(key))
            return true;
        keys_title(key, title, sizeof title);
        snprintf(fault->text, sizeof fault->text, "'%s' cannot be off", title);
        value_example(key, fault->cure, sizeof fault->cure);
        return false;
    }
    if (sp_keys[key].type == SP_KEY_OUTCOMES)
        return value_outcomes(text, length, value, fault);
    if (sp_keys[key].type == SP_KEY_RATE)
        return value_rate(key, text, length, value, fault);
    return value_number(key, text, length, value, fault);
}
