/* top_page.c - one page of the live table: a line a destination, the last events below. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/event.h"
#include "cli/say.h"
#include "cli/screen.h"
#include "cli/status.h"
#include "cli/top.h"

#define NAME_WIDTH 14
#define BAR_WIDTH  20
#define BAR_FROM   100 /* columns: below that there is no room for bars */
#define EVENTS_MIN 3

static void page_spark(const struct top *top, const struct look_dest *d)
{
    static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const signs[] = {"_", ".", "-", ":", "=", "+", "*", "#"};
    const double *rates = top->sparks[d->index].rates;
    double most = 0;
    for (int i = 0; i < TOP_SPARKS; i++)
        most = rates[i] > most ? rates[i] : most;
    for (int i = 0; i < TOP_SPARKS; i++) {
        int level = most > 0 ? (int)(rates[i] / most * 7 + 0.5) : 0;
        if (level == 0 && rates[i] > 0)
            level = 1;
        screen_put(INK_PLAIN, "%s", (say_utf8() ? blocks : signs)[level]);
    }
}

static void page_bar(const struct look_dest *d)
{
    const char *full = say_utf8() ? "█" : "#", *part = say_utf8() ? "▏" : "|",
               *none = say_utf8() ? "─" : "-";
    uint32_t filled = d->cap_limit ? d->cap_held * BAR_WIDTH / d->cap_limit : 0;
    for (uint32_t i = 0; d->capped && i < BAR_WIDTH; i++) {
        bool little = i == 0 && filled == 0 && d->cap_held > 0;
        screen_put(INK_PLAIN, "%s", i < filled ? full : little ? part : none);
    }
}

static enum screen_ink page_ink(const struct look *look, const struct look_dest *d)
{
    if (look->disabled || d->disabled || !d->named || d->guards.mode == SP_MODE_OFF)
        return INK_FAINT;
    if (d->view.hold != SP_HOLD_NONE)
        return d->view.hold == SP_HOLD_OPEN ? INK_RED : INK_YELLOW;
    return d->view.state == SP_STATE_OPEN        ? INK_RED
           : d->view.state == SP_STATE_HALF_OPEN ? INK_YELLOW
                                                 : INK_GREEN;
}

static void page_name(const struct top *top, const struct look_dest *d)
{
    char name[4 * SP_NAME_SIZE + 1], state[64];
    bool chosen = d->index == top->chosen;
    say_safe(name, sizeof name, d->name, SP_NAME_SIZE);
    screen_put(chosen ? INK_CHOSEN : INK_PLAIN, "%-*.*s", NAME_WIDTH, NAME_WIDTH, name);
    screen_put(INK_PLAIN, "%s", chosen ? ">" : " ");
    status_state(&top->look, d, state, sizeof state);
    char *word = strchr(state, ' '); /* "open 11s": how long is in its place, at the end */
    char *age = word ? strchr(word + 1, ' ') : NULL;
    if (age && d->view.hold == SP_HOLD_NONE)
        *age = 0;
    screen_put(page_ink(&top->look, d), "%s", state);
    screen_column(NAME_WIDTH + 1 + 10);
}

static void page_row(const struct top *top, const struct look_dest *d)
{
    char why[600], cap[24] = "-", refused[24] = "0";
    bool wide = screen_columns() >= BAR_FROM;
    page_name(top, d);
    page_spark(top, d);
    screen_put(INK_PLAIN, "%6.0f/s", d->calls_per_s);
    if (wide) {
        screen_put(INK_PLAIN, "   ");
        page_bar(d);
        screen_column(NAME_WIDTH + 11 + TOP_SPARKS + 8 + 3 + BAR_WIDTH);
    }
    if (d->capped)
        snprintf(cap, sizeof cap, "%u/%u", d->cap_held, d->cap_limit);
    screen_put(INK_PLAIN, "%8s", cap);
    if (d->refused_per_min > 0)
        snprintf(refused, sizeof refused, "%.0f/min", d->refused_per_min);
    screen_put(d->refused_per_min > 0 ? INK_RED : INK_PLAIN, "%10s", refused);
    status_why(&top->look, d, why, sizeof why);
    screen_put(INK_PLAIN, "  %s", why);
    screen_end_line();
}

static const char *page_many(uint64_t n, char *out, size_t size)
{
    if (n < 10000)
        snprintf(out, size, "%llu", (unsigned long long)n);
    else if (n < 1000000)
        snprintf(out, size, "%.1fk", (double)n / 1e3);
    else
        snprintf(out, size, "%.1fM", (double)n / 1e6);
    return out;
}

static void page_head(const struct top *top)
{
    const struct look *look = &top->look;
    char clock[16] = "", many[32], errors[16] = "-";
    time_t at = (time_t)(look->wall / SP_SECOND);
    struct tm t = {0};
    uint64_t calls = 0, bad = 0;
    for (uint32_t i = 0; i < look->count; i++) {
        calls += look->dests[i].life_calls;
        bad += look->dests[i].life_errors;
    }
    if (calls > 0)
        snprintf(errors, sizeof errors, "%.1f%%", 100.0 * (double)bad / (double)calls);
    localtime_r(&at, &t);
    strftime(clock, sizeof clock, "%H:%M:%S", &t);
    screen_put(INK_PLAIN, "shearpin  %s  %s  %s calls  %s errors%s%s", where_name(look->segment),
               SAY_COUNT(look->processes, "process"), page_many(calls, many, sizeof many), errors,
               look->disabled ? "  disabled" : "", top->paused ? "  paused" : "");
    screen_column(screen_columns() - (int)strlen(clock));
    screen_put(INK_PLAIN, "%s", clock);
    screen_end_line();
}

static void page_events(const struct top *top, int room)
{
    struct sp_event event, last[64];
    const struct sp_segment *segment = top->look.segment;
    uint64_t end = sp_event_last(segment), sequence = event_first(segment);
    unsigned most = room < 64 ? (unsigned)room : 64, count = 0;
    char line[1024];
    if (end > most && sequence + most <= end)
        sequence = end - most + 1;
    while (count < most && event_next(segment, &sequence, &event))
        last[count++] = event;
    for (unsigned i = 0; i < count; i++) {
        event_line(&last[i], line, sizeof line);
        screen_put(INK_FAINT, "  %s", line);
        screen_end_line();
    }
}

static void page_foot(const struct top *top)
{
    char name[4 * SP_NAME_SIZE + 1];
    const struct look_dest *d = &top->look.dests[top_place(top)];
    while (screen_lines_left() > 1)
        screen_end_line();
    if (top->asks) {
        say_safe(name, sizeof name, d->name, SP_NAME_SIZE);
        screen_put(INK_CHOSEN, "%s %s? y/n", top->asks == 't' ? "trip" : "reset", name);
    } else if (top->said[0]) {
        screen_put(INK_PLAIN, "%s", top->said);
    } else {
        screen_put(INK_FAINT, "q quit  s sort: %s  space pause  t trip  r reset",
                   top_orders[top->order]);
    }
    screen_end_line();
}

void top_page(const struct top *top)
{
    const struct look *look = &top->look;
    screen_begin();
    page_head(top);
    int room = screen_lines_left() - 1 - EVENTS_MIN; /* the foot, and what happened */
    uint32_t rows = room > 1 ? (uint32_t)room : 1, place = top_place(top);
    uint32_t first = place >= rows ? place - rows + 1 : 0;
    for (uint32_t i = first; i < look->count && i < first + rows; i++)
        page_row(top, &look->dests[i]);
    page_events(top, screen_lines_left() - 1);
    page_foot(top);
    screen_end();
}
