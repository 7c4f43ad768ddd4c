/* health.c - verdicts for probes: is what the programs depend on healthy, and are they guarded? */
#include <stdio.h>

#include "cli/fallback.h"
#include "cli/json.h"
#include "cli/objective.h"
#include "cli/say.h"
#include "cli/split.h"
#include "cli/status.h"

#define HEALTH_EVERY SP_SECOND

enum health { HEALTH_GOOD, HEALTH_DEGRADED, HEALTH_BAD };
static const char *const health_words[] = {"healthy", "degraded", "unhealthy"};

struct health_ask {
    const struct cli *cli;
    bool ready;       /* whether programs are attached counts, too */
    bool last;        /* of the checks: say what is wrong */
    uint64_t checked; /* so far */
};

struct health_view {
    enum health health;
    char reason[600];
};

/* --- one destination --- */

static bool health_enforces(const struct look *look, const struct look_dest *d)
{
    return !look->disabled && !d->disabled && d->guards.mode == SP_MODE_ENFORCE && !d->guards.pass;
}

static void health_worse(struct health_view *view, enum health health, const char *reason)
{
    if (health > view->health)
        snprintf(view->reason, sizeof view->reason, "%s", reason);
    view->health = health > view->health ? health : view->health;
}

static void health_breaker(const struct look *look, const struct look_dest *d,
                           struct health_view *view)
{
    char why[560], reason[600];
    bool open = d->view.state == SP_STATE_OPEN || d->view.hold == SP_HOLD_OPEN;
    status_why(look, d, why, sizeof why);
    snprintf(reason, sizeof reason, "%s%s%s", open ? "open" : sp_state_words[d->view.state],
             *why ? ": " : "", why);
    if (open)
        health_worse(view, health_enforces(look, d) ? HEALTH_BAD : HEALTH_DEGRADED, reason);
    else if (d->view.state == SP_STATE_HALF_OPEN || d->view.hold == SP_HOLD_CLOSED)
        health_worse(view, HEALTH_DEGRADED, reason);
}

/* An arm that is out makes nobody wait as long as there are others; when all are, calls are
 * refused.
 */
static void health_arms(const struct look *look, const struct look_dest *d,
                        struct health_view *view)
{
    char why[560];
    unsigned shared, out = split_out(look, d, &shared);
    split_why(look, d, why, sizeof why);
    if (out > 0)
        health_worse(view, out == shared && health_enforces(look, d) ? HEALTH_BAD : HEALTH_DEGRADED,
                     why);
}

static void health_dest(const struct look *look, const struct look_dest *d,
                        struct health_view *view)
{
    struct objective o;
    char reason[400], words[64];
    *view = (struct health_view){.health = HEALTH_GOOD};
    if (look->disabled || d->disabled)
        health_worse(view, HEALTH_DEGRADED,
                     look->disabled ? "the whole segment is disabled" : "disabled");
    health_breaker(look, d, view);
    health_arms(look, d, view);
    if (objective_broken(look, d, &o)) {
        sp_condition_format(&o.condition, words, sizeof words);
        snprintf(reason, sizeof reason, "slo %s is broken: %s", words,
                 OBJECTIVE_VALUE(&o.condition, &o.measured));
        health_worse(view, HEALTH_DEGRADED, reason);
    }
    fallback_why(look, d, reason, sizeof reason); /* answers from elsewhere are no good sign */
    if (*reason)
        health_worse(view, HEALTH_DEGRADED, reason);
    if (d->capped && d->cap_held >= d->cap_limit && d->waiting > 0) {
        snprintf(reason, sizeof reason, "all %u places are taken, %u wait", d->cap_limit,
                 d->waiting);
        health_worse(view, HEALTH_DEGRADED, reason);
    }
}

/* --- all that are asked about --- */

static bool health_counts(const struct look_dest *d, const uint32_t *only)
{
    return (!only || d->index == *only) && d->named && d->guards.mode != SP_MODE_OFF;
}

/* What is wrong with the segment as a whole; NULL: nothing. */
static const char *health_segment(const struct health_ask *ask, const struct look *look)
{
    if (!look->policy)
        return "the policy in force is damaged";
    if (ask->ready && look->processes == 0)
        return "no process is attached";
    return NULL;
}

static void health_text(const struct health_ask *ask, const struct look *look, const uint32_t *only,
                        enum health all, const char *segment)
{
    struct health_view view;
    char name[4 * SP_NAME_SIZE + 1];
    bool no = all == HEALTH_BAD || (ask->cli->strict && all == HEALTH_DEGRADED);
    printf("%s", ask->ready ? (no ? "not ready" : "ready") : health_words[all]);
    if (ask->ready && !no && all != HEALTH_GOOD)
        printf(", %s", health_words[all]);
    if (segment)
        printf("  %s", segment);
    if (ask->checked > 1)
        printf("  (%s)", SAY_COUNT(ask->checked, "check"));
    putchar('\n');
    for (uint32_t i = 0; i < look->count; i++) {
        const struct look_dest *d = &look->dests[i];
        if (!health_counts(d, only))
            continue;
        health_dest(look, d, &view);
        if (view.health == HEALTH_GOOD && !ask->cli->verbose)
            continue;
        printf("  %-14s %-10s %s\n", say_safe(name, sizeof name, d->name, SP_NAME_SIZE),
               health_words[view.health], view.reason);
    }
}

static void health_json(const struct health_ask *ask, const struct look *look, const uint32_t *only,
                        enum health all, const char *segment)
{
    struct health_view view;
    struct json json = {0};
    json_open(&json, NULL, '{');
    json_text(&json, "segment", look->segment->head->name, SP_NAME_SIZE);
    json_word(&json, "health", health_words[all]);
    json_count(&json, "processes", look->processes);
    json_count(&json, "checks", ask->checked);
    if (segment)
        json_word(&json, "reason", segment);
    json_open(&json, "destinations", '[');
    for (uint32_t i = 0; i < look->count; i++) {
        const struct look_dest *d = &look->dests[i];
        if (!health_counts(d, only))
            continue;
        health_dest(look, d, &view);
        json_open(&json, NULL, '{');
        json_text(&json, "name", d->name, SP_NAME_SIZE);
        json_word(&json, "health", health_words[view.health]);
        json_word(&json, "reason", view.reason);
        json_close(&json, '}');
    }
    json_close(&json, ']');
    json_close(&json, '}');
    json_end();
}

/* One check. It speaks when it is the last: when nothing is wrong, or no more are to follow. */
static bool health_check(const struct health_ask *ask, struct sp_segment *segment,
                         const uint32_t *only)
{
    struct look look;
    struct look_mark mark = {0};
    struct health_view view;
    enum health all = HEALTH_GOOD;
    look_mark(&mark, segment);
    look_since(&look, segment, &mark, false);
    const char *wrong = health_segment(ask, &look);
    for (uint32_t i = 0; i < look.count; i++) {
        if (!health_counts(&look.dests[i], only))
            continue;
        health_dest(&look, &look.dests[i], &view);
        all = view.health > all ? view.health : all;
    }
    all = wrong ? HEALTH_BAD : all;
    bool good = all == HEALTH_GOOD || (all == HEALTH_DEGRADED && !ask->cli->strict);
    if (!ask->cli->quiet && (good || ask->last))
        (ask->cli->json ? health_json : health_text)(ask, &look, only, all, wrong);
    look_free(&look);
    look_unmark(&mark);
    return good;
}

/* A segment that is not there yet is not ready yet. */
static int health_try(struct cli *cli, const struct health_ask *ask)
{
    struct sp_segment segment;
    uint32_t index = 0;
    int status = CLI_OK;
    if (ask->last || !ask->ready)
        status = where_attach(cli, &segment);
    else if (!where_try(cli, &segment))
        return CLI_NO;
    if (status == CLI_OK && cli->count > 0)
        status = where_dest(cli, &segment, cli->words[0], &index);
    if (status != CLI_OK)
        return status;
    bool good = health_check(ask, &segment, cli->count > 0 ? &index : NULL);
    sp_segment_detach(&segment);
    return good ? CLI_OK : CLI_NO;
}

static int health_ask(struct cli *cli, bool ready)
{
    struct health_ask ask = {.cli = cli, .ready = ready};
    uint64_t checks = cli->checks ? cli->checks : 1;
    int status = CLI_NO;
    while (status == CLI_NO && ask.checked < checks) {
        if (ask.checked++ > 0)
            look_sleep(cli->every ? cli->every : HEALTH_EVERY);
        ask.last = ask.checked == checks;
        status = health_try(cli, &ask);
    }
    return status;
}

int health_main(struct cli *cli)
{
    return health_ask(cli, false);
}

int ready_main(struct cli *cli)
{
    return health_ask(cli, true);
}
