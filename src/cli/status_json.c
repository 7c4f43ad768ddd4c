#include <math.h>
#include <string.h>

#include "cli/endpoints.h"
#include "cli/event.h"
#include "cli/fallback.h"
#include "cli/json.h"
#include "cli/objective.h"
#include "cli/split.h"
#include "cli/status.h"
#include "shearpin/chaos.h"

static void status_json_seconds(struct json *json, const char *key, uint64_t ns)
{
    json_number(json, key, ns ? (double)ns / (double)SP_SECOND : NAN);
}

/* Why it is not closed; what an operator said comes first. */
static void status_json_reason(struct json *json, const struct look_dest *d)
{
    bool by_hand = d->steer.kind == SP_EVENT_TRIP || d->steer.kind == SP_EVENT_HOLD;
    if (by_hand && (d->view.hold != SP_HOLD_NONE || d->view.state != SP_STATE_CLOSED)) {
        json_open(json, "reason", '{');
        json_word(json, "kind", "operator");
        json_count(json, "uid", d->steer.uid);
        json_count(json, "pid", d->steer.pid);
        json_time(json, "time_s", d->steer.wall);
        json_text(json, "text", d->steer.reason, sizeof d->steer.reason);
        json_close(json, '}');
    } else if (d->tripped && d->view.state != SP_STATE_CLOSED) {
        event_json_reason(json, &d->trip);
    } else {
        json_null(json, "reason");
    }
}

static void status_json_outcomes(struct json *json, const char *key, const uint64_t *counts)
{
    json_open(json, key, '{');
    for (unsigned i = 0; i < SP_OUTCOME_REJECTED_BREAKER; i++)
        json_count(json, sp_outcome_word(i), counts[i]);
    json_close(json, '}');
}

static void status_json_refusals(struct json *json, const char *key, const uint64_t *counts)
{
    static const char *const words[] = {"breaker", "cap", "rate"};
    json_open(json, key, '{');
    for (int i = 0; i < 3; i++)
        json_count(json, words[i], counts[i]);
    json_close(json, '}');
}

static void status_json_cap(struct json *json, const struct look_dest *d)
{
    if (!d->capped) {
        json_null(json, "cap");
        return;
    }
    json_open(json, "cap", '{');
    json_count(json, "limit", d->cap_limit);
    json_count(json, "in_use", d->cap_held);
    json_count(json, "waiting", d->waiting);
    json_word(json, "kind", sp_cap_words[d->cap]);
    json_close(json, '}');
}

static void status_json_counters(struct json *json, const struct look_dest *d)
{
    status_json_outcomes(json, "connects", d->life.connects);
    status_json_outcomes(json, "exchanges", d->life.exchanges);
    status_json_refusals(json, "rejected", d->life.rejected);
    status_json_refusals(json, "detected", d->life.detected);
    json_open(json, "retries", '{');
    json_count(json, "ok", d->life.retried[SP_RETRIED_OK]);
    json_count(json, "failed", d->life.retried[SP_RETRIED_FAILED]);
    json_count(json, "over_budget", d->life.retried[SP_RETRIED_OVER_BUDGET]);
    json_close(json, '}');
    json_open(json, "expired", '{');
    for (int i = 0; i < SP_DEADLINE_COUNT; i++)
        json_count(json, sp_deadline_words[i], d->life.expired[i]);
    json_close(json, '}');
    json_count(json, "waited", look_sum(d->life.wait_time, SP_BINS));
    status_json_seconds(json, "wait_p50_s", sp_bin_quantile(d->life.wait_time, 0.50));
    status_json_seconds(json, "wait_p99_s", sp_bin_quantile(d->life.wait_time, 0.99));
    json_count(json, "sent_bytes", d->life.sent);
    json_count(json, "received_bytes", d->life.received);
}

/* Seconds since then; null: never. */
static void status_json_age(struct json *json, const char *key, uint64_t now, uint64_t then)
{
    bool known = then != 0 && then <= now;
    json_number(json, key, known ? (double)(now - then) / (double)SP_SECOND : NAN);
}

/* What was enforced and what was only observed, side by side. */
static void status_json_sides(struct json *json, const struct look_dest *d)
{
    static const char *const words[LOOK_SIDES] = {"enforced", "observed"};
    bool enforcing = d->named && d->guards.mode == SP_MODE_ENFORCE;
    json_number(json, "enforced_share",
                !enforcing        ? 0
                : d->guards.share ? (double)d->guards.share / SP_SHARE_ALL
                                  : 1);
    for (int i = 0; i < LOOK_SIDES; i++) {
        const struct look_side *s = &d->side[i];
        json_open(json, words[i], '{');
        json_count(json, "calls", s->calls);
        json_number(json, "calls_per_s", s->calls_per_s);
        json_count(json, "errors", s->errors);
        json_number(json, "errors_ratio", s->calls ? (double)s->errors / (double)s->calls : NAN);
        status_json_seconds(json, "p50_s", s->p50);
        status_json_seconds(json, "p99_s", s->p99);
        json_count(json, i == LOOK_OBSERVED ? "would_refuse" : "refused", s->refused);
        json_count(json, i == LOOK_OBSERVED ? "would_cut" : "cut", s->cut);
        json_close(json, '}');
    }
}

static void status_json_slo(struct json *json, const struct look *look, const struct look_dest *d)
{
    struct objective o;
    json_open(json, "slo", '[');
    for (size_t i = 0; objective_at(look, d, i, &o); i++) {
        json_open(json, NULL, '{');
        objective_json(json, &o.condition, &o.measured);
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void status_json_hold(struct json *json, const struct look_dest *d)
{
    static const char *const holds[SP_HOLD_COUNT] = {NULL, "open", "closed"};
    bool ends = d->view.hold != SP_HOLD_NONE && d->view.until;
    if (holds[d->view.hold])
        json_word(json, "hold", holds[d->view.hold]);
    else
        json_null(json, "hold");
    json_number(json, "hold_left_s", ends ? (double)d->view.until / (double)SP_SECOND : NAN);
}

static void status_json_experiment(struct json *json, const struct look *look,
                                   const struct look_dest *d)
{
    const struct sp_chaos *chaos = sp_chaos_on(look->segment, d->index, look->now);
    if (chaos)
        json_text(json, "experiment", chaos->name, SP_NAME_SIZE);
    else
        json_null(json, "experiment");
}

static void status_json_dest(struct json *json, const struct look *look, const struct look_dest *d)
{
    char why[600];
    bool open = d->view.state == SP_STATE_OPEN && d->view.hold == SP_HOLD_NONE;
    json_open(json, NULL, '{');
    json_text(json, "name", d->name, SP_NAME_SIZE);
    json_word(json, "state", sp_state_words[d->view.state]);
    json_number(json, "since_s", d->since == SP_NEVER ? NAN : (double)d->since / (double)SP_SECOND);
    status_json_reason(json, d);
    json_number(json, "next_probe_s", open ? (double)d->view.until / (double)SP_SECOND : NAN);
    json_number(json, "calls_per_s", d->calls_per_s);
    json_number(json, "errors_ratio", d->calls ? (double)d->errors / (double)d->calls : NAN);
    status_json_seconds(json, "p50_s", d->p50);
    status_json_seconds(json, "p99_s", d->p99);
    status_json_cap(json, d);
    json_count(json, "refused_total", look_sum(d->life.rejected, 3));
    fallback_json(json, look, d);
    split_json(json, look, d);
    json_word(json, "mode",
              d->named && d->guards.mode < SP_MODE_COUNT ? sp_mode_words[d->guards.mode] : "off");
    json_bool(json, "disabled", d->disabled || look->disabled);
    status_json_hold(json, d);
    json_count(json, "streak", d->view.streak);
    status_json_age(json, "last_failure_s", look->now, d->last_failure);
    status_json_age(json, "last_success_s", look->now, d->life.last_success);
    json_number(json, "open_s", (double)d->open_time / (double)SP_SECOND);
    status_json_seconds(json, "recovery_s", d->recovery);
    status_json_experiment(json, look, d);
    json_count(json, "probes", d->view.probes);
    json_number(json, "refused_per_min", d->refused_per_min);
    status_why(look, d, why, sizeof why);
    json_word(json, "why", why);
    status_json_counters(json, d);
    status_json_sides(json, d);
    endpoints_json(json, look, d);
    status_json_slo(json, look, d);
    json_close(json, '}');
}

static void status_json_policy(struct json *json, const struct look *look)
{
    const struct sp_policy *p = look->policy;
    json_open(json, "policy", '{');
    json_word(json, "path", p ? sp_policy_string(p, p->path) : "");
    json_count(json, "generation", look->generation);
    json_time(json, "loaded_s", look->loaded);
    json_count(json, "failures", atomic_load(&look->segment->head->policy_failures));
    json_close(json, '}');
}

void status_json(struct json *json, const char *key, const struct look *look, const bool *chosen)
{
    const struct sp_head *head = look->segment->head;
    json_open(json, key, '{');
    json_text(json, "segment", head->name, SP_NAME_SIZE);
    json_time(json, "time_s", look->wall);
    json_count(json, "processes", look->processes);
    json_count(json, "processes_lost", atomic_load(&head->lost));
    json_count(json, "processes_unregistered", atomic_load(&head->unregistered));
    json_bool(json, "disabled", look->disabled);
    status_json_policy(json, look);
    json_open(json, "destinations", '[');
    for (uint32_t i = 0; i < look->count; i++) {
        if (!chosen || chosen[i])
            status_json_dest(json, look, &look->dests[i]);
    }
    json_close(json, ']');
    json_open(json, "unmatched", '{');
    json_number(json, "calls_per_s", look->unmatched_per_s);
    json_count(json, "total", look->unmatched);
    json_close(json, '}');
    json_close(json, '}');
}
