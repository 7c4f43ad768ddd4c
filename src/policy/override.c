/*
 * override.c - `payments.deadline.connect=1s;*.mode=observe`: words changed for one process tree.
 */
#include "base/near.h"
#include "base/text.h"
#include "policy/keys.h"
#include "policy/value.h"

#include <string.h>

#define OVERRIDE_SHOWN(length) ((int)((length) < 80 ? (length) : 80))

/* One setting taken apart. Destinations may have dots in their names, so keys are found from the
 * end. */
struct override_text {
    const char *text;
    size_t length;
    size_t name; /* length of the destination's name */
    const char *value;
    size_t value_length;
};

static bool override_ends(const char *text, size_t length, const char *directive, const char *word,
                          size_t *name)
{
    size_t d = strlen(directive), w = strlen(word);
    size_t tail = 1 + d + (w > 0 ? 1 + w : 0);

    if (length <= tail)
        return false;
    *name = length - tail;
    text += *name;
    return text[0] == '.' && memcmp(text + 1, directive, d) == 0 &&
           (w == 0 || (text[1 + d] == '.' && memcmp(text + 2 + d, word, w) == 0));
}

static size_t override_key(const char *text, size_t length, size_t *name)
{
    for (size_t key = 0; key < KEY_COUNT; key++)
        if (override_ends(text, length, sp_keys[key].directive, sp_keys[key].word, name))
            return key;
    for (size_t key = 0; key < KEY_COUNT; key++) /* `cap` alone is `cap connections` */
        if (keys_bare(sp_keys[key].directive, strlen(sp_keys[key].directive)) == key &&
            override_ends(text, length, sp_keys[key].directive, "", name))
            return key;
    return KEY_COUNT;
}

static int override_unknown(const char *text, size_t length, struct sp_error *error)
{
    struct sp_near near = {0};
    const char *dot = memchr(text, '.', length);
    char known[64];
    size_t best = KEY_COUNT;

    if (dot == NULL || dot == text)
        return sp_error_set(error, 0,
                            "'%.*s': a setting is DESTINATION.WORD=VALUE, for example"
                            " payments.deadline.connect=1s",
                            OVERRIDE_SHOWN(length), text);
    near = sp_near_begin(dot + 1, length - (size_t)(dot + 1 - text));
    for (size_t key = 0; key < KEY_COUNT; key++) {
        unsigned before = near.distance;
        struct sp_text_out out = sp_text_out(known, sizeof known);

        sp_text_put(&out, "%s%s%s", sp_keys[key].directive, sp_keys[key].word[0] ? "." : "",
                    sp_keys[key].word);
        sp_near_try(&near, known);
        best = near.distance < before ? key : best;
    }
    if (best == KEY_COUNT)
        return sp_error_set(error, 0, "'%.*s' is no setting; one is payments.deadline.connect",
                            OVERRIDE_SHOWN(length), text);
    return sp_error_set(error, 0, "'%.*s' is no setting; did you mean '%.*s.%s%s%s'?",
                        OVERRIDE_SHOWN(length), text, OVERRIDE_SHOWN((size_t)(dot - text)), text,
                        sp_keys[best].directive, sp_keys[best].word[0] ? "." : "",
                        sp_keys[best].word);
}

static int override_destination(const struct override_text *part, const struct sp_policy *policy,
                                struct sp_override *out, struct sp_error *error)
{
    const struct sp_row *row;
    struct sp_near near = sp_near_begin(part->text, part->name);

    if (part->name >= sizeof out->destination)
        return sp_error_set(error, 0, "'%.*s': the name of the destination is too long",
                            OVERRIDE_SHOWN(part->length), part->text);
    memset(out->destination, 0, sizeof out->destination);
    memcpy(out->destination, part->text, part->name);
    if (policy == NULL || sp_text_is(part->text, part->name, "*"))
        return 0;
    for (size_t i = 0; (row = sp_policy_row(policy, i)) != NULL; i++) {
        if (strcmp(row->name, out->destination) == 0)
            return 0;
        sp_near_try(&near, row->name);
    }
    return sp_error_set(error, 0, "the policy has no destination '%s'%s%s%s", out->destination,
                        near.best != NULL ? "; did you mean '" : "",
                        near.best != NULL ? near.best : "", near.best != NULL ? "'?" : "");
}

static int override_value(const struct override_text *part, bool any, struct sp_override *out,
                          struct sp_error *error)
{
    struct value_fault fault;
    char example[100];

    if (sp_keys[out->key].shared && !any)
        return sp_error_set(error, 0,
                            "'%.*s' cannot be changed for one program: all processes of the"
                            " segment share it; change the policy and reload",
                            OVERRIDE_SHOWN(part->length), part->text);
    value_example(out->key, example, sizeof example);
    if (part->value_length == 0)
        return sp_error_set(error, 0, "'%.*s' needs a value: %s", OVERRIDE_SHOWN(part->length),
                            part->text, example);
    if (value_parse(out->key, part->value, part->value_length, &out->value, &fault))
        return 0;
    return sp_error_set(error, 0, "'%.*s': %s%s%s", OVERRIDE_SHOWN(part->length), part->text,
                        fault.text, fault.cure[0] != '\0' ? "; " : "", fault.cure);
}

static void override_trim(const char **text, size_t *length)
{
    while (*length > 0 && (**text == ' ' || **text == '\t')) {
        ++*text;
        --*length;
    }
    while (*length > 0 && ((*text)[*length - 1] == ' ' || (*text)[*length - 1] == '\t'))
        --*length;
}

static int override_one(const char *text, size_t length, const struct sp_policy *policy, bool any,
                        struct sp_override *out, struct sp_error *error)
{
    const char *equals = memchr(text, '=', length);
    struct override_text part = {.text = text, .length = length};
    size_t key;

    if (equals == NULL)
        return sp_error_set(error, 0, "'%.*s' has no value: write DESTINATION.WORD=VALUE",
                            OVERRIDE_SHOWN(length), text);
    part.length = (size_t)(equals - text);
    part.value = equals + 1;
    part.value_length = length - part.length - 1;
    override_trim(&part.text, &part.length);
    override_trim(&part.value, &part.value_length);
    key = override_key(part.text, part.length, &part.name);
    if (key == KEY_COUNT)
        return override_unknown(part.text, part.length, error);
    out->key = (uint16_t)key;
    if (override_destination(&part, policy, out, error) != 0)
        return -1;
    return override_value(&part, any, out, error);
}

static int override_list(const char *text, const struct sp_policy *policy, bool any,
                         struct sp_override *out, size_t max, struct sp_error *error)
{
    size_t count = 0;

    for (;;) {
        size_t whole = strcspn(text, ";"), length = whole;
        const char *setting = text;

        override_trim(&setting, &length);
        if (length > 0 && count == max)
            return sp_error_set(error, 0, "more than %zu settings", max);
        if (length > 0 && override_one(setting, length, policy, any, &out[count++], error) != 0)
            return -1;
        text += whole;
        if (*text++ == '\0')
            return (int)count;
    }
}

int sp_override_parse(const char *text, const struct sp_policy *policy, struct sp_override *out,
                      size_t max, struct sp_error *error)
{
    return override_list(text, policy, false, out, max, error);
}

int sp_override_parse_any(const char *text, const struct sp_policy *policy, struct sp_override *out,
                          size_t max, struct sp_error *error)
{
    return override_list(text, policy, true, out, max, error);
}

static void override_set(const struct sp_override *overrides, size_t count, const char *destination,
                         bool any, struct sp_guards *guards)
{
    for (size_t i = 0; i < count; i++) {
        const struct sp_override *one = &overrides[i];

        if (one->key >= KEY_COUNT || (sp_keys[one->key].shared && !any) ||
            !keys_allowed(one->key, one->value))
            continue;
        if (strcmp(one->destination, "*") == 0 || strcmp(one->destination, destination) == 0)
            keys_set(&sp_keys[one->key], guards, one->value);
    }
}

void sp_override_apply(const struct sp_override *overrides, size_t count, const char *destination,
                       struct sp_guards *guards)
{
    override_set(overrides, count, destination, false, guards);
}

void sp_override_apply_any(const struct sp_override *overrides, size_t count,
                           const char *destination, struct sp_guards *guards)
{
    override_set(overrides, count, destination, true, guards);
}
