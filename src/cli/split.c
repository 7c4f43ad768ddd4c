/* split.c - lines `split`: as text, and the names in them looked up. */
#include "cli/split.h"

#include <bsd/string.h>
#include <stdio.h>
#include <stdlib.h>
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
    char text[SPLIT_TEXT + 200], place[SPLIT_TEXT];
    for (size_t nth = 0; (line = split_at(view->policy, view->row, nth)) != NULL; nth++) {
        split_line(view->policy, line, text, sizeof text);
        setting_place(view->policy, line->file, line->line, place, sizeof place);
        printf("  %-14s%-45s  %s\n", nth == 0 ? "split" : "", text, place);
    }
    if (view->row->guards.split & SP_SPLIT_STICKY)
        printf("  %-14s%s\n", "", "sticky process");
}

void split_join(const struct sp_policy *policy, const struct sp_row *row, char *out, size_t size)
{
    const struct sp_arm_policy *line;
    char text[SPLIT_TEXT + 200];
    strlcpy(out, row->arm_count ? "" : "off", size);
    for (size_t nth = 0; (line = split_at(policy, row, nth)) != NULL; nth++) {
        split_line(policy, line, text, sizeof text);
        strlcat(out, nth ? ", " : "", size);
        strlcat(out, text, size);
    }
    if (row->guards.split & SP_SPLIT_STICKY)
        strlcat(out, ", sticky process", size);
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

static struct target_line split_name(const struct sp_policy *policy,
                                     const struct sp_arm_policy *line)
{
    return (struct target_line){.what = "arm",
                                .text = sp_policy_string(policy, line->text),
                                .hash = line->hash,
                                .file = line->file,
                                .line = line->line,
                                .column = line->column};
}

void split_resolve(struct sp_segment *segment, bool anew, bool quiet)
{
    const struct sp_row *row;
    const struct sp_arm_policy *line;
    uint64_t generation;
    struct sp_policy *policy = look_policy(segment, &generation);
    for (size_t i = 0; policy && (row = sp_policy_row(policy, i)) != NULL; i++) {
        for (size_t nth = 0; (line = split_at(policy, row, nth)) != NULL; nth++) {
            if (line->kind != SP_FALLBACK_NAME)
                continue;
            const struct target_line name = split_name(policy, line);
            target_resolve(segment, row, &name, anew,
                           "its share goes to the others until `shearpin reload` finds it", quiet);
        }
    }
    free(policy);
}

void split_findings(const struct sp_policy *policy, sp_finding_fn *say, void *context)
{
    const struct sp_arm_policy *line;
    for (size_t i = 0; (line = sp_policy_arm(policy, i)) != NULL; i++) {
        if (line->kind != SP_FALLBACK_NAME)
            continue;
        const struct target_line name = split_name(policy, line);
        target_finding(policy, &name, "its share goes to the other arms", say, context);
    }
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
