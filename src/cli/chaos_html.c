/* chaos_html.c - the report as one page that needs nothing else: text, tables, plots in SVG. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/chaos_plot.h"
#include "cli/chaos_report.h"
#include "cli/event.h"
#include "cli/objective.h"
#include "cli/say.h"

static const char html_head[] =
    "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n"
    "<style>\n"
    ":root { --paper: #fbfaf8; --card: #fff; --ink: #1d2026; --soft: #5d6470; --line: #e4e2dd;\n"
    "  --good: #1a7f4b; --bad: #b3261e; --half: #8a5a00; --blue: #2b5fb3 }\n"
    "@media (prefers-color-scheme: dark) { :root { --paper: #14161a; --card: #1c1f25;\n"
    "  --ink: #e7e8ea; --soft: #9aa2ae; --line: #2d323b; --good: #5cc98f; --bad: #ff8a80;\n"
    "  --half: #f0b94d; --blue: #7fb0ff } }\n"
    "* { box-sizing: border-box }\n"
    "body { margin: 0 auto; padding: 1.5rem clamp(1rem, 3vw, 2.5rem) 3rem; max-width: 64rem;\n"
    "  background: var(--paper); color: var(--ink);\n"
    "  font: 15px/1.45 system-ui, -apple-system, \"Segoe UI\", Roboto, \"DejaVu Sans\", "
    "sans-serif }\n"
    "h1 { font-size: 1.35rem; margin: 0 } h2 { font-size: 1.05rem; margin: 0 0 .6rem }\n"
    "p { margin: .3rem 0 } .soft { color: var(--soft) }\n"
    ".good { color: var(--good) } .bad { color: var(--bad) }\n"
    "section { background: var(--card); border: 1px solid var(--line); border-radius: .6rem;\n"
    "  margin-top: 1.25rem; padding: 1rem }\n"
    ".plots { display: flex; flex-wrap: wrap; gap: 1rem 2rem; margin-top: .8rem }\n"
    "figure { margin: 0 } figcaption { color: var(--soft); font-size: .85rem }\n"
    "table { border-collapse: collapse; font-variant-numeric: tabular-nums }\n"
    "th, td { padding: .3rem .9rem .3rem 0; text-align: right }\n"
    "th:first-child { text-align: left; font-weight: 400; color: var(--soft) }\n"
    "thead th { color: var(--soft); font-weight: 500; font-size: .85rem }\n"
    "code { background: var(--paper); border: 1px solid var(--line); border-radius: .3rem;\n"
    "  padding: .1rem .4rem; overflow-wrap: anywhere }\n"
    "svg { display: block; max-width: 100%; height: auto; font-size: 11px }\n"
    "svg text { fill: var(--soft) } svg .grid { stroke: var(--line) }\n"
    ".before { stroke: var(--good); fill: var(--good) }\n"
    ".during { stroke: var(--bad); fill: var(--bad) }\n"
    ".after { stroke: var(--blue); fill: var(--blue) }\n"
    "polyline { fill: none !important; stroke-width: 2 } rect, circle { stroke: none !important }\n"
    ".closed { fill: var(--good) } .open { fill: var(--bad) } .half { fill: var(--half) }\n"
    ".injected { fill: var(--bad); opacity: .12 }\n"
    "ul { margin: .2rem 0; padding-left: 1.2rem }\n"
    "</style>\n";

void html_text(FILE *out, const char *text, size_t max)
{
    char safe[1024];
    for (const char *at = say_safe(safe, sizeof safe, text, max); *at; at++) {
        if (*at == '<' || *at == '&' || *at == '"')
            fprintf(out, "&#%d;", *at);
        else
            putc(*at, out);
    }
}

static void html_word(FILE *out, const char *text)
{
    html_text(out, text, strlen(text));
}

static void html_top(const struct chaos_view *view, FILE *out)
{
    const struct sp_chaos *c = &view->chaos;
    bool well = !view->deviated && view->state <= SP_CHAOS_COMPLETED;
    char when[64] = "", condition[96], value[32];
    time_t at = (time_t)(c->start_wall / SP_SECOND);
    struct tm t = {0};
    strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", localtime_r(&at, &t));
    fputs(html_head, out);
    fputs("<title>", out);
    html_word(out, c->name);
    fputs("</title>\n<h1>", out);
    html_word(out, c->name);
    fprintf(out, " <span id=\"status\" class=\"%s\">%s%s</span></h1>\n", well ? "good" : "bad",
            sp_chaos_state_word(view->state), view->deviated ? ", deviated" : "");
    fprintf(out, "<p class=\"soft\">%s, %s; seed %llu</p>\n", when, VIEW_TOOK(view->end - c->start),
            (unsigned long long)c->seed);
    if (c->expect[0]) {
        fputs("<p id=\"expect\">Expected: ", out);
        html_word(out, c->expect);
        fputs("</p>\n", out);
    }
    if (view_because(view, condition, sizeof condition, value, sizeof value)) {
        fputs("<p id=\"because\" class=\"bad\">Because: ", out);
        html_word(out, condition);
        if (*value)
            fprintf(out, " (%s on ", value);
        html_word(out, *value ? view_cause_dest(view) : "");
        fputs(*value ? ")</p>\n" : "</p>\n", out);
    }
}

static void html_expectation(const struct chaos_view *view, FILE *out)
{
    if (view->verdict_count == 0)
        return;
    fputs("<section id=\"expectation\"><h2>Expectation</h2><table>"
          "<thead><tr><th><th>expected<th>was<th></thead>\n",
          out);
    for (size_t i = 0; i < view->verdict_count; i++) {
        const struct report_verdict *v = &view->verdicts[i];
        struct sp_condition plain = *v->condition;
        char text[64];
        plain.window = 0;
        sp_condition_format(&plain, text, sizeof text);
        fputs("<tr><th>", out);
        html_word(out, v->target);
        fputs("<td>", out);
        html_word(out, text);
        fprintf(out, "<td>%s<td class=\"%s\">%s\n", OBJECTIVE_VALUE(&plain, &v->measured),
                v->measured.verdict == SP_MEASURED_BROKEN ? "bad" : "good",
                objective_verdict(&v->measured));
    }
    fputs("</table></section>\n", out);
}

static void html_time(FILE *out, const struct sp_chaos_sum *sum, uint64_t ns)
{
    bool none = sum->time == 0 || sum->calls == 0 || ns == 0;
    fprintf(out, "<td>%s", none ? "-" : ns == SP_NEVER ? "timed out" : SAY_TOOK(ns));
}

static void html_count(FILE *out, const struct sp_chaos_sum *sum, uint64_t n)
{
    if (sum->time == 0)
        fputs("<td>-", out);
    else
        fprintf(out, "<td>%llu", (unsigned long long)n);
}

static void html_table(const struct report_target *target, FILE *out)
{
    const struct sp_chaos_sum *s = target->sums;
    fputs("<table><thead><tr><th><th>before<th>during<th>after</thead>\n<tr><th>calls", out);
    for (int i = 0; i < REPORT_PHASES; i++)
        html_count(out, &s[i], s[i].calls);
    fputs("\n<tr><th>errors", out);
    for (int i = 0; i < REPORT_PHASES; i++) {
        if (s[i].time == 0 || s[i].calls == 0)
            fputs("<td>-", out);
        else
            fprintf(out, "<td>%.1f%%", 100 * (double)s[i].errors / (double)s[i].calls);
    }
    fputs("\n<tr><th>p50", out);
    for (int i = 0; i < REPORT_PHASES; i++)
        html_time(out, &s[i], s[i].p50);
    fputs("\n<tr><th>p99", out);
    for (int i = 0; i < REPORT_PHASES; i++)
        html_time(out, &s[i], s[i].p99);
    fputs("\n<tr><th>refused", out);
    for (int i = 0; i < REPORT_PHASES; i++)
        html_count(out, &s[i], s[i].refused);
    fputs("\n<tr><th>retried", out);
    for (int i = 0; i < REPORT_PHASES; i++)
        html_count(out, &s[i], s[i].retried);
    fputs("\n</table>\n", out);
}

static void html_target(const struct chaos_view *view, unsigned t, FILE *out)
{
    fputs("<section class=\"target\"><h2>", out);
    html_word(out, view->targets[t].target->name);
    fputs("</h2>\n", out);
    html_table(&view->targets[t], out);
    fputs("<div class=\"plots\">\n<figure>", out);
    plot_percentiles(&view->targets[t], out);
    fputs("<figcaption>how long calls took</figcaption></figure>\n<figure>", out);
    plot_outcomes(&view->targets[t], out);
    fputs("<figcaption>calls that failed or were refused</figcaption></figure>\n<figure>", out);
    plot_breaker(view, t, out);
    fputs("<figcaption>its breaker; shaded while faults were injected</figcaption></figure>\n"
          "</div></section>\n",
          out);
}

static void html_injected(const struct chaos_view *view, FILE *out)
{
    fputs("<section id=\"injected\"><h2>Injected</h2><table>\n", out);
    for (unsigned i = 0; i < view->chaos.fault_count; i++) {
        fputs("<tr><th>", out);
        html_word(out, view->chaos.faults[i].text);
        fprintf(out, "<td>%llu\n", (unsigned long long)view_injected(view, i));
    }
    fprintf(out, "</table><p class=\"soft\">of %s</p></section>\n",
            SAY_COUNT(view_calls(view), "call"));
}

static void html_learned(const struct chaos_view *view, FILE *out)
{
    if (view->learned_count > 0)
        fputs("<section id=\"learned\"><h2>Learned</h2><ul>\n", out);
    for (size_t i = 0; i < view->learned_count; i++) {
        fputs("<li>", out);
        html_word(out, view->learned[i]);
        putc('\n', out);
    }
    if (view->learned_count > 0)
        fputs("</ul></section>\n", out);
}

static void html_events(const struct chaos_view *view, FILE *out)
{
    char line[EVENT_LINE];
    if (view->event_count > 0)
        fputs("<section id=\"events\"><h2>Events</h2><ul>\n", out);
    for (size_t i = 0; i < view->event_count; i++) {
        event_line(&view->events[i], line, sizeof line);
        fputs("<li>", out);
        html_word(out, line);
        putc('\n', out);
    }
    if (view->event_count > 0)
        fputs("</ul></section>\n", out);
}

void chaos_html(const struct chaos_view *view, FILE *out)
{
    char rerun[1024];
    html_top(view, out);
    html_expectation(view, out);
    for (unsigned t = 0; t < view->chaos.target_count; t++)
        html_target(view, t, out);
    html_injected(view, out);
    html_learned(view, out);
    html_events(view, out);
    view_rerun(view, rerun, sizeof rerun);
    fputs("<section id=\"rerun\"><h2>Again</h2><code>", out);
    html_word(out, rerun);
    fputs("</code></section>\n</html>\n", out);
}
