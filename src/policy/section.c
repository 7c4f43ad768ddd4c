/*
 * section.c - lines in column 1: syntax, segment, include, defaults, destination, experiment.
 */
#include "base/near.h"
#include "base/text.h"
#include "policy/experiment.h"
#include "policy/reader.h"

#include <string.h>

typedef void section_fn(struct reader *reader, struct scan_word *words, size_t count);

bool section_name(struct reader *reader, const struct scan_word *word, const char *what,
                  size_t size)
{
    for (size_t i = 0; i < word->length; i++) {
        char c = word->text[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

        if (letter || (i > 0 && (c == '.' || c == '_' || c == '-')))
            continue;
        report_at(reader, word, "letters, digits and . _ - but a letter or digit first",
                  "'%.*s' cannot be the name of %s", SHOWN(word), what);
        return false;
    }
    if (word->length == 0 || word->length >= size) {
        report_at(reader, word, NULL, "the name of %s has 1 to %u characters", what,
                  (unsigned)size - 1);
        return false;
    }
    return true;
}

static void section_surplus(struct reader *reader, const struct scan_word *words, size_t count,
                            size_t wanted)
{
    if (count > wanted)
        report_at(reader, &words[wanted], "one directive a line, indented, below it",
                  "unexpected '%.*s'", SHOWN(&words[wanted]));
}

/* Has this file said it before? Another file may change what this one says. */
static bool section_again(struct reader *reader, const struct scan_word *word,
                          struct reader_place first)
{
    if (first.line == 0 || first.file != reader->file)
        return false;
    report_at(reader, word, "remove one of them", "'%.*s' is set twice; first on line %u",
              SHOWN(word), (unsigned)first.line);
    return true;
}

static void section_syntax(struct reader *reader, struct scan_word *words, size_t count)
{
    if (section_again(reader, &words[0], reader->syntax))
        return;
    reader->syntax = build_here(reader, &words[0]);
    if (count < 2)
        report_at(reader, &words[0], "syntax 1", "'syntax' needs a number");
    else if (!sp_text_is(words[1].text, words[1].length, "1"))
        report_at(reader, &words[1], "syntax 1 is the only one there is",
                  "shearpin " SP_VERSION " does not know syntax '%.*s'", SHOWN(&words[1]));
    section_surplus(reader, words, count, 2);
}

static void section_segment(struct reader *reader, struct scan_word *words, size_t count)
{
    if (section_again(reader, &words[0], reader->segment))
        return;
    reader->segment = build_here(reader, &words[0]);
    if (count < 2) {
        report_at(reader, &words[0], "segment billing", "'segment' needs a name");
        return;
    }
    if (!section_name(reader, &words[1], "a segment", SP_NAME_SIZE))
        return;
    memset(reader->segment_name, 0, sizeof reader->segment_name);
    memset(reader->segment_group, 0, sizeof reader->segment_group);
    memcpy(reader->segment_name, words[1].text, words[1].length);
    if (count == 2)
        return;
    if (!sp_text_is(words[2].text, words[2].length, "group")) {
        report_at(reader, &words[2], "segment NAME group GROUP", "unexpected '%.*s'",
                  SHOWN(&words[2]));
    } else if (count == 3) {
        report_at(reader, &words[2], "segment NAME group GROUP", "'group' needs a name");
    } else if (section_name(reader, &words[3], "a group", sizeof reader->segment_group)) {
        memcpy(reader->segment_group, words[3].text, words[3].length);
        section_surplus(reader, words, count, 4);
    }
}

static void section_include(struct reader *reader, struct scan_word *words, size_t count)
{
    if (count < 2)
        report_at(reader, &words[0], "include policy.d/*.conf", "'include' needs a file");
    else
        include_word(reader, &words[1]);
    section_surplus(reader, words, count, 2);
}

static void section_open(struct reader *reader, size_t row, const struct scan_word *word)
{
    reader->section = SECTION_ROW;
    reader->row = row;
    reader->opened[row] = build_here(reader, word);
}

/* Its directives are still read, for their mistakes. */
static void section_refuse(struct reader *reader, const struct scan_word *word)
{
    build_clear(reader, READER_REFUSED);
    section_open(reader, READER_REFUSED, word);
}

static void section_defaults(struct reader *reader, struct scan_word *words, size_t count)
{
    struct sp_row *row = &reader->rows[READER_DEFAULTS];

    if (section_again(reader, &words[0], reader->opened[READER_DEFAULTS])) {
        section_refuse(reader, &words[0]);
        return;
    }
    section_open(reader, READER_DEFAULTS, &words[0]);
    if (row->line == 0) {
        row->file = reader->file;
        row->line = (uint16_t)reader->line.number;
    }
    section_surplus(reader, words, count, 1);
}

static size_t section_row(const struct reader *reader, const struct scan_word *name)
{
    size_t row = 0;

    while (row < reader->row_count && !sp_text_is(name->text, name->length, reader->rows[row].name))
        row++;
    return row;
}

static void section_add(struct reader *reader, const struct scan_word *name)
{
    size_t row = reader->row_count;

    if (row == SP_POLICY_ROWS_MAX) {
        report_at(reader, name, NULL, "more than %u destinations", SP_POLICY_ROWS_MAX);
        section_refuse(reader, name);
        return;
    }
    reader->row_count++;
    build_clear(reader, row);
    memcpy(reader->rows[row].name, name->text, name->length);
    reader->rows[row].file = reader->file;
    reader->rows[row].line = (uint16_t)reader->line.number;
    section_open(reader, row, name);
}

static void section_destination(struct reader *reader, struct scan_word *words, size_t count)
{
    size_t row;

    section_refuse(reader, &words[0]);
    if (count < 2) {
        report_at(reader, &words[0], "destination payments", "'destination' needs a name");
        return;
    }
    section_surplus(reader, words, count, 2);
    if (!section_name(reader, &words[1], "a destination", SP_NAME_SIZE))
        return;
    row = section_row(reader, &words[1]);
    if (row == reader->row_count) {
        section_add(reader, &words[1]);
    } else if (reader->opened[row].file == reader->file) {
        report_at(reader, &words[1], "join the two sections, or rename one",
                  "'%.*s' is named twice; first on line %u", SHOWN(&words[1]),
                  (unsigned)reader->opened[row].line);
    } else {
        section_open(reader, row, &words[1]);
    }
}

static void section_experiment(struct reader *reader, struct scan_word *words, size_t count)
{
    reader->section = SECTION_SKIPPED;
    if (count < 2) {
        report_at(reader, &words[0], "experiment slow-payments", "'experiment' needs a name");
        return;
    }
    section_surplus(reader, words, count, 2);
    if (section_name(reader, &words[1], "an experiment", SP_NAME_SIZE))
        experiment_open(reader, &words[1]);
}

static const struct {
    const char *word;
    section_fn *read;
} section_words[] = {
    {"syntax", section_syntax},           {"segment", section_segment},
    {"include", section_include},         {"defaults", section_defaults},
    {"destination", section_destination}, {"experiment", section_experiment},
};
#define SECTION_WORDS (sizeof section_words / sizeof *section_words)

static void section_unknown(struct reader *reader, const struct scan_word *word)
{
    struct sp_near near = sp_near_begin(word->text, word->length);
    size_t key;

    if (keys_single(word->text, word->length, &key) || keys_group(word->text, word->length) ||
        sp_text_is(word->text, word->length, "match") ||
        sp_text_is(word->text, word->length, "fallback") ||
        sp_text_is(word->text, word->length, "split") ||
        sp_text_is(word->text, word->length, "slo")) {
        report_at(reader, word, "indent it: only sections begin in column 1",
                  "'%.*s' is a directive, not a section", SHOWN(word));
        return;
    }
    for (size_t i = 0; i < SECTION_WORDS; i++)
        sp_near_try(&near, section_words[i].word);
    report_at(reader, word, report_near(reader, near.best), "unknown section '%.*s'", SHOWN(word));
    reader->section = SECTION_SKIPPED;
}

void section_line(struct reader *reader)
{
    struct scan_word *words = reader->line.word;

    for (size_t i = 0; i < SECTION_WORDS; i++) {
        if (!sp_text_is(words[0].text, words[0].length, section_words[i].word))
            continue;
        reader->section = SECTION_NONE;
        section_words[i].read(reader, words, reader->line.count);
        return;
    }
    section_unknown(reader, &words[0]);
}
