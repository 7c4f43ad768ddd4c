#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/answer.h"
#include "cli/arms.h"
#include "cli/fallback.h"
#include "cli/look.h"
#include "cli/rules.h"
#include "cli/say.h"
#include "cli/setting.h"
#include "cli/split.h"
#include "cli/where.h"

/* A refused reload leaves a trace that others can see: the counter, not the policy. */
static int reload_refused(struct cli *cli, const char *path, const struct rules *rules)
{
    struct sp_segment segment;
    char summary[96];
    rules_summary(rules, summary, sizeof summary);
    if (!where_try(cli, &segment)) {
        say_error("%s: %s; nothing was changed", path, summary);
        return CLI_NO;
    }
    uint64_t word = atomic_load(&segment.head->policy);
    atomic_fetch_add(&segment.head->policy_failures, 1);
    say_error("%s: %s; generation %llu stays in force in segment %s", path, summary,
              (unsigned long long)sp_segment_generation(word), where_name(&segment));
    return CLI_NO;
}

static int reload_apply(const struct cli *cli, struct sp_segment *segment, const char *path,
                        const struct rules *rules, const struct sp_policy *before)
{
    struct sp_error error;
    uint64_t word = atomic_load(&segment->head->policy);
    if (before && before->digest == rules->policy->digest) {
        if (!cli->quiet)
            printf("%s: generation %llu is this policy already; nothing changes\n",
                   where_name(segment), (unsigned long long)sp_segment_generation(word));
        return CLI_OK;
    }
    if (sp_segment_apply(segment, rules->policy, &error) != 0) {
        atomic_fetch_add(&segment->head->policy_failures, 1);
        say_error("%s is not in force: %s", path, error.text);
        return say_status(error.code);
    }
    if (cli->quiet)
        return CLI_OK;
    if (before) {
        setting_differences(before, rules->policy);
        arms_reloaded(segment, before);
    }
    word = atomic_load(&segment->head->policy);
    printf("%s: generation %llu in force\n", where_name(segment),
           (unsigned long long)sp_segment_generation(word));
    return CLI_OK;
}

/* The file that is in force, where nobody names another. */
static int reload_in_force(struct cli *cli, char *path, size_t size)
{
    struct sp_segment segment;
    uint64_t generation;
    int status = where_attach(cli, &segment);
    if (status != CLI_OK)
        return status;
    struct sp_policy *policy = look_policy(&segment, &generation);
    snprintf(path, size, "%s", policy ? sp_policy_string(policy, policy->path) : "");
    free(policy);
    if (!*path || *path != '/') {
        say_error("segment %s does not say which file is in force: shearpin reload FILE",
                  where_name(&segment));
        return CLI_USAGE;
    }
    sp_segment_detach(&segment);
    return CLI_OK;
}

int reload_main(struct cli *cli)
{
    struct sp_segment segment;
    struct rules rules;
    struct sp_error error;
    uint64_t generation;
    char in_force[512];
    int status = CLI_OK;
    const char *path = rules_path(cli, cli->count ? cli->words[0] : NULL);
    if (!cli->count && !cli->policy && !getenv("SHEARPIN_POLICY")) {
        status = reload_in_force(cli, in_force, sizeof in_force);
        path = in_force;
    }
    if (status != CLI_OK)
        return status;
    rules_read_shared(&rules, path, stderr, cli->quiet ? RULES_ERRORS : RULES_ALL);
    if (!rules.policy)
        return reload_refused(cli, path, &rules);
    cli->policy = path; /* the file says which segment it is for */
    status = where_attach(cli, &segment);
    if (status != CLI_OK)
        return status;
    struct sp_policy *before = look_policy(&segment, &generation);
    status = reload_apply(cli, &segment, path, &rules, before);
    if (status == CLI_OK) {
        fallback_resolve(&segment, true, cli->quiet);
        split_resolve(&segment, true, cli->quiet);
    }
    if (status == CLI_OK && answer_start(&segment, &error) != 0)
        say_error("%s; those calls will be refused", error.text);
    free(before);
    return status;
}
