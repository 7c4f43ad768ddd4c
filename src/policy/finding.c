/*
 * finding.c - a finding as `check` prints it:
 *
 *     policy.conf:9:15: error: unknown word 'conect'
 *         9 |     deadline  conect 250ms
 *           |               ^~~~~~ did you mean 'connect'?
 */
#include "base/text.h"
#include "policy/scan.h"
#include "shearpin/policy.h"

#include <string.h>

#define FINDING_SOURCE_MAX 200 /* of a line; nobody reads more */

/* Files may hold anything, and terminals obey what they are sent: what is not plain text becomes
 * a question mark. Returns the bytes that belong to the character at `text`. */
static size_t finding_char(const char *text, size_t left, bool *plain)
{
    size_t length = scan_utf8(text, left);
    unsigned char c = (unsigned char)text[0];

    *plain = length > 0 && (c >= ' ' || c == '\t') && c != 0x7f &&
             (c != 0xc2 || (unsigned char)text[1] >= 0xa0);
    return length > 0 ? length : 1;
}

static void finding_text(struct sp_text_out *out, const char *text, size_t max)
{
    size_t length = strnlen(text, max), size;
    bool plain;

    for (size_t i = 0; i < length; i += size) {
        size = finding_char(text + i, length - i, &plain);
        if (plain)
            sp_text_put(out, "%.*s", (int)size, text + i);
        else
            sp_text_put_char(out, '?');
    }
}

static void finding_head(struct sp_text_out *out, const struct sp_finding *finding)
{
    finding_text(out, finding->file != NULL ? finding->file : "?", 4096);
    if (finding->line > 0)
        sp_text_put(out, ":%u", finding->line);
    if (finding->line > 0 && finding->column > 0)
        sp_text_put(out, ":%u", finding->column);
    sp_text_put(out, ": %s: ", finding->severity == SP_ERROR ? "error" : "warning");
    finding_text(out, finding->text != NULL ? finding->text : "?", 4096);
    sp_text_put_char(out, '\n');
}

static void finding_source(struct sp_text_out *out, const struct sp_finding *finding)
{
    sp_text_put(out, "%5u | ", finding->line);
    finding_text(out, finding->source, FINDING_SOURCE_MAX);
    sp_text_put(out, "\n      | ");
}

/* Below the characters from `column` on; tabs stay tabs. */
static void finding_caret(struct sp_text_out *out, const struct sp_finding *finding)
{
    size_t length = strlen(finding->source), from = finding->column - 1;
    size_t to = from + finding->length, size;
    bool plain;

    for (size_t i = 0; i < length && i < to; i += size) {
        size = finding_char(finding->source + i, length - i, &plain);
        if (i < from)
            sp_text_put_char(out, finding->source[i] == '\t' ? '\t' : ' ');
        else
            sp_text_put_char(out, i == from ? '^' : '~');
    }
    if (from >= length)
        sp_text_put_char(out, '^');
}

size_t sp_finding_format(const struct sp_finding *finding, char *out, size_t size)
{
    struct sp_text_out text;
    bool caret;

    if (size < 2) {
        if (size == 1)
            out[0] = '\0';
        return 0;
    }
    text = sp_text_out(out, size);
    finding_head(&text, finding);
    if (finding->source != NULL)
        finding_source(&text, finding);
    else if (finding->cure != NULL)
        sp_text_put(&text, "      | ");
    caret = finding->source != NULL && finding->column > 0 && finding->column <= FINDING_SOURCE_MAX;
    if (caret)
        finding_caret(&text, finding);
    if (finding->cure != NULL) {
        sp_text_put(&text, "%s", caret ? " " : "");
        finding_text(&text, finding->cure, 4096);
    }
    if (finding->source != NULL || finding->cure != NULL)
        sp_text_put_char(&text, '\n');
    /* Cut, but still lines. */
    if (text.length > 0)
        out[text.length - 1] = '\n';
    return text.length;
}
