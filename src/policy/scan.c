#include "policy/scan.h"

#include <string.h>

struct scan scan_begin(const char *text, size_t length)
{
    /* Editors on Windows begin a file with a byte order mark. */
    if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        return (struct scan){text + 3, text + length, 0};
    return (struct scan){text, text + length, 0};
}

bool scan_next(struct scan *scan, struct scan_line *line)
{
    const char *newline;
    size_t left = (size_t)(scan->end - scan->at);

    if (left == 0)
        return false;
    newline = memchr(scan->at, '\n', left);
    line->text = scan->at;
    line->length = newline != NULL ? (size_t)(newline - scan->at) : left;
    line->number = ++scan->line;
    line->count = 0;
    scan->at += line->length + (newline != NULL ? 1 : 0);
    if (line->length > 0 && line->text[line->length - 1] == '\r')
        line->length--;
    line->indented = line->length > 0 && (line->text[0] == ' ' || line->text[0] == '\t');
    return true;
}

/* RFC 3629: no overlong forms, no surrogates, nothing beyond U+10FFFF. */
size_t scan_utf8(const char *text, size_t left)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t length = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

    if (length == 0 || length > left || p[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return length;
}

const char *scan_fault(const struct scan_line *line, size_t *at)
{
    const unsigned char *p = (const unsigned char *)line->text;
    size_t length;

    *at = 0;
    if (line->length > SCAN_LINE_MAX) {
        *at = SCAN_LINE_MAX;
        return "the line is longer than 4096 characters";
    }
    for (size_t i = 0; i < line->length; i += length) {
        *at = i;
        if (p[i] == '\0')
            return "a NUL byte: this is no text file";
        if ((p[i] < ' ' && p[i] != '\t') || p[i] == 0x7f)
            return "a control character";
        length = scan_utf8(line->text + i, line->length - i);
        if (length == 0)
            return "these bytes are not UTF-8";
    }
    return NULL;
}

static bool scan_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The word at `i`; returns the index behind it. */
static size_t scan_plain(const struct scan_line *line, size_t i, struct scan_word *word)
{
    size_t start = i;

    while (i < line->length && !scan_blank(line->text[i]) && line->text[i] != '"')
        i++;
    *word = (struct scan_word){line->text + start, i - start, (unsigned)start + 1,
                               (unsigned)(i - start)};
    return i;
}

static size_t scan_quoted(const struct scan_line *line, size_t i, struct scan_word *word)
{
    size_t start = i++;

    while (i < line->length && line->text[i] != '"')
        i++;
    *word = (struct scan_word){line->text + start + 1, i - start - 1, (unsigned)start + 1,
                               (unsigned)(i - start + 1)};
    return i + 1;
}

const char *scan_words(struct scan_line *line, struct scan_word *fault)
{
    size_t i = 0;

    for (;;) {
        bool quoted;
        struct scan_word *word = &line->word[line->count];

        while (i < line->length && scan_blank(line->text[i]))
            i++;
        if (i >= line->length || line->text[i] == '#' || line->count == SCAN_WORDS_MAX)
            return NULL;
        quoted = line->text[i] == '"';
        i = quoted ? scan_quoted(line, i, word) : scan_plain(line, i, word);
        *fault = *word;
        line->count++;
        if (i > line->length) {
            fault->width = 1;
            return "a quote that nothing closes";
        }
        if (i < line->length && !scan_blank(line->text[i])) {
            fault->column = (unsigned)i + (quoted ? 0 : 1);
            fault->width = 1;
            return "a quote stands around a whole word, not inside one";
        }
    }
}
