/* chaos_text.c - the report for people. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "cli/chaos_report.h"
#include "cli/objective.h"
#include "cli/say.h"

#define TEXT_NAME  10
#define TEXT_LABEL 9
#define TEXT_CELL  12

static void text_line(const struct chaos_view *view, const char *title, const char *text)
{
    if (*text)
        fprintf(view->out, "  %-14s%s\n", title, text);
}

static void text_clock(uint64_t wall, const char *format, char *out, size_t size)
{
    time_t at = (time_t)(wall / SP_SECOND);
    struct tm t = {0};
    localtime_r(&at, &t);
    if (strftime(out, size, format, &t) == 0)
        *out = 0;
}

static void text_head(const struct chaos_view *view)
{
    const struct sp_chaos *c = &view->chaos;
    char from[32], to[32], name[4 * SP_NAME_SIZE + 1];
    bool runs = view->state == SP_CHAOS_RUNNING;
    text_clock(c->start_wall, "%Y-%m-%d %H:%M:%S", from, sizeof from);
    text_clock(view->end_wall, "%H:%M:%S", to, sizeof to);
    fprintf(view->out, "%s   %s %s %s   %s to %s   seed %llu\n",
            say_safe(name, sizeof name, c->name, SP_NAME_SIZE), sp_chaos_state_word(view->state),
            runs ? "for" : "after", VIEW_TOOK(view->end - c->start), from, runs ? "now" : to,
            (unsigned long long)c->seed);
    fprintf(view->out, "  %-14s%s%s\n", "status", sp_chaos_state_word(view->state),
            view->deviated ? ", deviated" : "");
}

static void text_because(const struct chaos_view *view)
{
    char condition[96], value[32], clock[16], line[256];
    if (!view_because(view, condition, sizeof condition, value, sizeof value))
        return;
    struct sp_text_out text = sp_text_out(line, sizeof line);
    bool steady = view_cause(view)->when == SP_PROVISO_STEADY;
    text_clock(view->end_wall, "%H:%M:%S", clock, sizeof clock);
    sp_text_put(&text, "%s%-24s", steady ? "not steady: " : "", condition);
    if (*value)
        sp_text_put(&text, "(%s on %s at %s)", value, view_cause_dest(view), clock);
    else
        sp_text_put(&text, "(at %s)", clock);
    text_line(view, "because", line);
    if (steady)
        text_line(view, "", "so nothing was injected");
}

/* errors 4.1% (expected < 1%) */
static void text_expected(const struct chaos_view *view, const struct report_verdict *v,
                          struct sp_text_out *text)
{
    char condition[64];
    struct sp_condition plain = *v->condition;
    plain.window = 0;
    sp_condition_format(&plain, condition, sizeof condition);
    const char *limit = strchr(condition, ' ');
    sp_text_put(text, "%s %s", sp_measure_word(plain.measure),
                OBJECTIVE_VALUE(&plain, &v->measured));
    if (view->chaos.target_count > 1)
        sp_text_put(text, " on %s", v->target);
    sp_text_put(text, " (expected%s)", limit ? limit : "");
}

static void text_verdicts(const struct chaos_view *view, enum sp_measured_verdict verdict,
                          const char *title, const char *word)
{
    char line[512] = "";
    struct sp_text_out text = sp_text_out(line, sizeof line);
    for (size_t i = 0; i < view->verdict_count; i++) {
        if (view->verdicts[i].measured.verdict != verdict)
            continue;
        sp_text_put(&text, "%s ", *line ? ";" : word);
        text_expected(view, &view->verdicts[i], &text);
    }
    text_line(view, title, line);
}

static void text_expectation(const struct chaos_view *view)
{
    char safe[4 * sizeof view->chaos.expect + 1];
    text_line(view, "expect",
              say_safe(safe, sizeof safe, view->chaos.expect, sizeof view->chaos.expect));
    if (view->end == view->chaos.start)
        return;
    text_verdicts(view, SP_MEASURED_BROKEN, "expectation", "not kept:");
    text_verdicts(view, SP_MEASURED_HOLDS, view->deviated ? "" : "expectation", "kept:");
    text_verdicts(view, SP_MEASURED_FEW, view->deviated ? "" : "expectation", "too few calls:");
    if (view->verdict_count == 0)
        text_line(view, "expectation",
                  "none in figures; a line `steady errors < 1% for 1m` is one");
}

/* --- before, during, after --- */

enum { ROW_ERRORS, ROW_P50, ROW_P99, ROW_REFUSED, ROW_RETRIED, ROW_CALLS, ROWS };
static const char *const text_rows[ROWS] = {"errors", "p50", "p99", "refused", "retried", "calls"};

static void text_time(uint64_t ns, uint64_t calls, char *out, size_t size)
{
    if (ns == SP_NEVER)
        snprintf(out, size, "timed out");
    else if (calls == 0 || ns == 0)
        snprintf(out, size, "-");
    else
        say_took(out, size, ns);
}

static void text_cell(FILE *out, const struct sp_chaos_sum *sum, int row)
{
    char text[24] = "-";
    const uint64_t counts[ROWS] = {
        [ROW_REFUSED] = sum->refused, [ROW_RETRIED] = sum->retried, [ROW_CALLS] = sum->calls};
    if (sum->time == 0)
        ;
    else if (row == ROW_ERRORS && sum->calls > 0)
        snprintf(text, sizeof text, "%.1f%%", 100 * (double)sum->errors / (double)sum->calls);
    else if (row == ROW_P50 || row == ROW_P99)
        text_time(row == ROW_P50 ? sum->p50 : sum->p99, sum->calls, text, sizeof text);
    else if (row >= ROW_REFUSED)
        snprintf(text, sizeof text, "%llu", (unsigned long long)counts[row]);
    fprintf(out, "%*s", TEXT_CELL, text);
}

static void text_table(const struct chaos_view *view)
{
    char safe[4 * SP_NAME_SIZE + 1];
    int width = TEXT_NAME;
    for (unsigned t = 0; t < view->chaos.target_count; t++) {
        int length = (int)strlen(view->targets[t].target->name) + 2;
        width = length > width ? length : width;
    }
    fprintf(view->out, "%*s%*s%*s\n", 2 + width + TEXT_LABEL + TEXT_CELL, "BEFORE", TEXT_CELL,
            "DURING", TEXT_CELL, "AFTER");
    for (unsigned t = 0; t < view->chaos.target_count; t++) {
        const struct report_target *target = &view->targets[t];
        say_safe(safe, sizeof safe, target->target->name, SP_NAME_SIZE);
        for (int row = 0; row < ROWS; row++) {
            if (row == ROW_RETRIED &&
                target->sums[REPORT_BEFORE].retried + target->sums[REPORT_DURING].retried == 0)
                continue;
            fprintf(view->out, "  %-*s%-*s", width, row == 0 ? safe : "", TEXT_LABEL,
                    text_rows[row]);
            for (int phase = 0; phase < REPORT_PHASES; phase++)
                text_cell(view->out, &target->sums[phase], row);
            fputc('\n', view->out);
        }
    }
}

static void text_injected(const struct chaos_view *view)
{
    char line[1024] = "", safe[4 * 80 + 1];
    struct sp_text_out text = sp_text_out(line, sizeof line);
    for (unsigned i = 0; i < view->chaos.fault_count; i++) {
        const char *name = view_fault_name(view, i);
        const char *quote = strchr(name, ' ') ? "'" : "";
        sp_text_put(&text, "%s%s%s %llu   ", quote, say_safe(safe, sizeof safe, name, 80), quote,
                    (unsigned long long)view_injected(view, i));
    }
    sp_text_put(&text, "of %s", SAY_COUNT(view_calls(view), "call"));
    text_line(view, "injected", line);
}

void chaos_text(const struct chaos_view *view)
{
    char rerun[1024];
    text_head(view);
    text_because(view);
    text_expectation(view);
    text_table(view);
    text_injected(view);
    for (size_t i = 0; i < view->learned_count; i++)
        text_line(view, i == 0 ? "learned" : "", view->learned[i]);
    view_rerun(view, rerun, sizeof rerun);
    text_line(view, "rerun", rerun);
}
