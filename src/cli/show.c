#include <stdio.h>

#include "cli/fallback.h"
#include "cli/rules.h"
#include "cli/say.h"
#include "cli/setting.h"
#include "cli/split.h"

static void show_row(const struct setting_view *view, bool all)
{
    char place[300], safe[512];
    setting_place(view->policy, view->row->file, view->row->line, place, sizeof place);
    printf("destination %-*s%s\n", 51, view->row->name, place);
    for (size_t i = 0; i < view->row->match_count; i++) {
        const struct sp_match *rule = sp_policy_match_at(view->policy, view->row->match_first + i);
        if (!rule)
            continue;
        setting_place(view->policy, rule->file, rule->line, place, sizeof place);
        say_safe(safe, sizeof safe, sp_policy_string(view->policy, rule->source), 120);
        printf("  %-14s%-45s  %s\n", i == 0 ? "match" : "", safe, place);
    }
    setting_print(view, all);
    split_print(view);
    fallback_print(view);
}

int show_main(struct cli *cli)
{
    struct rules rules;
    struct setting_over over;
    struct setting_view view;
    rules_read(&rules, rules_path(cli, cli->count ? cli->words[0] : NULL), stderr,
               cli->verbose ? RULES_ALL : RULES_ERRORS);
    if (!rules.policy)
        return CLI_NO;
    int status = setting_over_read(cli, rules.policy, &over);
    if (status != CLI_OK)
        return status;
    if (rules.policy->segment[0])
        printf("segment %.*s%s%.*s\n", SP_NAME_SIZE, rules.policy->segment,
               rules.policy->group[0] ? " group " : "", (int)sizeof rules.policy->group,
               rules.policy->group);
    for (size_t i = 0; setting_view(&view, rules.policy, i, &over); i++) {
        if (i > 0 || rules.policy->segment[0])
            putchar('\n');
        show_row(&view, cli->verbose);
    }
    return CLI_OK;
}
