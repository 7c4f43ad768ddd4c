/* fallback.c - lines `fallback`: as text, and the names in them looked up. */
#include "cli/fallback.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/say.h"
#include "cli/target.h"

#define FALLBACK_TEXT 300

const struct sp_fallback *fallback_at(const struct sp_policy *policy, const struct sp_row *row,
                                      size_t nth)
{
    return nth < row->fallback_count ? sp_policy_fallback(policy, row->fallback_first + nth) : NULL;
}

const char *fallback_target(const struct sp_policy *policy, const struct sp_fallback *fallback,
                            char *out, size_t size)
{
    char safe[FALLBACK_TEXT];
    say_safe(safe, sizeof safe, sp_policy_string(policy, fallback->text), sizeof safe / 4 - 1);
    struct sp_text_out text = sp_text_out(out, size);
    sp_text_put(&text, "%s%s", fallback->kind == SP_FALLBACK_RESPOND ? "respond " : "", safe);
    return out;
}

bool fallback_named(const struct sp_policy *policy, const char *name, uint64_t id, char *out,
                    size_t size)
{
    const struct sp_row *row;
    const struct sp_fallback *line;
    for (size_t i = 0; policy && (row = sp_policy_row(policy, i)) != NULL; i++) {
        if (strncmp(row->name, name, SP_NAME_SIZE) != 0)
            continue;
        for (size_t nth = 0; (line = fallback_at(policy, row, nth)) != NULL; nth++) {
            if (sp_fallback_id(line) == id) {
                fallback_target(policy, line, out, size);
                return true;
            }
        }
    }
    return false;
}

/* "pay-dr.example.com:443  when open" */
static void fallback_line(const struct sp_policy *policy, const struct sp_fallback *line, char *out,
                          size_t size)
{
    char target[FALLBACK_TEXT], when[32];
    sp_when_format(line->when, when, sizeof when);
    snprintf(out, size, "%s  when %s", fallback_target(policy, line, target, sizeof target), when);
}

void fallback_print(const struct setting_view *view)
{
    const struct sp_fallback *line;
    char text[FALLBACK_TEXT + 40];
    for (size_t nth = 0; (line = fallback_at(view->policy, view->row, nth)) != NULL; nth++) {
        fallback_line(view->policy, line, text, sizeof text);
        setting_line(view->policy, nth == 0 ? "fallback" : "", text, line->file, line->line);
    }
}

void fallback_join(const struct sp_policy *policy, const struct sp_row *row, char *out, size_t size)
{
    struct sp_text_out all = sp_text_out(out, size);
    const struct sp_fallback *line;
    char text[FALLBACK_TEXT + 40];
    for (size_t nth = 0; (line = fallback_at(policy, row, nth)) != NULL; nth++) {
        fallback_line(policy, line, text, sizeof text);
        sp_text_put(&all, "%s%s", nth ? ", " : "", text);
    }
    if (row->fallback_count == 0)
        sp_text_put(&all, "off");
}

/* --- names --- */

static bool fallback_nth(const struct sp_policy *policy, const struct sp_row *row, size_t nth,
                         struct target_line *out)
{
    const struct sp_fallback *line = fallback_at(policy, row, nth);
    if (!line)
        return false;
    *out = (struct target_line){
        .text = line->kind == SP_FALLBACK_NAME ? sp_policy_string(policy, line->text) : NULL,
        .hash = line->hash,
        .file = line->file,
        .line = line->line,
        .column = line->column};
    return true;
}

static const struct target_lines fallback_lines = {
    "fallback", fallback_nth, "there is none until `shearpin reload` finds it", "no fallback"};

void fallback_resolve(struct sp_segment *segment, bool anew, bool quiet)
{
    target_resolve(segment, &fallback_lines, anew, quiet);
}

void fallback_findings(const struct sp_policy *policy, sp_finding_fn *say, void *context)
{
    target_findings(policy, &fallback_lines, say, context);
}

void fallback_notes(const struct sp_policy *policy)
{
    static const char *const whys[SP_FALLBACK_COUNT] = {
        [SP_FALLBACK_NAME] = "looked up by `run` and `reload`",
        [SP_FALLBACK_RESPOND] = "answered by a process that `run` and `reload` start"};
    const struct sp_fallback *line;
    char target[FALLBACK_TEXT], place[FALLBACK_TEXT];
    for (size_t i = 0; (line = sp_policy_fallback(policy, i)) != NULL; i++) {
        if (line->kind >= SP_FALLBACK_COUNT || !whys[line->kind])
            continue;
        setting_place(policy, line->file, line->line, place, sizeof place);
        printf("%s: note: %s is %s: under a bare LD_PRELOAD there is none until then\n", place,
               fallback_target(policy, line, target, sizeof target), whys[line->kind]);
    }
}
