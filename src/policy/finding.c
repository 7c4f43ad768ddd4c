/*
 * finding.c - a finding as `check` prints it:
 *
 *     policy.conf:9:15: error: unknown word 'conect'
 *         9 |     deadline  conect 250ms
 *           |               ^~~~~~ did you mean 'connect'?
 */
#include "base/text.h"
#include "shearpin/policy.h"

#define FINDING_SOURCE_MAX 200 /* of a line; nobody reads more */

/* Files may hold anything, and terminals obey what they are sent. */
static void finding_text(struct sp_text_out *out, const char *text, size_t max)
{
    for (size_t i = 0; i < max && text[i] != '\0'; i++) {
        unsigned char c = (unsigned char)text[i];

        sp_text_put_char(out, (c < ' ' && c != '\t') || c == 0x7f ? '?' : (char)c);
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

/* Blanks up to the column: tabs stay tabs, and the later bytes of a character take no place. */
static void finding_caret(struct sp_text_out *out, const struct sp_finding *finding)
{
    const unsigned char *source = (const unsigned char *)finding->source;
    size_t at = finding->column - 1, i;

    for (i = 0; i < at && source[i] != '\0'; i++)
        if ((source[i] & 0xc0) != 0x80)
            sp_text_put_char(out, source[i] == '\t' ? '\t' : ' ');
    sp_text_put_char(out, '^');
    for (size_t more = 1; more < finding->length && source[i] != '\0'; more++)
        if (source[++i] != '\0' && (source[i] & 0xc0) != 0x80)
            sp_text_put_char(out, '~');
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
