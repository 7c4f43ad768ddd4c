/* chaos_status.c - what runs, what ran, what there is; and the end of it by hand. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "cli/chaos.h"
#include "cli/chaos_report.h"
#include "cli/follow.h"
#include "cli/json.h"
#include "cli/say.h"

#define STATUS_PAUSE (200 * SP_MS)

/* Whoever looks sees to what nobody's call has noticed yet: an end, or a reason to stop. */
static void experiment_tidy(struct sp_segment *segment)
{
    uint64_t now = sp_now();
    sp_chaos_tidy(segment, now);
    sp_chaos_judge(segment, now);
}

/* --- one of them --- */

static void status_since(const struct sp_chaos *chaos, uint64_t now, char *out, size_t size)
{
    uint64_t ended = atomic_load(&chaos->ended);
    if (sp_chaos_stands(chaos, now) == SP_CHAOS_RUNNING)
        snprintf(out, size, "%s left", SAY_AGE(chaos->end - now));
    else if (ended == 0 && chaos->end > now)
        snprintf(out, size, "now");
    else
        snprintf(out, size, "%s ago", SAY_AGE(now - (ended && ended < now ? ended : chaos->end)));
}

static void status_line(const struct sp_segment *segment, const struct sp_chaos *chaos,
                        uint64_t now)
{
    char since[40], injected[400], because[400] = "";
    enum sp_chaos_state state = sp_chaos_stands(chaos, now);
    status_since(chaos, now, since, sizeof since);
    experiment_injected(chaos, injected, sizeof injected);
    experiment_because(segment, chaos, because, sizeof because);
    printf("%-22s %s %-12s %-10s %s%s%s\n", say_safe(SAY_SAFE(chaos->name)),
           say_symbol(state == SP_CHAOS_RUNNING ? SAY_FULL : SAY_EMPTY), sp_chaos_state_word(state),
           since, injected, *because ? "   " : "", because);
    fflush(stdout);
}

static void status_json_targets(struct json *json, const struct sp_chaos *chaos)
{
    json_open(json, "targets", '[');
    for (unsigned t = 0; t < chaos->target_count && t < SP_EXPERIMENT_TARGETS; t++)
        json_text(json, NULL, chaos->targets[t].name, SP_NAME_SIZE);
    json_close(json, ']');
    json_open(json, "faults", '[');
    for (unsigned i = 0; i < chaos->fault_count && i < SP_EXPERIMENT_FAULTS; i++) {
        json_open(json, NULL, '{');
        json_text(json, "fault", chaos->faults[i].text, SP_EXPERIMENT_TEXT);
        json_count(json, "injected", experiment_strikes(chaos, i));
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void status_json(struct json *json, const struct sp_segment *segment,
                        const struct sp_chaos *chaos, uint64_t now)
{
    char because[400] = "";
    enum sp_chaos_state state = sp_chaos_stands(chaos, now);
    bool live = state == SP_CHAOS_RUNNING;
    experiment_because(segment, chaos, because, sizeof because);
    json_open(json, NULL, '{');
    json_text(json, "experiment", chaos->name, SP_NAME_SIZE);
    json_word(json, "status", sp_chaos_state_word(state));
    json_time(json, "start_s", chaos->start_wall);
    if (live || atomic_load(&chaos->ended_wall) == 0)
        json_null(json, "end_s");
    else
        json_time(json, "end_s", atomic_load(&chaos->ended_wall));
    json_number(json, "left_s", live ? (double)(chaos->end - now) / (double)SP_SECOND : 0);
    json_count(json, "seed", chaos->seed);
    json_number(json, "intensity", (double)sp_chaos_scale(chaos, now) / SP_SHARE_ALL);
    if (*because)
        json_word(json, "because", because);
    else
        json_null(json, "because");
    status_json_targets(json, chaos);
    json_close(json, '}');
}

/* --- following --- */

/* A line when something has changed, once a second at most; on a terminal in its place. */
int experiment_follow(const struct cli *cli, struct sp_segment *segment, struct sp_chaos *chaos,
                      bool stops)
{
    uint64_t told = 0, now = sp_now(), word = atomic_load(&chaos->word);
    follow_until_told();
    while (!follow_over() && atomic_load(&chaos->word) == word &&
           sp_chaos_stands(chaos, now) == SP_CHAOS_RUNNING) {
        if (!cli->quiet && now - told >= SP_SECOND) {
            status_line(segment, chaos, now);
            told = now;
        }
        look_sleep(STATUS_PAUSE);
        now = sp_now();
    }
    if (stops && follow_over())
        sp_chaos_end(segment, chaos, word, SP_CHAOS_INTERRUPTED, now);
    experiment_tidy(segment);
    if (stops && !cli->quiet)
        return chaos_report(cli, segment, chaos);
    if (!cli->quiet)
        status_line(segment, chaos, sp_now());
    return follow_over() && !stops ? CLI_OK : experiment_exit(chaos);
}

static int status_all(const struct cli *cli, const struct sp_segment *segment)
{
    struct sp_chaos *known[SP_EXPERIMENTS];
    struct json json = {0};
    size_t count = experiment_known(segment, known);
    uint64_t now = sp_now();
    const char *only = cli->count > 1 ? cli->words[1] : NULL;
    if (cli->json) {
        json_open(&json, NULL, '{');
        json_text(&json, "segment", segment->head->name, SP_NAME_SIZE);
        json_open(&json, "experiments", '[');
    } else if (count > 0 && !cli->quiet) {
        printf("%-22s   %-12s %-10s %s\n", "EXPERIMENT", "STATUS", "WHEN", "INJECTED");
    }
    for (size_t i = 0; i < count; i++) {
        if (only && strncmp(known[i]->name, only, SP_NAME_SIZE) != 0)
            continue;
        if (cli->json)
            status_json(&json, segment, known[i], now);
        else
            status_line(segment, known[i], now);
    }
    if (cli->json) {
        json_close(&json, ']');
        json_close(&json, '}');
        json_end();
    }
    return CLI_OK;
}

int experiment_status(struct cli *cli, struct sp_segment *segment)
{
    const char *name = cli->count > 1 ? cli->words[1] : NULL;
    experiment_tidy(segment);
    if (cli->json && !name)
        return status_all(cli, segment);
    struct sp_chaos *chaos = experiment_find(cli, segment, name);
    if (!chaos)
        return CLI_UNKNOWN;
    return cli->follow ? experiment_follow(cli, segment, chaos, false) : status_all(cli, segment);
}

/* --- the end by hand --- */

static bool stop_one(const struct cli *cli, struct sp_segment *segment, struct sp_chaos *chaos)
{
    uint64_t now = sp_now(), word = atomic_load(&chaos->word);
    if (sp_chaos_stands(chaos, now) != SP_CHAOS_RUNNING ||
        !sp_chaos_end(segment, chaos, word, SP_CHAOS_INTERRUPTED, now))
        return false;
    if (!cli->quiet)
        printf("%s  stopped after %s; see: shearpin chaos report %s\n",
               say_safe(SAY_SAFE(chaos->name)), SAY_AGE(now - chaos->start),
               say_safe(SAY_SAFE(chaos->name)));
    return true;
}

int experiment_stop(struct cli *cli, struct sp_segment *segment)
{
    struct sp_chaos *known[SP_EXPERIMENTS];
    const char *name = cli->count > 1 ? cli->words[1] : NULL;
    size_t count = experiment_known(segment, known), stopped = 0;
    if (name && !experiment_find(cli, segment, name))
        return CLI_UNKNOWN;
    for (size_t i = 0; i < count; i++) {
        if (!name || strncmp(known[i]->name, name, SP_NAME_SIZE) == 0)
            stopped += stop_one(cli, segment, known[i]);
    }
    experiment_tidy(segment);
    if (stopped == 0)
        say_error("%s%s, so there is nothing to stop", name ? name : "no experiment",
                  name ? " does not run" : " runs");
    return stopped ? CLI_OK : CLI_NO;
}

/* --- what there is --- */

static const char *list_state(const struct sp_segment *segment, const char *name)
{
    const struct sp_chaos *chaos = sp_chaos_named(segment, name);
    return chaos ? sp_chaos_state_word(sp_chaos_stands(chaos, sp_now())) : "-";
}

static void list_targets(const struct sp_policy *policy, const struct sp_experiment *e, char *out,
                         size_t size)
{
    struct sp_text_out text = sp_text_out(out, size);
    char safe[4 * SP_NAME_SIZE + 1];
    for (unsigned i = 0; i < e->target_count; i++)
        sp_text_put(
            &text, "%s%s", i ? " " : "",
            say_safe(safe, sizeof safe, sp_policy_string(policy, e->targets[i]), SP_NAME_SIZE));
}

static void list_one(struct json *json, const struct sp_segment *segment,
                     const struct sp_policy *policy, const struct sp_experiment *e)
{
    char targets[400], safe[600];
    const char *expect = sp_policy_string(policy, e->expect);
    list_targets(policy, e, targets, sizeof targets);
    if (!json) {
        printf("%-22s %-12s %-8s %-20s %s\n", say_safe(SAY_SAFE(e->name)),
               list_state(segment, e->name), SAY_TIME(e->last), targets,
               say_safe(safe, sizeof safe, expect, strnlen(expect, 128)));
        return;
    }
    json_open(json, NULL, '{');
    json_text(json, "experiment", e->name, SP_NAME_SIZE);
    json_word(json, "status", list_state(segment, e->name));
    json_number(json, "last_s", (double)e->last / (double)SP_SECOND);
    json_open(json, "targets", '[');
    for (unsigned i = 0; i < e->target_count; i++)
        json_word(json, NULL, sp_policy_string(policy, e->targets[i]));
    json_close(json, ']');
    json_word(json, "expect", expect);
    json_close(json, '}');
}

int experiment_list(struct cli *cli, struct sp_segment *segment)
{
    uint64_t generation;
    struct json json = {0};
    struct sp_policy *policy = look_policy(segment, &generation);
    const struct sp_experiment *e;
    size_t i = 0;
    experiment_tidy(segment);
    if (cli->json) {
        json_open(&json, NULL, '{');
        json_open(&json, "experiments", '[');
    }
    for (; policy && (e = sp_policy_experiment(policy, i)); i++) {
        if (i == 0 && !cli->json && !cli->quiet)
            printf("%-22s %-12s %-8s %-20s %s\n", "EXPERIMENT", "STATUS", "LASTS", "TARGETS",
                   "EXPECT");
        list_one(cli->json ? &json : NULL, segment, policy, e);
    }
    if (cli->json) {
        json_close(&json, ']');
        json_close(&json, '}');
        json_end();
    }
    if (i == 0 && !cli->json && !cli->quiet)
        say_error("the policy in force has no experiments");
    free(policy);
    return CLI_OK;
}
