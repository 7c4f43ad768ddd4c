/* split.c - lines `split`: as text, and the names in them looked up. */
#include "cli/split.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/say.h"
#include "cli/target.h"

#define SPLIT_TEXT 300

const struct sp_arm_policy *split_at(const struct sp_policy *policy, const struct sp_row *row,
                                     size_t nth)
{
    return nth < row->arm_count ? sp_policy_arm(policy, (size_t)row->arm_first + nth) : NULL;
}

static const char *split_target(const struct sp_policy *policy, const struct sp_arm_policy *line,
                                char *out, size_t size)
{
    return say_safe(out, size, sp_policy_string(policy, line->text), size / 4 - 1);
}

/* "10.30.1.10:9200  share 95%  as blue" */
static void split_line(const struct sp_policy *policy, const struct sp_arm_policy *line, char *out,
                       size_t size)
{
    char target[SPLIT_TEXT], share[16], name[4 * SP_ARM_NAME_SIZE + 1];
    sp_text_format_share(line->share, share, sizeof share);
    snprintf(out, size, "%s  share %s  as %s", split_target(policy, line, target, sizeof target),
             share, say_safe(name, sizeof name, line->name, SP_ARM_NAME_SIZE - 1));
}

void split_print(const struct setting_view *view)
{
    const struct sp_arm_policy *line;
    char text[SPLIT_TEXT + 200];
    for (size_t nth = 0; (line = split_at(view->policy, view->row, nth)) != NULL; nth++) {
        split_line(view->policy, line, text, sizeof text);
        setting_line(view->policy, nth == 0 ? "split" : "", text, line->file, line->line);
    }
    if (view->row->guards.split & SP_SPLIT_STICKY)
        printf("  %-14s%s\n", "", "sticky process");
}

void split_join(const struct sp_policy *policy, const struct sp_row *row, char *out, size_t size)
{
    struct sp_text_out all = sp_text_out(out, size);
    const struct sp_arm_policy *line;
    char text[SPLIT_TEXT + 200];
    for (size_t nth = 0; (line = split_at(policy, row, nth)) != NULL; nth++) {
        split_line(policy, line, text, sizeof text);
        sp_text_put(&all, "%s%s", nth ? ", " : "", text);
    }
    if (row->arm_count == 0)
        sp_text_put(&all, "off");
    if (row->guards.split & SP_SPLIT_STICKY)
        sp_text_put(&all, ", sticky process");
}

void split_lines_json(struct json *json, const struct setting_view *view)
{
    const struct sp_arm_policy *line;
    json_open(json, "arms", '[');
    for (size_t nth = 0; (line = split_at(view->policy, view->row, nth)) != NULL; nth++) {
        json_open(json, NULL, '{');
        json_text(json, "name", line->name, sizeof line->name);
        json_word(json, "to", sp_policy_string(view->policy, line->text));
        json_number(json, "share", (double)line->share / SP_SHARE_ALL);
        json_word(json, "file", sp_policy_file(view->policy, line->file));
        json_count(json, "line", line->line);
        json_close(json, '}');
    }
    json_close(json, ']');
    json_bool(json, "sticky", (view->row->guards.split & SP_SPLIT_STICKY) != 0);
}

/* --- names --- */

static bool split_nth(const struct sp_policy *policy, const struct sp_row *row, size_t nth,
                      struct target_line *out)
{
    const struct sp_arm_policy *line = split_at(policy, row, nth);
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

static const struct target_lines split_lines = {
    "arm", split_nth, "its share goes to the others until `shearpin reload` finds it",
    "its share goes to the other arms"};

void split_resolve(struct sp_segment *segment, bool anew, bool quiet)
{
    target_resolve(segment, &split_lines, anew, quiet);
}

void split_findings(const struct sp_policy *policy, sp_finding_fn *say, void *context)
{
    target_findings(policy, &split_lines, say, context);
}

void split_notes(const struct sp_policy *policy)
{
    const struct sp_arm_policy *line;
    char target[SPLIT_TEXT], place[SPLIT_TEXT];
    for (size_t i = 0; (line = sp_policy_arm(policy, i)) != NULL; i++) {
        if (line->kind != SP_FALLBACK_NAME)
            continue;
        setting_place(policy, line->file, line->line, place, sizeof place);
        printf("%s: note: %s is looked up by `run` and `reload`: under a bare LD_PRELOAD its share "
               "goes to the other arms until then\n",
               place, split_target(policy, line, target, sizeof target));
    }
}
