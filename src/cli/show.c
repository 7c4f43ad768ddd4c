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
        say_safe(safe, sizeof safe, sp_policy_string(view->policy, rule->source), 120);
        setting_line(view->policy, i == 0 ? "match" : "", safe, rule->file, rule->line);
    }
    setting_print(view, all);
    split_print(view);
    fallback_print(view);
}

static void show_texts(const struct sp_policy *policy, const struct sp_experiment *e)
{
    char safe[512];
    for (unsigned i = 0; i < e->target_count; i++)
        printf("  %-14s%s\n", i ? "" : "target",
               say_safe(safe, sizeof safe, sp_policy_string(policy, e->targets[i]), SP_NAME_SIZE));
    for (unsigned i = 0; i < e->inject_count; i++) {
        say_safe(safe, sizeof safe, sp_policy_string(policy, e->injects[i].text),
                 SP_EXPERIMENT_TEXT);
        setting_line(policy, i ? "" : "inject", safe, e->injects[i].file, e->injects[i].line);
    }
}

static void show_provisos(const struct sp_policy *policy, const struct sp_experiment *e)
{
    char safe[4 * SP_NAME_SIZE + 1], words[64], text[300];
    for (unsigned i = 0; i < e->proviso_count; i++) {
        const struct sp_proviso *p = &e->provisos[i];
        const char *name = sp_policy_string(policy, p->destination);
        sp_condition_format(&p->condition, words, sizeof words);
        snprintf(text, sizeof text, "%s%s%s", say_safe(safe, sizeof safe, name, SP_NAME_SIZE),
                 *name ? " " : "", p->opens ? "opens" : words);
        setting_line(policy, p->when == SP_PROVISO_STEADY ? "steady" : "abort", text,
                     p->condition.file, p->condition.line);
    }
}

static void show_experiment(const struct sp_policy *policy, const struct sp_experiment *e)
{
    char place[300];
    setting_place(policy, e->file, e->line, place, sizeof place);
    printf("\nexperiment %-*s%s\n", 52, e->name, place);
    show_texts(policy, e);
    show_provisos(policy, e);
    if (e->seeded)
        printf("  %-14s%llu\n", "seed", (unsigned long long)e->seed);
    if (e->ramp)
        printf("  %-14s%s\n", "ramp", SAY_TIME(e->ramp));
    printf("  %-14s%s\n", "last", SAY_TIME(e->last));
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
    const struct sp_experiment *e;
    for (size_t i = 0; (e = sp_policy_experiment(rules.policy, i)); i++)
        show_experiment(rules.policy, e);
    return CLI_OK;
}
