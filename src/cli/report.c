#include "cli/report.h"

#include <bsd/stdlib.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/json.h"
#include "cli/memory.h"
#include "cli/say.h"

#define REPORT_TEXT   1024
#define REPORT_MARGIN 2
#define REPORT_WIDTH  26 /* of the first column, if nothing in it is wider */
#define REPORT_WIDEST 48

void report_add(struct report *report, enum report_level level, const char *kind, const char *what,
                const char *format, ...)
{
    va_list arguments;
    struct report_line line = {.level = level, .kind = kind, .what = strdup(what)};
    struct report_line *more =
        reallocarray(report->lines, report->count + 1, sizeof *report->lines);
    va_start(arguments, format);
    if (!more || !line.what || vasprintf(&line.text, format, arguments) < 0)
        memory_out();
    va_end(arguments);
    report->lines = more;
    report->lines[report->count++] = line;
}

void report_cure(struct report *report, const char *what, const char *how)
{
    const size_t room = sizeof report->cures / sizeof *report->cures;
    for (size_t i = 0; i < report->cure_count; i++) {
        if (strcmp(report->cures[i].what, what) == 0)
            return;
    }
    if (report->cure_count < room)
        report->cures[report->cure_count++] = (struct report_cure){what, how};
}

static size_t report_count(const struct report *report, enum report_level level)
{
    size_t count = 0;
    for (size_t i = 0; i < report->count; i++)
        count += report->lines[i].level == level;
    return count;
}

bool report_has(const struct report *report, enum report_level level)
{
    return report_count(report, level) > 0;
}

int report_status(const struct report *report)
{
    return report_has(report, REPORT_BAD) ? CLI_NO : CLI_OK;
}

/* --- for people --- */

static const char *report_mark(enum report_level level)
{
    static const char *const marks[2][3] = {{"+", "!", "x"}, {"✓", "!", "✗"}};
    return marks[say_utf8()][level];
}

static int report_width(const struct report *report)
{
    size_t width = REPORT_WIDTH;
    for (size_t i = 0; i < report->count; i++) {
        size_t length = strlen(report->lines[i].what);
        if (length > width && length <= REPORT_WIDEST)
            width = length;
    }
    return (int)width;
}

static void report_line(const struct report_line *line, int width)
{
    char what[4 * REPORT_TEXT + 1], text[4 * REPORT_TEXT + 1];
    say_safe(what, sizeof what, line->what, REPORT_TEXT);
    say_safe(text, sizeof text, line->text, REPORT_TEXT);
    if (*what)
        printf("  %s %-*s%*s%s\n", report_mark(line->level), width, what, REPORT_MARGIN, "", text);
    else
        printf("  %s %s\n", report_mark(line->level), text);
}

static void report_cures(const struct report *report)
{
    int width = REPORT_WIDTH;
    if (report->cure_count > 0)
        puts("  You can");
    for (size_t i = 0; i < report->cure_count; i++) {
        int length = (int)strlen(report->cures[i].what);
        width = length > width ? length : width;
    }
    for (size_t i = 0; i < report->cure_count; i++) {
        printf("    %-*s%*s%s\n", width, report->cures[i].what, REPORT_MARGIN, "",
               report->cures[i].how);
    }
}

void report_print(const struct report *report, const char *target, bool quiet)
{
    char safe[4 * REPORT_TEXT + 1];
    size_t notes = report_count(report, REPORT_NOTE);
    bool bad = report_has(report, REPORT_BAD);
    printf("%s: %s", say_safe(safe, sizeof safe, target, REPORT_TEXT),
           bad ? "cannot be wrapped" : "can be wrapped");
    if (!bad && notes > 0)
        printf(", %zu thing%s to know", notes, notes == 1 ? "" : "s");
    putchar('\n');
    if (quiet)
        return;
    for (size_t i = 0; i < report->count; i++)
        report_line(&report->lines[i], report_width(report));
    report_cures(report);
}

/* --- for machines --- */

static void report_json_sockets(struct json *json, const struct report_sockets *sockets)
{
    if (!sockets->known)
        return;
    uint32_t total = sockets->seen + sockets->missed;
    json_open(json, "sockets", '{');
    json_count(json, "seen", sockets->seen);
    json_count(json, "missed", sockets->missed);
    json_count(json, "unmatched", sockets->unmatched);
    if (total > 0)
        json_number(json, "share_seen", (double)sockets->seen / total);
    else
        json_null(json, "share_seen");
    json_close(json, '}');
}

void report_json(const struct report *report, const char *target)
{
    static const char *const levels[] = {"ok", "warning", "error"};
    struct json json = {0};
    json_open(&json, NULL, '{');
    json_word(&json, "target", target);
    json_bool(&json, "wrappable", !report_has(report, REPORT_BAD));
    json_open(&json, "findings", '[');
    for (size_t i = 0; i < report->count; i++) {
        const struct report_line *line = &report->lines[i];
        json_open(&json, NULL, '{');
        json_word(&json, "level", levels[line->level]);
        json_word(&json, "kind", line->kind);
        json_word(&json, "about", line->what);
        json_word(&json, "text", line->text);
        json_close(&json, '}');
    }
    json_close(&json, ']');
    json_open(&json, "remedies", '[');
    for (size_t i = 0; i < report->cure_count; i++) {
        json_open(&json, NULL, '{');
        const char *what = report->cures[i].what;
        json_word(&json, "what", what + (strncmp(what, "or ", 3) == 0 ? 3 : 0));
        json_word(&json, "how", report->cures[i].how);
        json_close(&json, '}');
    }
    json_close(&json, ']');
    report_json_sockets(&json, &report->sockets);
    json_close(&json, '}');
    json_end();
}
