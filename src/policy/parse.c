/*
 * parse.c - one line: a section, or a directive with its words and values.
 */
#include "base/near.h"
#include "base/text.h"
#include "policy/experiment.h"
#include "policy/reader.h"
#include "policy/value.h"

#include <string.h>

static bool parse_is(const struct scan_word *word, const char *text)
{
    return sp_text_is(word->text, word->length, text);
}

/* Set once in a section of a file; another file may set it anew. */
static bool parse_again(struct reader *reader, size_t key, const struct scan_word *word)
{
    struct reader_place first = reader->set[reader->row][key];
    char title[64];

    if (first.line == 0 || first.file != reader->file)
        return false;
    keys_title(key, title, sizeof title);
    report_at(reader, word, "remove one of them", "'%s' is set twice; first on line %u", title,
              (unsigned)first.line);
    return true;
}

static void parse_set(struct reader *reader, size_t key, uint64_t value)
{
    keys_set(&sp_keys[key], &reader->rows[reader->row].guards, value);
    reader->set[reader->row][key] = build_here(reader, &reader->line.word[0]);
}

static bool parse_value(struct reader *reader, size_t key, const struct scan_word *word,
                        uint64_t *value)
{
    struct value_fault fault;
    struct scan_word mark = *word;

    if (value_parse(key, word->text, word->length, value, &fault))
        return true;
    if (fault.length < word->length) {
        mark.column += (unsigned)fault.offset + (word->width > word->length ? 1 : 0);
        mark.width = (unsigned)fault.length;
    }
    report_at(reader, &mark, fault.cure[0] != '\0' ? fault.cure : NULL, "%s", fault.text);
    return false;
}

static void parse_missing(struct reader *reader, size_t key, const struct scan_word *word)
{
    char example[100];

    value_example(key, example, sizeof example);
    report_at(reader, word, example, "'%.*s' needs a value", SHOWN(word));
}

/* `open 1s..60s`, or `open 5s` for both ends. Returns the number of words used. */
static size_t parse_range(struct reader *reader, const struct keys_form *form,
                          const struct scan_word *word)
{
    struct scan_word low = *word, high = *word;
    uint64_t from = 0, to = 0;

    for (size_t i = 0; i + 1 < word->length; i++) {
        if (word->text[i] != '.' || word->text[i + 1] != '.')
            continue;
        low.length = i;
        low.width = low.length > 0 ? (unsigned)low.length : 1;
        high.text += i + 2;
        high.length -= i + 2;
        high.column += (unsigned)i + 2;
        high.width = high.length > 0 ? (unsigned)high.length : 1;
        break;
    }
    if (!parse_value(reader, form->part[0].key, &low, &from) ||
        (high.text != low.text && !parse_value(reader, form->part[1].key, &high, &to)))
        return 1;
    if (high.text == low.text)
        to = from;
    if (to < from) {
        report_at(reader, word, form->example, "'%.*s' ends below its start", SHOWN(word));
        return 1;
    }
    parse_set(reader, form->part[0].key, from);
    parse_set(reader, form->part[1].key, to);
    return 1;
}

/* `50% of 20 in 10s`: all of it, or `off`. Returns the number of words used. */
static size_t parse_form(struct reader *reader, const struct keys_form *form,
                         const struct scan_word *words, size_t count)
{
    uint64_t value[KEYS_PARTS];
    size_t used = 0;

    for (size_t i = 0; i < form->parts; i++) {
        if (i > 0 && (used == count || !parse_is(&words[used], form->part[i].glue))) {
            report_at(reader, &words[used - 1], form->example, "'%s' is missing behind '%.*s'",
                      form->part[i].glue, SHOWN(&words[used - 1]));
            return used;
        }
        used += i > 0 ? 1 : 0;
        if (used == count) {
            report_at(reader, &words[used - 1], form->example, "'%.*s' needs a value",
                      SHOWN(&words[used - 1]));
            return used;
        }
        if (!parse_value(reader, form->part[i].key, &words[used++], &value[i]))
            return used;
        if (i == 0 && value[0] == 0) {
            parse_set(reader, form->part[0].key, 0);
            return used;
        }
    }
    for (size_t i = 0; i < form->parts; i++)
        parse_set(reader, form->part[i].key, value[i]);
    return used;
}

/* The value of a key, its word at words[-1]. Returns the number of words used. */
static size_t parse_key(struct reader *reader, size_t key, const struct scan_word *words,
                        size_t count)
{
    const struct keys_form *form = keys_form_of(key);
    uint64_t value;

    if (sp_keys[key].type == SP_KEY_FLAG) {
        bool off = count > 0 && parse_is(words, "off");

        parse_set(reader, key, !off);
        return off;
    }
    if (form != NULL && form->range)
        return parse_range(reader, form, words);
    if (form != NULL)
        return parse_form(reader, form, words, count);
    if (parse_value(reader, key, words, &value))
        parse_set(reader, key, value);
    return 1;
}

/* `breaker off`: every limit of the directive. */
static void parse_all_off(struct reader *reader, const char *directive,
                          const struct scan_word *word)
{
    for (size_t key = 0; key < KEY_COUNT; key++)
        if (strcmp(sp_keys[key].directive, directive) == 0 && keys_off(key) &&
            keys_line(key) == 0 && !parse_again(reader, key, word))
            parse_set(reader, key, 0);
}

static void parse_unknown(struct reader *reader, const char *directive,
                          const struct scan_word *word)
{
    struct sp_near near = sp_near_begin(word->text, word->length);
    char possible[200];
    struct sp_text_out out = sp_text_out(possible, sizeof possible);

    sp_text_put(&out, "possible here:");
    for (size_t key = 0; key < KEY_COUNT; key++) {
        if (strcmp(sp_keys[key].directive, directive) != 0 || keys_inner(key) ||
            keys_line(key) != 0)
            continue;
        sp_near_try(&near, sp_keys[key].word);
        if (sp_keys[key].word[0])
            sp_text_put(&out, " %s", sp_keys[key].word);
    }
    report_at(reader, word, near.best ? report_near(reader, near.best) : possible,
              "unknown word '%.*s'", SHOWN(word));
}

static bool parse_known(const char *directive, const struct scan_word *word)
{
    return keys_word(directive, word->text, word->length) < KEY_COUNT;
}

/* The word at words[at] and its values; returns the index behind them. */
static size_t parse_word(struct reader *reader, const char *directive, struct scan_word *words,
                         size_t at, size_t count)
{
    struct scan_word *word = &words[at];
    size_t key = keys_on_line(keys_word(directive, word->text, word->length), reader->repeat);
    int errors = reader->errors;

    at++;
    if (key == KEY_COUNT) {
        parse_unknown(reader, directive, word);
    } else if (sp_keys[key].type == SP_KEY_FLAG) {
        if (!parse_again(reader, key, word))
            at += parse_key(reader, key, &words[at], count - at);
    } else if (at == count) {
        parse_missing(reader, key, word);
    } else if (parse_known(directive, &words[at]) && sp_keys[key].words[0][0] == '\0') {
        parse_missing(reader, key, word);
    } else if (!parse_again(reader, key, word)) {
        at += parse_key(reader, key, &words[at], count - at);
    }
    /* What belongs to a word that was refused is not refused once more. */
    while (errors < reader->errors && at < count && !parse_known(directive, &words[at]))
        at++;
    return at;
}

static const char *parse_example(const char *directive)
{
    return strcmp(directive, "deadline") == 0  ? "deadline connect 250ms  response 2s"
           : strcmp(directive, "breaker") == 0 ? "breaker streak 5  open 1s..60s"
           : strcmp(directive, "limit") == 0   ? "limit 100/s  burst 20"
           : strcmp(directive, "lookup") == 0  ? "lookup stale 10m"
           : strcmp(directive, "retry") == 0   ? "retry 2  backoff 50ms..1s  on refused,timeout"
                                               : "cap 64";
}

static bool parse_number(const struct scan_word *word)
{
    return word->length > 0 && word->text[0] >= '0' && word->text[0] <= '9';
}

/* The first line that this file has not used in this section; a word behind `off` is set twice. */
static bool parse_repeat(struct reader *reader)
{
    const struct reader_place *set = reader->set[reader->row];
    size_t used = 0;

    for (size_t key = KEY_RETRY; key < KEY_RETRY_BUDGET; key++)
        if (set[key].line > 0 && set[key].file == reader->file)
            used = keys_line(key) + 1;
    if (used == 1 && set[KEY_RETRY].line > 0 &&
        reader->rows[reader->row].guards.retry[0].tries == 0)
        used = 0;
    reader->repeat = used;
    if (used < SP_RETRY_LINES)
        return true;
    report_at(reader, &reader->line.word[0], "join some of them",
              "more than %d lines 'retry' in one section", SP_RETRY_LINES);
    return false;
}

static void parse_group(struct reader *reader, const char *directive)
{
    struct scan_word *words = reader->line.word;
    size_t at = 1, count = reader->line.count;
    size_t bare = keys_on_line(keys_bare(directive, strlen(directive)), reader->repeat);

    if (count == 1) {
        report_at(reader, &words[0], parse_example(directive), "'%s' needs a word and a value",
                  directive);
        return;
    }
    if (parse_is(&words[1], "off")) {
        parse_all_off(reader, directive, &words[1]);
        at = 2;
    } else if (bare < KEY_COUNT && words[1].length > 0 && words[1].text[0] >= '0' &&
               words[1].text[0] <= '9') {
        at = 2;
        if (!parse_again(reader, bare, &words[1]))
            parse_key(reader, bare, &words[1], 1);
    }
    while (at < count)
        at = parse_word(reader, directive, words, at, count);
}

/* `enforce 10%` is one value. */
static void parse_join(struct scan_word *first, const struct scan_word *second)
{
    first->length = (size_t)(second->text - first->text) + second->length;
    first->width = second->column + second->width - first->column;
}

static void parse_single(struct reader *reader, size_t key)
{
    struct scan_word *words = reader->line.word;
    size_t count = reader->line.count, used = 2;

    if (count == 1) {
        parse_missing(reader, key, &words[0]);
        return;
    }
    if (sp_keys[key].type == SP_KEY_MODE && count > 2 && parse_number(&words[2])) {
        parse_join(&words[1], &words[2]);
        used = 3;
    }
    if (!parse_again(reader, key, &words[0]))
        parse_key(reader, key, &words[1], count - 1);
    if (count > used)
        report_at(reader, &words[used], NULL, "unexpected '%.*s': '%s' has one value",
                  SHOWN(&words[used]), sp_keys[key].directive);
}

static const char *const parse_sections[] = {"defaults", "destination", "syntax",
                                             "segment",  "include",     "experiment"};

static void parse_unknown_directive(struct reader *reader, const struct scan_word *word)
{
    static const char *const others[] = {"match", "fallback", "split", "slo"};
    struct sp_near near = sp_near_begin(word->text, word->length);
    char possible[200];
    struct sp_text_out out = sp_text_out(possible, sizeof possible);
    const char *last = "";

    for (size_t i = 0; i < sizeof parse_sections / sizeof *parse_sections; i++) {
        if (!parse_is(word, parse_sections[i]))
            continue;
        report_at(reader, word, "sections begin in column 1: remove the blanks before it",
                  "'%.*s' is a section, not a directive", SHOWN(word));
        reader->section = SECTION_SKIPPED;
        return;
    }
    sp_text_put(&out, "possible here:");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        sp_near_try(&near, others[i]);
        sp_text_put(&out, " %s", others[i]);
    }
    for (size_t key = 0; key < KEY_COUNT; key++) {
        sp_near_try(&near, sp_keys[key].directive);
        if (strcmp(last, sp_keys[key].directive) != 0)
            sp_text_put(&out, " %s", sp_keys[key].directive);
        last = sp_keys[key].directive;
    }
    report_at(reader, word, near.best ? report_near(reader, near.best) : possible,
              "unknown directive '%.*s'", SHOWN(word));
}

static void parse_directive(struct reader *reader)
{
    struct scan_word *word = &reader->line.word[0];
    const char *group = keys_group(word->text, word->length);
    size_t key;

    if (reader->section == SECTION_SKIPPED)
        return;
    if (reader->section == SECTION_NONE) {
        report_at(reader, word, "put 'destination NAME' or 'defaults' on a line above it",
                  "'%.*s' stands outside of any section", SHOWN(word));
        reader->section = SECTION_SKIPPED;
    } else if (reader->section == SECTION_EXPERIMENT) {
        experiment_line(reader);
    } else if (parse_is(word, "match")) {
        rule_words(reader);
    } else if (parse_is(word, "fallback")) {
        fallback_words(reader);
    } else if (parse_is(word, "split")) {
        split_words(reader);
    } else if (parse_is(word, "slo")) {
        slo_line(reader);
    } else if (keys_single(word->text, word->length, &key)) {
        parse_single(reader, key);
    } else if (group != NULL) {
        if (strcmp(group, "retry") != 0 || parse_repeat(reader))
            parse_group(reader, group);
    } else {
        parse_unknown_directive(reader, word);
    }
}

void parse_line(struct reader *reader)
{
    if (reader->line.indented)
        parse_directive(reader);
    else
        section_line(reader);
}
