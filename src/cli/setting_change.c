/* setting_change.c - the difference of two policies: what a reload would change. */
#include <bsd/string.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/fallback.h"
#include "cli/say.h"
#include "cli/setting.h"
#include "cli/split.h"

#define CHANGE_TEXT  256
#define CHANGE_LINES 1024 /* of one section */

static const struct sp_row *change_named(const struct sp_policy *policy, const char *name)
{
    const struct sp_row *row;
    for (size_t i = 0; (row = sp_policy_row(policy, i)) != NULL; i++) {
        if (strncmp(row->name, name, SP_NAME_SIZE) == 0)
            return row;
    }
    return NULL;
}

static void change_say(const struct sp_row *row, const char *address, const char *before,
                       const char *after)
{
    char left[2 * SP_NAME_SIZE];
    struct sp_text_out text = sp_text_out(left, sizeof left);
    sp_text_put(&text, "%.*s%s%s", SP_NAME_SIZE, row->name, *address ? "." : "", address);
    printf("%-32s  %s -> %s\n", left, before, after);
}

static unsigned change_guards(const struct sp_row *before, const struct sp_row *after)
{
    char address[64], was[128], is[128];
    unsigned count = 0;
    for (size_t key = 0; key < sp_key_total; key++) {
        const struct sp_key *k = &sp_keys[key];
        sp_key_format(k, &before->guards, was, sizeof was);
        sp_key_format(k, &after->guards, is, sizeof is);
        if (strcmp(was, is) == 0)
            continue;
        snprintf(address, sizeof address, "%s%s%s", k->directive, k->word[0] ? "." : "", k->word);
        change_say(after, address, was, is);
        count++;
    }
    return count;
}

/* The rules of a destination in one line, in their order: first match wins. */
static void change_rules(const struct sp_policy *policy, const struct sp_row *row, char *out,
                         size_t size)
{
    char safe[CHANGE_TEXT];
    *out = 0;
    for (size_t i = 0; i < row->match_count; i++) {
        const struct sp_match *rule = sp_policy_match_at(policy, row->match_first + i);
        if (!rule)
            continue;
        if (*out)
            strlcat(out, "  ", size);
        say_safe(safe, sizeof safe, sp_policy_string(policy, rule->source), sizeof safe / 4 - 1);
        strlcat(out, safe, size);
    }
}

static void change_slo(const struct sp_policy *policy, const struct sp_row *row, char *out,
                       size_t size)
{
    struct sp_text_out text = sp_text_out(out, size);
    char words[64];
    for (size_t i = 0; i < row->slo_count; i++) {
        const struct sp_condition *c = sp_policy_condition(policy, row->slo_first + i);
        if (!c)
            break;
        sp_condition_format(c, words, sizeof words);
        sp_text_put(&text, "%s%s", i ? ", " : "", words);
    }
    if (row->slo_count == 0)
        sp_text_put(&text, "off");
}

static unsigned change_order(const struct sp_policy *before, const struct sp_policy *after)
{
    const struct sp_row *row, *old;
    size_t last = 0, at;
    for (size_t i = 0; (row = sp_policy_row(after, i)) != NULL; i++) {
        old = change_named(before, row->name);
        if (!old)
            continue;
        at = (size_t)(old - sp_policy_row(before, 0));
        if (at < last) {
            printf("the order of destinations  changes from '%.*s' on\n", SP_NAME_SIZE, row->name);
            return 1;
        }
        last = at;
    }
    return 0;
}

/* What a section may have several lines of, as one text. */
typedef void change_text_fn(const struct sp_policy *policy, const struct sp_row *row, char *out,
                            size_t size);
struct change {
    const struct sp_policy *before, *after;
};

static unsigned change_lines(const struct change *c, const struct sp_row *old,
                             const struct sp_row *row, const char *word, change_text_fn *text)
{
    char was[CHANGE_LINES], is[CHANGE_LINES];
    text(c->before, old, was, sizeof was);
    text(c->after, row, is, sizeof is);
    if (strcmp(was, is) == 0)
        return 0;
    change_say(row, word, was, is);
    return 1;
}

static unsigned change_row(const struct change *c, const struct sp_row *old,
                           const struct sp_row *row)
{
    unsigned count = change_lines(c, old, row, "match", change_rules);
    count += change_lines(c, old, row, "fallback", fallback_join);
    count += change_lines(c, old, row, "split", split_join);
    count += change_guards(old, row);
    return count + change_lines(c, old, row, "slo", change_slo);
}

unsigned setting_differences(const struct sp_policy *before, const struct sp_policy *after)
{
    const struct change c = {before, after};
    char rules[CHANGE_LINES];
    const struct sp_row *row, *old;
    unsigned count = 0;
    for (size_t i = 0; (row = sp_policy_row(after, i)) != NULL; i++) {
        old = change_named(before, row->name);
        if (old) {
            count += change_row(&c, old, row);
            continue;
        }
        change_rules(after, row, rules, sizeof rules);
        change_say(row, "", "(none)", rules);
        count++;
    }
    for (size_t i = 0; (row = sp_policy_row(before, i)) != NULL; i++) {
        if (change_named(after, row->name))
            continue;
        change_rules(before, row, rules, sizeof rules);
        change_say(row, "", rules, "(gone)");
        count++;
    }
    return count + change_order(before, after);
}
