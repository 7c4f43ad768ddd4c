/*
 * show.c - keys and their values in the words of the policy.
 */
#include "base/text.h"
#include "policy/keys.h"

size_t keys_title(size_t key, char *out, size_t size)
{
    struct sp_text_out text = sp_text_out(out, size);

    sp_text_put(&text, "%s", sp_keys[key].directive);
    if (sp_keys[key].word[0] != '\0')
        sp_text_put(&text, " %s", keys_written(key));
    return text.length;
}

/* Groups first: `timeout` for both timeouts. */
static void show_outcomes(struct sp_text_out *text, uint64_t mask)
{
    for (unsigned i = 0; i < SP_OUTCOME_COUNT; i++) {
        const char *word = sp_outcome_word(i);

        if ((mask >> i & 1) == 0)
            continue;
        for (unsigned g = 0; g < SP_OUTCOME_GROUPS; g++) {
            uint32_t group = sp_outcome_groups[g].mask;

            if ((group >> i & 1) == 0 || (mask & group) != group)
                continue;
            word = sp_outcome_groups[g].word;
            mask &= ~(uint64_t)group;
        }
        sp_text_put(text, "%s%s", text->length > 0 ? "," : "", word);
    }
}

size_t keys_format(const struct sp_key *key, uint64_t value, char *out, size_t size)
{
    struct sp_text_out text = sp_text_out(out, size);
    char share[16];

    if (value == 0 && keys_off((size_t)(key - sp_keys))) {
        sp_text_put(&text, "off");
        return text.length;
    }
    switch (key->type) {
    case SP_KEY_TIME:
        return sp_text_format_time(value, out, size);
    case SP_KEY_COUNT_U16:
    case SP_KEY_COUNT_U32:
        return sp_text_format_count(value, out, size);
    case SP_KEY_SHARE:
        return sp_text_format_share((uint32_t)value, out, size);
    case SP_KEY_RATE:
        sp_text_put(&text, "%llu/%c", (unsigned long long)sp_rate_count(value),
                    (value & 3) < SP_RATE_UNITS ? sp_rate_units[value & 3] : '?');
        break;
    case SP_KEY_SIZE:
        return sp_text_format_size(value, out, size);
    case SP_KEY_MODE:
        sp_text_put(&text, "%s", (value & 0xff) <= key->high ? key->words[value & 0xff] : "?");
        if (value >> 8 != 0) {
            sp_text_format_share((uint32_t)(value >> 8), share, sizeof share);
            sp_text_put(&text, " %s", share);
        }
        break;
    case SP_KEY_WORD_U8:
    case SP_KEY_WORD_U32:
    case SP_KEY_FLAG:
        sp_text_put(&text, "%s", value <= key->high ? key->words[value] : "?");
        break;
    case SP_KEY_OUTCOMES:
        show_outcomes(&text, value);
    }
    return text.length;
}

size_t sp_key_format(const struct sp_key *key, const struct sp_guards *guards, char *out,
                     size_t size)
{
    return keys_format(key, keys_get(key, guards), out, size);
}
