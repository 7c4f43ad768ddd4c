#include "cli/chaos_plot.h"

#include <stdio.h>
#include <string.h>

#include "cli/say.h"

#define PLOT_WIDTH  420
#define PLOT_HEIGHT 200
#define PLOT_LEFT   54
#define PLOT_TOP    12
#define PLOT_RIGHT  408
#define PLOT_BOTTOM 168

static const char *const plot_phases[REPORT_PHASES] = {"before", "during", "after"};

static void plot_open(FILE *out, const char *kind, int height)
{
    fprintf(out, "<svg class=\"%s\" viewBox=\"0 0 %d %d\" width=\"%d\" role=\"img\">\n", kind,
            PLOT_WIDTH, height, PLOT_WIDTH);
}

static void plot_legend(FILE *out, const struct report_target *target)
{
    int x = PLOT_LEFT;
    for (int i = 0; i < REPORT_PHASES; i++) {
        if (target->sums[i].time == 0 || target->sums[i].calls == 0)
            continue;
        fprintf(out,
                "<circle class=\"%s\" cx=\"%d\" cy=\"%d\" r=\"4\"/><text x=\"%d\" y=\"%d\">%s"
                "</text>\n",
                plot_phases[i], x + 4, PLOT_HEIGHT - 8, x + 13, PLOT_HEIGHT - 4, plot_phases[i]);
        x += 70;
    }
}

/* --- percentiles --- */

#define PLOT_POINTS 6
static const char *const plot_points[PLOT_POINTS] = {"p50", "p75", "p90", "p95", "p99", "p99.9"};

static uint64_t plot_point(const struct sp_chaos_sum *sum, int i)
{
    const uint64_t times[PLOT_POINTS] = {sum->p50, sum->p75, sum->p90,
                                         sum->p95, sum->p99, sum->p999};
    return sum->time == 0 || sum->calls == 0 ? 0 : times[i];
}

struct plot_scale {
    uint64_t low, high; /* powers of ten; ns */
    int decades;
};

static struct plot_scale plot_scale(const struct report_target *target)
{
    struct plot_scale s = {SP_NEVER, 0, 0};
    for (int i = 0; i < REPORT_PHASES * PLOT_POINTS; i++) {
        uint64_t at = plot_point(&target->sums[i / PLOT_POINTS], i % PLOT_POINTS);
        if (at == 0 || at == SP_NEVER)
            continue;
        s.low = at < s.low ? at : s.low;
        s.high = at > s.high ? at : s.high;
    }
    uint64_t decade = SP_US;
    for (; s.high > 0 && decade * 10 <= s.low; decade *= 10)
        ;
    s.low = decade;
    for (s.decades = 0; s.decades == 0 || decade < s.high; s.decades++)
        decade *= 10;
    s.high = decade;
    return s;
}

/* Where a time lies between the decades, without a logarithm: nine straight pieces each. */
static double plot_height(const struct plot_scale *s, uint64_t ns)
{
    static const double log10s[] = {0, 0, .301, .477, .602, .699, .778, .845, .903, .954, 1};
    double height = 0;
    uint64_t decade = s->low;
    if (ns == SP_NEVER)
        return PLOT_TOP;
    for (; ns >= decade * 10 && height < s->decades; decade *= 10)
        height++;
    double part = ns > decade ? (double)ns / (double)decade : 1;
    if (part < 10)
        height += log10s[(int)part] +
                  (log10s[(int)part + 1] - log10s[(int)part]) * (part - (double)(int)part);
    double share = height / s->decades;
    return PLOT_BOTTOM - (share > 1 ? 1 : share) * (PLOT_BOTTOM - PLOT_TOP);
}

static double plot_column(int i)
{
    return PLOT_LEFT + (PLOT_RIGHT - PLOT_LEFT) * (i + 0.5) / PLOT_POINTS;
}

static void plot_grid(const struct plot_scale *s, FILE *out)
{
    for (uint64_t at = s->low; at <= s->high; at *= 10) {
        double y = plot_height(s, at);
        fprintf(out,
                "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
                "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
                PLOT_LEFT, PLOT_RIGHT, y, y, PLOT_LEFT - 6, y + 4, SAY_TIME(at));
    }
    for (int i = 0; i < PLOT_POINTS; i++)
        fprintf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", plot_column(i),
                PLOT_BOTTOM + 14, plot_points[i]);
}

void plot_percentiles(const struct report_target *target, FILE *out)
{
    struct plot_scale s = plot_scale(target);
    plot_open(out, "percentiles", PLOT_HEIGHT);
    plot_grid(&s, out);
    for (int phase = 0; phase < REPORT_PHASES; phase++) {
        const struct sp_chaos_sum *sum = &target->sums[phase];
        if (plot_point(sum, 0) == 0)
            continue;
        fprintf(out, "<polyline class=\"%s\" points=\"", plot_phases[phase]);
        for (int i = 0; i < PLOT_POINTS; i++)
            fprintf(out, "%.1f,%.1f ", plot_column(i), plot_height(&s, plot_point(sum, i)));
        fputs("\"/>\n", out);
    }
    plot_legend(out, target);
    fputs("</svg>", out);
}

/* --- outcomes --- */

static double plot_share(const struct sp_chaos_sum *sum, bool refused)
{
    uint64_t asked = sum->calls + sum->refused;
    if (sum->time == 0 || asked == 0)
        return 0;
    return (double)(refused ? sum->refused : sum->errors) / (double)asked;
}

static void plot_bar(FILE *out, int phase, double x, double share, double most)
{
    double height = share / most * (PLOT_BOTTOM - PLOT_TOP - 14), y = PLOT_BOTTOM - height;
    fprintf(out,
            "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"40\" height=\"%.1f\"/>"
            "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%.1f%%</text>\n",
            plot_phases[phase], x, y, height, x + 20, y - 4, 100 * share);
}

void plot_outcomes(const struct report_target *target, FILE *out)
{
    static const char *const groups[] = {"failed", "refused"};
    double most = 0.01;
    for (int i = 0; i < 2 * REPORT_PHASES; i++) {
        double share = plot_share(&target->sums[i / 2], i % 2);
        most = share > most ? share : most;
    }
    plot_open(out, "outcomes", PLOT_HEIGHT);
    fprintf(out, "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>\n", PLOT_LEFT,
            PLOT_RIGHT, PLOT_BOTTOM, PLOT_BOTTOM);
    for (int group = 0; group < 2; group++) {
        double left = PLOT_LEFT + 10 + group * 180.0;
        for (int phase = 0; phase < REPORT_PHASES; phase++) {
            if (target->sums[phase].time > 0)
                plot_bar(out, phase, left + phase * 50, plot_share(&target->sums[phase], group),
                         most);
        }
        fprintf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", left + 70,
                PLOT_BOTTOM + 14, groups[group]);
    }
    plot_legend(out, target);
    fputs("</svg>", out);
}

/* --- the breaker --- */

#define PLOT_BAND 64

struct plot_time {
    uint64_t from, to; /* wall ns */
};

static double plot_x(const struct plot_time *time, uint64_t wall)
{
    if (wall <= time->from)
        return PLOT_LEFT;
    if (wall >= time->to)
        return PLOT_RIGHT;
    return PLOT_LEFT +
           (PLOT_RIGHT - PLOT_LEFT) * (double)(wall - time->from) / (double)(time->to - time->from);
}

static void plot_state(FILE *out, const struct plot_time *time, unsigned state, uint64_t from,
                       uint64_t to)
{
    static const char *const classes[SP_STATE_COUNT] = {"closed", "open", "half"};
    double x = plot_x(time, from), width = plot_x(time, to) - x;
    fprintf(out, "<rect class=\"%s\" x=\"%.1f\" y=\"18\" width=\"%.1f\" height=\"16\"/>\n",
            classes[state % SP_STATE_COUNT], x, width < 0.5 ? 0.5 : width);
}

void plot_breaker(const struct chaos_view *view, unsigned target, FILE *out)
{
    uint64_t start = view->chaos.start_wall, took = view->end_wall - start,
             from = start - took / 10;
    struct plot_time time = {from, view->end_wall + took / 10 + 1};
    unsigned state = SP_STATE_CLOSED;
    const char *name = view->targets[target].target->name;
    plot_open(out, "breaker", PLOT_BAND);
    fprintf(out, "<rect class=\"injected\" x=\"%.1f\" y=\"6\" width=\"%.1f\" height=\"40\"/>\n",
            plot_x(&time, start), plot_x(&time, view->end_wall) - plot_x(&time, start));
    for (size_t i = 0; i < view->event_count; i++) {
        const struct sp_event *e = &view->events[i];
        if (e->kind != SP_EVENT_BREAKER || strncmp(e->destination, name, SP_NAME_SIZE) != 0 ||
            e->wall > time.to)
            continue;
        plot_state(out, &time, e->from, from, e->wall);
        from = e->wall;
        state = e->to;
    }
    plot_state(out, &time, state, from, time.to);
    fprintf(out,
            "<text x=\"%.1f\" y=\"60\">start</text>"
            "<text x=\"%.1f\" y=\"60\" text-anchor=\"end\">%s</text></svg>",
            plot_x(&time, start), plot_x(&time, view->end_wall), VIEW_TOOK(took));
}
