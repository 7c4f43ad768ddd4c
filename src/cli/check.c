#include <stdio.h>
#include <string.h>

#include "cli/fallback.h"
#include "cli/json.h"
#include "cli/rules.h"
#include "cli/say.h"
#include "cli/split.h"

static void check_json_finding(void *context, const struct sp_finding *finding)
{
    struct json *json = context;
    json_open(json, NULL, '{');
    json_word(json, "severity", finding->severity == SP_ERROR ? "error" : "warning");
    json_word(json, "file", finding->file ? finding->file : "");
    json_count(json, "line", finding->line);
    json_count(json, "column", finding->column);
    json_word(json, "text", finding->text);
    if (finding->cure)
        json_word(json, "cure", finding->cure);
    else
        json_null(json, "cure");
    json_close(json, '}');
}

static bool check_one(const struct cli *cli, const char *path, struct json *json)
{
    struct rules rules;
    char summary[96];
    if (cli->json) {
        rules_read_with(&rules, path, check_json_finding, json);
        rules_names(&rules, NULL, check_json_finding, json);
        return rules.errors == 0;
    }
    rules_read(&rules, path, stdout, cli->quiet ? RULES_ERRORS : RULES_ALL);
    if (!cli->quiet)
        rules_names(&rules, stdout, NULL, NULL);
    if (!cli->quiet && rules.policy) {
        fallback_notes(rules.policy);
        split_notes(rules.policy);
    }
    rules_summary(&rules, summary, sizeof summary);
    if (*summary && !cli->quiet)
        printf("%s\n", summary);
    else if (!cli->quiet && rules.policy)
        printf("%s: no mistakes, %s\n", path, SAY_COUNT(rules.policy->row_count, "destination"));
    return rules.errors == 0;
}

int check_main(struct cli *cli)
{
    struct json json = {0};
    bool fine = true;
    if (cli->json)
        json_open(&json, NULL, '[');
    for (int i = 0; i < (cli->count ? cli->count : 1); i++) {
        if (!check_one(cli, rules_path(cli, cli->count ? cli->words[i] : NULL), &json))
            fine = false;
    }
    if (cli->json) {
        json_close(&json, ']');
        json_end();
    }
    return fine ? CLI_OK : CLI_NO;
}
