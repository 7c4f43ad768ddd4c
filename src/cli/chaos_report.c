#include "cli/chaos_report.h"

#include <bsd/string.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "cli/chaos.h"
#include "cli/event.h"
#include "cli/memory.h"
#include "cli/objective.h"
#include "cli/say.h"

/* --- gathering --- */

static uint8_t report_bounded(uint8_t count, unsigned most)
{
    return count < most ? count : (uint8_t)most;
}

/* Nothing of the segment is trusted. */
static void report_copy(struct chaos_view *view, const struct sp_chaos *chaos)
{
    struct sp_chaos *copy = &view->chaos;
    memcpy((void *)copy, (const void *)chaos, sizeof *copy);
    copy->target_count = report_bounded(copy->target_count, SP_EXPERIMENT_TARGETS);
    copy->fault_count = report_bounded(copy->fault_count, SP_EXPERIMENT_FAULTS);
    copy->condition_count = report_bounded(copy->condition_count, SP_EXPERIMENT_CONDITIONS);
    copy->name[SP_NAME_SIZE - 1] = copy->expect[sizeof copy->expect - 1] = 0;
    for (unsigned i = 0; i < copy->target_count; i++)
        copy->targets[i].name[SP_NAME_SIZE - 1] = 0;
    for (unsigned i = 0; i < copy->fault_count; i++)
        copy->faults[i].text[sizeof copy->faults[i].text - 1] = 0;
    for (unsigned i = 0; i < copy->condition_count; i++)
        copy->conditions[i].condition.measure %= SP_MEASURE_COUNT;
}

static void report_times(struct chaos_view *view)
{
    const struct sp_chaos *c = &view->chaos;
    uint64_t ended = atomic_load(&c->ended), wall = sp_wall();
    view->end = ended ? ended : view->now < c->end ? view->now : c->end;
    view->end_wall = ended ? atomic_load(&c->ended_wall) : wall - (view->now - view->end);
    if (view->end < c->start)
        view->end = c->start;
}

/* A condition as sums know it: percentiles as such, and not how many calls were beyond. */
static void report_measure(const struct sp_condition *condition, const struct sp_chaos_sum *sum,
                           struct sp_measured *out)
{
    const uint64_t times[] = {sum->p50, sum->p75, sum->p90, sum->p95, sum->p99, sum->p999};
    struct sp_span span = {.time = sum->time,
                           .calls = sum->calls,
                           .errors = sum->errors,
                           .timeouts = sum->timeouts,
                           .refused = sum->refused};
    if (condition->measure > SP_MEASURE_P999) {
        sp_measure(condition, &span, out);
        return;
    }
    *out = (struct sp_measured){.calls = sum->calls,
                                .needed = sp_measure_needed(condition),
                                .value = times[condition->measure]};
    bool holds = condition->above ? out->value > condition->limit : out->value < condition->limit;
    out->verdict = sum->calls < out->needed ? SP_MEASURED_FEW
                   : holds                  ? SP_MEASURED_HOLDS
                                            : SP_MEASURED_BROKEN;
}

static void report_judge(struct chaos_view *view, const struct sp_chaos_condition *c)
{
    for (unsigned t = 0; t < view->chaos.target_count; t++) {
        const struct report_target *target = &view->targets[t];
        if (c->dest != SP_CHAOS_EVERY && c->dest != target->target->dest)
            continue;
        struct report_verdict *v = &view->verdicts[view->verdict_count++];
        v->condition = &c->condition;
        v->target = target->target->name;
        report_measure(&c->condition, &target->sums[REPORT_DURING], &v->measured);
        view->deviated = view->deviated || v->measured.verdict == SP_MEASURED_BROKEN;
    }
}

static void report_targets(struct chaos_view *view, const struct sp_chaos *chaos)
{
    for (unsigned t = 0; t < view->chaos.target_count; t++) {
        struct report_target *target = &view->targets[t];
        target->target = &view->chaos.targets[t];
        sp_segment_guards((struct sp_segment *)(uintptr_t)view->segment, target->target->dest,
                          &target->guards);
        sp_chaos_sums(view->segment, chaos, t, view->now, target->sums);
        if (view->end == view->chaos.start) /* it was not steady: there was no during */
            memset(&target->sums[REPORT_DURING], 0, 2 * sizeof target->sums[0]);
    }
    for (unsigned i = 0; i < view->chaos.condition_count; i++) {
        const struct sp_chaos_condition *c = &view->chaos.conditions[i];
        if (c->when == SP_PROVISO_STEADY && !c->opens)
            report_judge(view, c);
    }
    if (view->verdict_count == 0) /* nobody said what was expected but that it runs to its end */
        view->deviated = view->state == SP_CHAOS_ABORTED;
}

static void report_events(struct chaos_view *view)
{
    struct sp_event event;
    uint64_t sequence = event_first(view->segment);
    while (view->event_count < REPORT_EVENTS && event_next(view->segment, &sequence, &event)) {
        for (unsigned t = 0; t < view->chaos.target_count; t++) {
            if (event.wall < view->chaos.start_wall ||
                strncmp(event.destination, view->chaos.targets[t].name, SP_NAME_SIZE) != 0)
                continue;
            view->events[view->event_count++] = event;
            break;
        }
    }
}

/* --- what the printers share --- */

const char *view_took(char *out, size_t size, uint64_t ns)
{
    uint64_t s = ns / SP_SECOND;
    if (s < 10)
        return say_took(out, size, ns);
    if (s < 60)
        snprintf(out, size, "%llus", (unsigned long long)s);
    else if (s < 3600)
        snprintf(out, size, "%llum%02llus", (unsigned long long)s / 60, (unsigned long long)s % 60);
    else
        snprintf(out, size, "%lluh%02llum", (unsigned long long)s / 3600,
                 (unsigned long long)s / 60 % 60);
    return out;
}

const char *view_fault_name(const struct chaos_view *view, unsigned fault)
{
    const struct sp_chaos *c = &view->chaos;
    unsigned kind = c->faults[fault].fault.kind, same = 0;
    for (unsigned i = 0; i < c->fault_count; i++)
        same += c->faults[i].fault.kind == kind;
    return same > 1 || kind >= SP_FAULT_COUNT ? c->faults[fault].text : sp_faults[kind]->word;
}

uint64_t view_injected(const struct chaos_view *view, unsigned fault)
{
    uint64_t sum = 0;
    for (unsigned t = 0; t < view->chaos.target_count; t++)
        sum += atomic_load(&view->chaos.faults[fault].injected[t]);
    return sum;
}

uint64_t view_calls(const struct chaos_view *view)
{
    uint64_t sum = 0;
    for (unsigned t = 0; t < view->chaos.target_count; t++)
        sum += view->targets[t].sums[REPORT_DURING].calls;
    return sum;
}

const struct sp_chaos_condition *view_cause(const struct chaos_view *view)
{
    uint64_t because = atomic_load(&view->chaos.because);
    return because > 0 && because <= view->chaos.condition_count
               ? &view->chaos.conditions[because - 1]
               : NULL;
}

const char *view_cause_dest(const struct chaos_view *view)
{
    static char name[SP_NAME_SIZE];
    const struct sp_dest *dest =
        sp_segment_dest(view->segment, (uint32_t)atomic_load(&view->chaos.because_dest));
    look_name(name, dest ? dest->name : "");
    return name;
}

bool view_because(const struct chaos_view *view, char *out, size_t size, char *value,
                  size_t value_size)
{
    const struct sp_chaos_condition *c = view_cause(view);
    *out = *value = 0;
    if (!c)
        return false;
    if (c->opens) {
        snprintf(out, size, "%s opens", view_cause_dest(view));
        return true;
    }
    struct sp_measured m = {.value = atomic_load(&view->chaos.because_value),
                            .calls = atomic_load(&view->chaos.because_calls)};
    sp_condition_format(&c->condition, out, size);
    experiment_measured(c, &m, value, value_size);
    return true;
}

static void rerun_adhoc(const struct chaos_view *view, struct sp_text_out *text)
{
    const struct sp_chaos *c = &view->chaos;
    char abort[SP_NAME_SIZE + 64];
    for (unsigned i = 0; i < c->fault_count; i++)
        sp_text_put(text, " --inject '%s'", c->faults[i].text);
    for (unsigned i = 0; i < c->target_count; i++)
        sp_text_put(text, " --on %s", c->targets[i].name);
    sp_text_put(text, " --for %s", SAY_TIME(c->end - c->start));
    for (unsigned i = 0; i < c->condition_count; i++) {
        experiment_aborts(view->segment, &c->conditions[i], abort, sizeof abort);
        sp_text_put(text, " --abort '%s'", abort);
    }
}

void view_rerun(const struct chaos_view *view, char *out, size_t size)
{
    const struct sp_chaos *c = &view->chaos;
    struct sp_text_out text = sp_text_out(out, size);
    sp_text_put(&text, "shearpin chaos start");
    if (c->adhoc)
        rerun_adhoc(view, &text);
    else
        sp_text_put(&text, " %s", c->name);
    sp_text_put(&text, " --seed %llu", (unsigned long long)c->seed);
    if (c->intensity != SP_SHARE_ALL)
        sp_text_put(&text, " --intensity %g", (double)c->intensity / SP_SHARE_ALL);
    if (c->processes != SP_SHARE_ALL)
        sp_text_put(&text, " --processes %g%%", (double)c->processes / 100);
    if (c->command[0])
        sp_text_put(&text, " --command %.16s", c->command);
}

/* --- all of it --- */

static int report_page(const struct cli *cli, const struct chaos_view *view)
{
    FILE *file = fopen(cli->html, "we");
    if (file)
        chaos_html(view, file);
    if (!file || fclose(file) != 0) {
        say_error("%s: %s", cli->html, strerror(errno));
        return CLI_SYSTEM;
    }
    return CLI_OK;
}

/* Free it. */
static struct chaos_view *report_view(struct sp_segment *segment, const struct sp_chaos *chaos,
                                      FILE *out)
{
    struct chaos_view *view = memory_new(1, sizeof *view);
    view->segment = segment;
    view->out = out;
    view->now = sp_now();
    view->state = sp_chaos_stands(chaos, view->now);
    report_copy(view, chaos);
    report_times(view);
    report_targets(view, chaos);
    report_events(view);
    chaos_learn(view);
    return view;
}

int chaos_report(const struct cli *cli, struct sp_segment *segment, const struct sp_chaos *chaos)
{
    struct chaos_view *view = report_view(segment, chaos, stdout);
    int status = CLI_OK;
    if (cli->html)
        status = report_page(cli, view);
    if (cli->json)
        chaos_json(view);
    else if (!cli->html || !cli->quiet)
        chaos_text(view);
    bool well = view->state == SP_CHAOS_RUNNING || view->state == SP_CHAOS_COMPLETED;
    if (status == CLI_OK && (!well || view->deviated))
        status = CLI_NO;
    free(view);
    return status;
}

void chaos_report_beside(struct sp_segment *segment, const struct sp_chaos *chaos)
{
    struct chaos_view *view = report_view(segment, chaos, stderr);
    chaos_text(view);
    free(view);
}
