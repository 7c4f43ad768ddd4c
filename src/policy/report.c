/*
 * report.c - saying what is wrong, with the line and the place in it.
 */
#include "base/text.h"
#include "policy/reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *report_near(struct reader *reader, const char *best)
{
    if (best == NULL)
        return NULL;
    snprintf(reader->cure, sizeof reader->cure, "did you mean '%s'?", best);
    return reader->cure;
}

/* Beyond a hundred the reader of the messages has the wrong file. */
static bool report_full(struct reader *reader)
{
    struct sp_finding last = {.severity = SP_ERROR,
                              .file = reader->name,
                              .length = 1,
                              .text = "too many mistakes; the others are not shown"};

    if (reader->shown < READER_SHOWN_MAX) {
        reader->shown++;
        return false;
    }
    if (reader->shown++ == READER_SHOWN_MAX && reader->say != NULL)
        reader->say(reader->context, &last);
    return true;
}

static void report_say(struct reader *reader, struct sp_finding finding, const char *format,
                       va_list arguments)
{
    char text[512];

    if (finding.severity == SP_ERROR)
        reader->errors++;
    if (report_full(reader) || reader->say == NULL)
        return;
    vsnprintf(text, sizeof text, format, arguments);
    finding.text = text;
    reader->say(reader->context, &finding);
}

static void report_line(struct reader *reader, enum sp_severity severity,
                        const struct scan_word *word, const char *cure, const char *format,
                        va_list arguments)
{
    char source[SCAN_LINE_MAX + 1];
    size_t length = reader->line.length;
    struct sp_finding finding = {.severity = severity,
                                 .file = reader->name,
                                 .length = 1,
                                 .line = reader->line.number,
                                 .source = source,
                                 .cure = cure};

    if (length > SCAN_LINE_MAX)
        length = SCAN_LINE_MAX;
    for (size_t i = 0; i < length; i++)
        source[i] = reader->line.text[i] != '\0' ? reader->line.text[i] : '?';
    source[length] = '\0';
    if (word != NULL) {
        finding.column = word->column;
        finding.length = word->width > 0 ? word->width : 1;
    }
    report_say(reader, finding, format, arguments);
}

void report_at(struct reader *reader, const struct scan_word *word, const char *cure,
               const char *format, ...)
{
    va_list arguments;

    if (reader->section == SECTION_ROW)
        reader->broken[reader->row] = true;
    va_start(arguments, format);
    report_line(reader, SP_ERROR, word, cure, format, arguments);
    va_end(arguments);
}

void report_warning_at(struct reader *reader, const struct scan_word *word, const char *cure,
                       const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    report_line(reader, SP_WARNING, word, cure, format, arguments);
    va_end(arguments);
}

void report_file(struct reader *reader, const char *name, const char *cure, const char *format, ...)
{
    struct sp_finding finding = {.severity = SP_ERROR, .file = name, .length = 1, .cure = cure};
    va_list arguments;

    va_start(arguments, format);
    report_say(reader, finding, format, arguments);
    va_end(arguments);
}

static void report_place(struct reader *reader, enum sp_severity severity,
                         struct reader_place place, const char *format, va_list arguments)
{
    struct sp_finding finding = {
        .severity = severity, .line = place.line, .column = place.column, .length = 1};

    finding.file = reader->strings + reader->files[place.file];
    report_say(reader, finding, format, arguments);
}

void report_error(struct reader *reader, struct reader_place place, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    report_place(reader, SP_ERROR, place, format, arguments);
    va_end(arguments);
}

void report_warning(struct reader *reader, struct reader_place place, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    report_place(reader, SP_WARNING, place, format, arguments);
    va_end(arguments);
}
