/* chaos_json.c - the report for machines. */
#include <math.h>
#include <stdio.h>

#include "cli/chaos_report.h"
#include "cli/objective.h"

static void report_json_time(struct json *json, const char *key, const struct sp_chaos_sum *sum,
                             uint64_t ns)
{
    bool known = sum->calls > 0 && ns > 0 && ns != SP_NEVER;
    json_number(json, key, known ? (double)ns / (double)SP_SECOND : NAN);
}

static void report_json_sum(struct json *json, const char *key, const struct sp_chaos_sum *sum)
{
    if (sum->time == 0) {
        json_null(json, key);
        return;
    }
    json_open(json, key, '{');
    json_number(json, "time_s", (double)sum->time / (double)SP_SECOND);
    json_count(json, "calls", sum->calls);
    json_count(json, "errors", sum->errors);
    json_number(json, "errors_ratio", sum->calls ? (double)sum->errors / (double)sum->calls : NAN);
    json_count(json, "timeouts", sum->timeouts);
    json_count(json, "refused", sum->refused);
    json_count(json, "retried", sum->retried);
    json_count(json, "opened", sum->opened);
    report_json_time(json, "p50_s", sum, sum->p50);
    report_json_time(json, "p75_s", sum, sum->p75);
    report_json_time(json, "p90_s", sum, sum->p90);
    report_json_time(json, "p95_s", sum, sum->p95);
    report_json_time(json, "p99_s", sum, sum->p99);
    report_json_time(json, "p999_s", sum, sum->p999);
    json_close(json, '}');
}

static void report_json_because(struct json *json, const struct chaos_view *view)
{
    char condition[96], value[32];
    if (!view_because(view, condition, sizeof condition, value, sizeof value)) {
        json_null(json, "because");
        return;
    }
    const struct sp_chaos_condition *c = view_cause(view);
    struct sp_measured m = {.value = atomic_load(&view->chaos.because_value),
                            .calls = atomic_load(&view->chaos.because_calls)};
    json_open(json, "because", '{');
    json_word(json, "kind", c->when == SP_PROVISO_STEADY ? "steady" : "abort");
    json_word(json, "condition", condition);
    json_word(json, "destination", view_cause_dest(view));
    if (!c->opens) {
        double number = objective_number(&c->condition, &m);
        json_number(json, "value", isfinite(number) ? number : NAN);
        json_number(json, "limit", objective_limit(&c->condition));
    }
    json_close(json, '}');
}

static void report_json_injected(struct json *json, const struct chaos_view *view)
{
    json_open(json, "injected", '[');
    for (unsigned i = 0; i < view->chaos.fault_count; i++) {
        const struct sp_chaos_fault *f = &view->chaos.faults[i];
        json_open(json, NULL, '{');
        json_word(json, "fault",
                  f->fault.kind < SP_FAULT_COUNT ? sp_faults[f->fault.kind]->word : "?");
        json_text(json, "text", f->text, sizeof f->text);
        json_count(json, "total", view_injected(view, i));
        json_open(json, "destinations", '{');
        for (unsigned t = 0; t < view->chaos.target_count; t++)
            json_count(json, view->chaos.targets[t].name, atomic_load(&f->injected[t]));
        json_close(json, '}');
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void report_json_targets(struct json *json, const struct chaos_view *view)
{
    json_open(json, "expectation", '[');
    for (size_t i = 0; i < view->verdict_count; i++) {
        json_open(json, NULL, '{');
        json_word(json, "destination", view->verdicts[i].target);
        objective_json(json, view->verdicts[i].condition, &view->verdicts[i].measured);
        json_close(json, '}');
    }
    json_close(json, ']');
    json_open(json, "targets", '[');
    for (unsigned t = 0; t < view->chaos.target_count; t++) {
        const struct report_target *target = &view->targets[t];
        json_open(json, NULL, '{');
        json_word(json, "name", target->target->name);
        report_json_sum(json, "before", &target->sums[REPORT_BEFORE]);
        report_json_sum(json, "during", &target->sums[REPORT_DURING]);
        report_json_sum(json, "after", &target->sums[REPORT_AFTER]);
        json_close(json, '}');
    }
    json_close(json, ']');
}

void chaos_json(const struct chaos_view *view)
{
    const struct sp_chaos *c = &view->chaos;
    struct json json = {0};
    char rerun[1024];
    view_rerun(view, rerun, sizeof rerun);
    json_open(&json, NULL, '{');
    json_text(&json, "experiment", c->name, SP_NAME_SIZE);
    json_word(&json, "status", sp_chaos_state_word(view->state));
    json_bool(&json, "deviated", view->deviated);
    json_text(&json, "expect", c->expect, sizeof c->expect);
    json_count(&json, "seed", c->seed);
    json_time(&json, "start_s", c->start_wall);
    json_time(&json, "end_s", view->end_wall);
    json_number(&json, "took_s", (double)(view->end - c->start) / (double)SP_SECOND);
    report_json_because(&json, view);
    report_json_targets(&json, view);
    report_json_injected(&json, view);
    json_count(&json, "calls", view_calls(view));
    json_open(&json, "learned", '[');
    for (size_t i = 0; i < view->learned_count; i++)
        json_word(&json, NULL, view->learned[i]);
    json_close(&json, ']');
    json_word(&json, "rerun", rerun);
    json_close(&json, '}');
    json_end();
}
