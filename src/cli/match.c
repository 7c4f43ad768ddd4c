#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/text.h"
#include "cli/fallback.h"
#include "cli/json.h"
#include "cli/rules.h"
#include "cli/say.h"
#include "cli/setting.h"
#include "cli/split.h"
#include "policy/keys.h"

/* HOST:PORT stands for some address that nobody looked up: 0.0.0.0 is in no network but `0.0.0.0/0`
 * and `*`, which any address would match too. */
static bool match_parse(const char *text, struct sp_addr *address, char *host, size_t size)
{
    uint64_t port;
    const char *colon = strrchr(text, ':');
    *host = 0;
    if (sp_addr_parse(text, strlen(text), address))
        return address->family == SP_FAMILY_UNIX || address->port != 0;
    if (!colon || colon == text || (size_t)(colon - text) >= size ||
        sp_text_parse_count(colon + 1, strlen(colon + 1), &port) != SP_TEXT_OK || port == 0 ||
        port > UINT16_MAX || strpbrk(text, "/ []"))
        return false;
    memset(address, 0, sizeof *address);
    address->family = SP_FAMILY_IPV4;
    address->port = (uint16_t)port;
    snprintf(host, size, "%.*s", (int)(colon - text), text);
    return true;
}

static void match_text(const struct setting_view *view, const struct sp_match *rule, bool all)
{
    char place[300], safe[512];
    setting_place(view->policy, rule->file, rule->line, place, sizeof place);
    say_safe(safe, sizeof safe, sp_policy_string(view->policy, rule->source), 120);
    printf("%-15s %s    match %s\n", view->row->name, place, safe);
    setting_print(view, all);
    split_print(view);
    fallback_print(view);
}

static void match_json_setting(struct json *json, const struct setting_view *view, size_t key)
{
    static const char *const from[] = {"initial", "defaults", "own", "-o"};
    const struct sp_key *k = &sp_keys[key];
    char text[128];
    struct setting_origin origin = setting_origin(view, key);
    if (origin.from == SETTING_INITIAL)
        return;
    json_open(json, NULL, '{');
    snprintf(text, sizeof text, "%s%s%s", k->directive, k->word[0] ? "." : "", k->word);
    json_word(json, "word", text);
    sp_key_format(k, &view->guards, text, sizeof text);
    json_word(json, "value", text);
    json_word(json, "from", from[origin.from]);
    if (origin.file) {
        json_word(json, "file", origin.file);
        json_count(json, "line", origin.line);
    }
    json_close(json, '}');
}

static void match_json_fallbacks(struct json *json, const struct setting_view *view)
{
    const struct sp_fallback *line;
    char text[320];
    json_open(json, "fallbacks", '[');
    for (size_t nth = 0; (line = fallback_at(view->policy, view->row, nth)) != NULL; nth++) {
        json_open(json, NULL, '{');
        json_word(json, "to", fallback_target(view->policy, line, text, sizeof text));
        sp_when_format(line->when, text, sizeof text);
        json_word(json, "when", text);
        json_word(json, "file", sp_policy_file(view->policy, line->file));
        json_count(json, "line", line->line);
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void match_json(const char *address, const struct setting_view *view,
                       const struct sp_match *rule)
{
    struct json json = {0};
    json_open(&json, NULL, '{');
    json_word(&json, "address", address);
    if (view) {
        json_text(&json, "destination", view->row->name, SP_NAME_SIZE);
        json_word(&json, "rule", sp_policy_string(view->policy, rule->source));
        json_word(&json, "file", sp_policy_file(view->policy, rule->file));
        json_count(&json, "line", rule->line);
        json_open(&json, "settings", '[');
        for (size_t key = 0; key < sp_key_total; key++)
            match_json_setting(&json, view, key);
        json_close(&json, ']');
        match_json_fallbacks(&json, view);
        split_lines_json(&json, view);
    } else {
        json_null(&json, "destination");
    }
    json_close(&json, '}');
    json_end();
}

static int match_none(const struct cli *cli, const struct sp_policy *policy, const char *host)
{
    const struct sp_match *rule;
    bool nets = false;
    if (cli->json) {
        match_json(cli->words[0], NULL, NULL);
        return CLI_NO;
    }
    for (size_t i = 0; (rule = sp_policy_match_at(policy, i)) != NULL; i++)
        nets = nets || rule->kind == SP_MATCH_NET;
    printf("%s: no destination matches; it is left alone\n", cli->words[0]);
    if (*host && nets && !cli->quiet)
        printf("  by its name, that is; an address rule may take what it resolves to:"
               " shearpin match IP:PORT\n");
    return CLI_NO;
}

int match_main(struct cli *cli)
{
    struct rules rules;
    struct setting_over over;
    struct setting_view view;
    struct sp_addr address;
    const struct sp_match *rule;
    char host[256];
    const char *name = host;
    if (!match_parse(cli->words[0], &address, host, sizeof host)) {
        say_error("'%s' is no address; it is HOST:PORT, IP:PORT, [IPV6]:PORT or unix:/PATH",
                  cli->words[0]);
        return CLI_USAGE;
    }
    rules_read(&rules, rules_path(cli, NULL), stderr, cli->verbose ? RULES_ALL : RULES_ERRORS);
    if (!rules.policy)
        return CLI_NO;
    int status = setting_over_read(cli, rules.policy, &over);
    if (status != CLI_OK)
        return status;
    int row = sp_policy_match(rules.policy, &address, &name, *host ? 1 : 0, &rule);
    if (row < 0 || !setting_view(&view, rules.policy, (size_t)row, &over))
        return match_none(cli, rules.policy, host);
    if (cli->json)
        match_json(cli->words[0], &view, rule);
    else
        match_text(&view, rule, cli->verbose);
    return CLI_OK;
}
