#include "cli/setting.h"

#include <bsd/string.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/say.h"
#include "policy/block.h"
#include "policy/keys.h"

#define SETTING_TEXT   256
#define SETTING_COLUMN 47 /* where values fit, origins begin here behind them */

int setting_over_read(const struct cli *cli, const struct sp_policy *policy,
                      struct setting_over *over)
{
    struct sp_error error;
    over->count = 0;
    if (!cli->set)
        return CLI_OK;
    int count = sp_override_parse(cli->set, policy, over->all, SP_OVERRIDES_MAX, &error);
    if (count < 0) {
        say_error("-o %s", error.text);
        return CLI_USAGE;
    }
    over->count = (size_t)count;
    return CLI_OK;
}

/* The settings of one row from `at` on: the first of them, and how many. */
static size_t setting_range(const struct sp_policy *policy, uint16_t row, size_t at, size_t *count)
{
    const struct sp_setting *s;
    while ((s = block_setting(policy, at)) != NULL && s->row != row)
        at++;
    for (*count = 0; (s = block_setting(policy, at + *count)) != NULL && s->row == row;)
        ++*count;
    return at;
}

bool setting_view(struct setting_view *view, const struct sp_policy *policy, size_t index,
                  const struct setting_over *over)
{
    const struct sp_row *row = sp_policy_row(policy, index);
    if (!row)
        return false;
    *view = (struct setting_view){policy, index, row, row->guards, over, 0, 0, 0};
    setting_range(policy, SP_ROW_DEFAULTS, 0, &view->defaults);
    view->own = setting_range(policy, (uint16_t)index, view->defaults, &view->own_count);
    if (over)
        sp_override_apply(over->all, over->count, row->name, &view->guards);
    return true;
}

/* --- origins --- */

static bool setting_overridden(const struct setting_view *view, size_t key)
{
    for (size_t i = 0; view->over && i < view->over->count; i++) {
        const struct sp_override *o = &view->over->all[i];
        if (o->key == key && (strcmp(o->destination, "*") == 0 ||
                              strncmp(o->destination, view->row->name, SP_NAME_SIZE) == 0))
            return true;
    }
    return false;
}

static bool setting_stands(const struct setting_view *view, size_t first, size_t count, size_t key,
                           struct setting_origin *origin)
{
    for (size_t i = first; i < first + count; i++) {
        const struct sp_setting *s = block_setting(view->policy, i);
        if (!s || s->key != key)
            continue;
        origin->file = sp_policy_file(view->policy, s->file);
        origin->line = s->line;
        return true;
    }
    return false;
}

struct setting_origin setting_origin(const struct setting_view *view, size_t key)
{
    struct setting_origin origin = {SETTING_INITIAL, NULL, 0};
    if (setting_overridden(view, key))
        origin.from = SETTING_SET;
    else if (setting_stands(view, view->own, view->own_count, key, &origin))
        origin.from = SETTING_OWN;
    else if (setting_stands(view, 0, view->defaults, key, &origin))
        origin.from = SETTING_DEFAULTS;
    return origin;
}

void setting_place(const struct sp_policy *policy, unsigned file, unsigned line, char *out,
                   size_t size)
{
    char safe[SETTING_TEXT];
    say_safe(safe, sizeof safe, sp_policy_file(policy, file), sizeof safe / 4 - 1);
    struct sp_text_out text = sp_text_out(out, size);
    sp_text_put(&text, "%s:%u", safe, line);
}

static void setting_origin_text(struct setting_origin origin, char *out, size_t size)
{
    char safe[SETTING_TEXT];
    if (origin.from == SETTING_INITIAL) {
        strlcpy(out, "(initial)", size);
    } else if (origin.from == SETTING_SET) {
        strlcpy(out, "-o", size);
    } else {
        say_safe(safe, sizeof safe, origin.file, sizeof safe / 4 - 1);
        struct sp_text_out text = sp_text_out(out, size);
        sp_text_put(&text, "%s:%u%s", safe, origin.line,
                    origin.from == SETTING_DEFAULTS ? " (defaults)" : "");
    }
}

/* --- values --- */

static void setting_form(const struct keys_form *form, const struct sp_guards *guards, char *out,
                         size_t size)
{
    struct sp_text_out text = sp_text_out(out, size);
    char value[64], last[64] = "";
    sp_text_put(&text, "%s", keys_written(form->first));
    for (size_t i = 0; i < form->parts; i++) {
        sp_key_format(&sp_keys[form->part[i].key], guards, value, sizeof value);
        bool again = form->range && strcmp(value, last) == 0; /* open 5s, not open 5s..5s */
        if (form->range && i > 0 && !again)
            sp_text_put(&text, "..%s", value);
        else if (!again)
            sp_text_put(&text, "%s%s %s", form->part[i].glue[0] ? " " : "", form->part[i].glue,
                        value);
        if (i == 0 && strcmp(value, "off") == 0)
            return;
        strlcpy(last, value, sizeof last);
    }
}

bool setting_words(const struct sp_guards *guards, size_t key, char *out, size_t size)
{
    const struct sp_key *k = &sp_keys[key];
    const struct keys_form *form = keys_form_of(key);
    char value[128];
    if (keys_inner(key))
        return false;
    if (form) {
        setting_form(form, guards, out, size);
        return true;
    }
    sp_key_format(k, guards, value, sizeof value);
    /* `cap 64` is how people write it */
    size_t first = keys_on_line(key, 0);
    bool bare = k->word[0] == 0 || keys_bare(k->directive, strlen(k->directive)) == first;
    struct sp_text_out text = sp_text_out(out, size);
    if (k->type == SP_KEY_FLAG) {
        sp_text_put(&text, "%s%s", k->word, strcmp(value, "off") == 0 ? " off" : "");
        return true;
    }
    sp_text_put(&text, "%s%s%s", bare ? "" : keys_written(key), bare ? "" : " ", value);
    return true;
}

bool setting_where(const struct setting_view *view, size_t key, char *out, size_t size)
{
    struct setting_origin origin = setting_origin(view, key);
    if (origin.from == SETTING_INITIAL)
        return false;
    setting_origin_text(origin, out, size);
    return true;
}

/* --- lines --- */

struct setting_words {
    char words[SETTING_TEXT];
    char origin[SETTING_TEXT];
};

static size_t setting_gather(const struct setting_view *view, const char *directive, bool all,
                             struct setting_words *lines, size_t max)
{
    char words[SETTING_TEXT], origin_text[SETTING_TEXT];
    size_t count = 0;
    for (size_t key = 0; key < sp_key_total; key++) {
        if (strcmp(sp_keys[key].directive, directive) != 0)
            continue;
        struct setting_origin origin = setting_origin(view, key);
        if ((origin.from == SETTING_INITIAL && !(all && keys_line(key) == 0)) ||
            !setting_words(&view->guards, key, words, sizeof words))
            continue;
        setting_origin_text(origin, origin_text, sizeof origin_text);
        size_t i = 0;
        while (i < count && strcmp(lines[i].origin, origin_text) != 0)
            i++;
        if (i == max)
            continue;
        if (i == count) {
            strlcpy(lines[i].origin, origin_text, sizeof lines[i].origin);
            lines[i].words[0] = 0;
            count++;
        }
        if (lines[i].words[0])
            strlcat(lines[i].words, "  ", sizeof lines[i].words);
        strlcat(lines[i].words, words, sizeof lines[i].words);
    }
    return count;
}

void setting_line(const struct sp_policy *policy, const char *title, const char *text,
                  unsigned file, unsigned line)
{
    char place[SETTING_TEXT];
    setting_place(policy, file, line, place, sizeof place);
    printf("  %-14s%-*s  %s\n", title, SETTING_COLUMN - 2, text, place);
}

static void setting_print_slo(const struct setting_view *view)
{
    const struct sp_row *row = view->row;
    char text[64];
    for (size_t i = 0; i < row->slo_count; i++) {
        const struct sp_condition *c = sp_policy_condition(view->policy, row->slo_first + i);
        if (!c)
            return;
        sp_condition_format(c, text, sizeof text);
        setting_line(view->policy, i == 0 ? "slo" : "", text, c->file, c->line);
    }
}

void setting_print(const struct setting_view *view, bool all)
{
    struct setting_words lines[16];
    for (size_t key = 0; key < sp_key_total; key++) {
        const char *directive = sp_keys[key].directive;
        if (key > 0 && strcmp(sp_keys[key - 1].directive, directive) == 0)
            continue;
        size_t count = setting_gather(view, directive, all, lines, 16);
        for (size_t i = 0; i < count; i++)
            printf("  %-14s%-*s  %s\n", i == 0 ? directive : "", SETTING_COLUMN - 2, lines[i].words,
                   lines[i].origin);
    }
    setting_print_slo(view);
}
