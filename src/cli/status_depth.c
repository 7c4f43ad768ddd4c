/* status_depth.c - all there is to know about one destination. */
#include <bsd/stdlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/endpoints.h"
#include "cli/event.h"
#include "cli/fallback.h"
#include "cli/objective.h"
#include "cli/say.h"
#include "cli/setting.h"
#include "cli/split.h"
#include "cli/status.h"
#include "policy/keys.h"

#define DEPTH_EVENTS 10

static void depth_line(const char *title, const char *text)
{
    if (*text)
        printf("  %-14s%s\n", title, text);
}

/* The same, with the line of the policy that it follows from. */
static void depth_ruled(const struct look *look, const struct look_dest *d, size_t key,
                        const char *title, const char *text)
{
    struct setting_view view;
    char place[300] = "";
    if (look->policy && d->named && setting_view(&view, look->policy, d->rank, NULL))
        setting_where(&view, key, place, sizeof place);
    printf("  %-14s%-46s%s%s\n", title, text, *place ? "  " : "", place);
}

static void depth_open(const struct look_dest *d)
{
    char line[160];
    struct sp_text_out text = sp_text_out(line, sizeof line);
    if (d->open_time > 0)
        sp_text_put(&text, "open for %s altogether", SAY_TOOK(d->open_time));
    if (d->recovery > 0)
        sp_text_put(&text, "; %s from the last opening to the closing", SAY_TOOK(d->recovery));
    depth_line("", line);
}

static void depth_breaker(const struct look *look, const struct look_dest *d)
{
    const struct sp_dest *dest = &look->segment->dests[d->index];
    char line[300];
    struct sp_text_out text = sp_text_out(line, sizeof line);
    uint64_t failed = d->last_failure, succeeded = d->life.last_success, now = look->now;
    sp_text_put(&text, "opened %s, probed %s, closed %s",
                SAY_COUNT(atomic_load(&dest->cell.opened), "time"),
                SAY_COUNT(atomic_load(&dest->cell.half_opened), "time"),
                SAY_COUNT(atomic_load(&dest->cell.closed), "time"));
    if (failed && failed <= now)
        sp_text_put(&text, "; last failure %s ago: %s", SAY_AGE(now - failed),
                    sp_outcome_word((unsigned)atomic_load(&dest->cell.last_outcome)));
    if (succeeded && succeeded <= now)
        sp_text_put(&text, "; last success %s ago", SAY_AGE(now - succeeded));
    depth_line("breaker", line);
    depth_open(d);
    if (d->view.probes > 0) {
        snprintf(line, sizeof line, "%s under way, %u of %u succeeded",
                 SAY_COUNT(d->view.probes, "probe"), d->view.successes, d->view.needed);
        depth_line("", line);
    }
}

static void depth_windows(const struct look *look, const struct look_dest *d)
{
    const struct sp_dest *dest = &look->segment->dests[d->index];
    const struct sp_breaker_policy *b = &d->guards.breaker;
    struct sp_window_sum sum;
    char line[160];
    if (b->rate) {
        sum = sp_window_sum(dest, offsetof(struct sp_shard, rate), b->rate_window, look->now);
        snprintf(line, sizeof line, "%llu of %s failed in the last %s", (unsigned long long)sum.bad,
                 SAY_COUNT(sum.calls, "call"), SAY_TIME(b->rate_window));
        depth_ruled(look, d, KEY_RATE, "window", line);
    }
    if (b->slow) {
        sum = sp_window_sum(dest, offsetof(struct sp_shard, slow), b->slow_window, look->now);
        snprintf(line, sizeof line, "%llu of %s took over %s in the last %s",
                 (unsigned long long)sum.bad, SAY_COUNT(sum.calls, "call"), SAY_TIME(b->slow_over),
                 SAY_TIME(b->slow_window));
        depth_ruled(look, d, KEY_SLOW, b->rate ? "" : "window", line);
    }
}

/* "3 by pid 17 nginx", a line for each process that has some. */
static void depth_slots(const struct look *look, const uint32_t *by_slot, const char *title,
                        const char *what)
{
    for (uint32_t slot = 0; slot < SP_PROCESSES; slot++) {
        const struct sp_process *p = &look->segment->processes[slot];
        char command[4 * sizeof p->command + 1];
        if (by_slot[slot] == 0)
            continue;
        say_safe(command, sizeof command, p->command, sizeof p->command);
        printf("  %-14s%u %sby pid %u %s\n", title, by_slot[slot], what, atomic_load(&p->pid),
               command);
        title = "";
    }
}

static void depth_holders(const struct look *look, const sp_word *words, uint32_t count)
{
    uint32_t held[SP_PROCESSES] = {0};
    for (uint32_t i = 0; i < count; i++) {
        uint32_t slot = look_holder(look, atomic_load(&words[i]));
        if (slot != SP_NO_SLOT)
            held[slot]++;
    }
    depth_slots(look, held, "", "");
}

static void depth_waiters(const struct look *look, const struct look_dest *d)
{
    static const char *const whats[SP_LINES] = {"to connect ", "to send "};
    for (int line = 0; line < SP_LINES; line++) {
        uint32_t by_slot[SP_PROCESSES] = {0};
        sp_queue_waiting(look->segment, &look->segment->dests[d->index].queues[line], look->now,
                         by_slot);
        depth_slots(look, by_slot, "waiting", whats[line]);
    }
}

static void depth_caps(const struct look *look, const struct look_dest *d)
{
    static const size_t keys[SP_CAP_COUNT] = {KEY_CAP, KEY_CONNECTING, KEY_INFLIGHT};
    for (int cap = 0; cap < SP_CAP_COUNT; cap++) {
        uint32_t count;
        char line[96];
        sp_word *words = sp_lease_words(look->segment, &look->segment->dests[d->index],
                                        (enum sp_cap)cap, &count);
        if (d->guards.cap[cap] == 0 || !words)
            continue;
        snprintf(line, sizeof line, "%u/%u %s", look_held(look, words, count), d->guards.cap[cap],
                 sp_cap_words[cap]);
        depth_ruled(look, d, keys[cap], "cap", line);
        depth_holders(look, words, count);
    }
    depth_waiters(look, d);
}

static void depth_counts(const char *title, const char *const *words, const uint64_t *counts,
                         unsigned n)
{
    char line[400];
    struct sp_text_out text = sp_text_out(line, sizeof line);
    for (unsigned i = 0; i < n; i++) {
        if (counts[i])
            sp_text_put(&text, "%s%s %llu", text.length ? "  " : "",
                        words ? words[i] : sp_outcome_word(i), (unsigned long long)counts[i]);
    }
    depth_line(title, line);
}

static void depth_elsewhere(const struct look_dest *d)
{
    char line[120];
    struct sp_text_out text = sp_text_out(line, sizeof line);
    if (d->life.detours)
        sp_text_put(&text, "%s to another address of the name",
                    SAY_COUNT(d->life.detours, "connect"));
    depth_line("diverted", line);
    text = sp_text_out(line, sizeof line);
    line[0] = 0;
    if (d->life.stale)
        sp_text_put(&text, "%s by the last good addresses", SAY_COUNT(d->life.stale, "look-up"));
    depth_line("answered", line);
}

static void depth_bytes(const struct look_dest *d)
{
    char sent[7], received[7], line[64];
    const int how = HN_NOSPACE | HN_DECIMAL | HN_IEC_PREFIXES;
    if (d->shown.sent + d->shown.received == 0)
        return;
    humanize_number(sent, sizeof sent, (int64_t)d->shown.sent, "B", HN_AUTOSCALE, how);
    humanize_number(received, sizeof received, (int64_t)d->shown.received, "B", HN_AUTOSCALE, how);
    snprintf(line, sizeof line, "sent %s  received %s", sent, received);
    depth_line("bytes", line);
}

static void depth_times(const char *title, const uint64_t *bins)
{
    char line[96];
    if (look_sum(bins, SP_BINS) == 0)
        return;
    snprintf(line, sizeof line, "p50 %s  p90 %s  p95 %s  p99 %s  p99.9 %s",
             SAY_TOOK(sp_bin_quantile(bins, 0.5)), SAY_TOOK(sp_bin_quantile(bins, 0.9)),
             SAY_TOOK(sp_bin_quantile(bins, 0.95)), SAY_TOOK(sp_bin_quantile(bins, 0.99)),
             SAY_TOOK(sp_bin_quantile(bins, 0.999)));
    depth_line(title, line);
}

static void depth_slo(const struct look *look, const struct look_dest *d)
{
    struct objective o;
    char words[64], why[160], line[300];
    for (size_t i = 0; objective_at(look, d, i, &o); i++) {
        sp_condition_format(&o.condition, words, sizeof words);
        objective_why(&o.condition, &o.measured, why, sizeof why);
        snprintf(line, sizeof line, "%s  %s: %s%s%s%s", words, objective_verdict(&o.measured),
                 OBJECTIVE_VALUE(&o.condition, &o.measured), *why ? " (" : "", why,
                 *why ? ")" : "");
        depth_line(i == 0 ? "slo" : "", line);
    }
}

static void depth_policy(const struct look *look, const struct look_dest *d)
{
    struct setting_view view;
    char place[300];
    for (size_t i = 0; look->policy && setting_view(&view, look->policy, i, NULL); i++) {
        if (strncmp(view.row->name, d->name, SP_NAME_SIZE) != 0)
            continue;
        setting_place(look->policy, view.row->file, view.row->line, place, sizeof place);
        printf("\npolicy          %s\n", place);
        setting_print(&view, false);
        split_print(&view);
        fallback_print(&view);
    }
}

static void depth_events(const struct look *look, const struct look_dest *d)
{
    struct sp_event event, last[DEPTH_EVENTS];
    uint64_t sequence = event_first(look->segment);
    unsigned count = 0;
    while (event_next(look->segment, &sequence, &event)) {
        if (strncmp(event.destination, d->name, SP_NAME_SIZE) == 0)
            last[count++ % DEPTH_EVENTS] = event;
    }
    if (count > 0)
        printf("\nevents\n");
    for (unsigned i = count > DEPTH_EVENTS ? count - DEPTH_EVENTS : 0; i < count; i++) {
        fputs("  ", stdout);
        event_print(&last[i % DEPTH_EVENTS]);
    }
}

void status_depth(const struct look *look, const struct look_dest *d)
{
    static const char *const guards[] = {"breaker", "cap", "rate"};
    static const char *const retried[SP_RETRIED_COUNT] = {"ok", "failed", "over budget"};
    status_table_head();
    status_row(look, d);
    status_sides(d);
    putchar('\n');
    depth_breaker(look, d);
    depth_windows(look, d);
    status_errors(look, d);
    endpoints_print(look, d);
    depth_caps(look, d);
    depth_counts("connects", NULL, d->shown.connects, SP_OUTCOME_COUNT);
    depth_counts("exchanges", NULL, d->shown.exchanges, SP_OUTCOME_COUNT);
    depth_counts("retried", retried, d->shown.retried, SP_RETRIED_COUNT);
    depth_counts("refused", guards, d->shown.rejected, 3);
    depth_counts("would refuse", guards, d->shown.detected, 3);
    depth_counts("would cut", sp_deadline_words, d->shown.observed.late, SP_DEADLINE_COUNT);
    depth_counts("expired", sp_deadline_words, d->shown.expired, SP_DEADLINE_COUNT);
    split_depth(look, d);
    fallback_depth(look, d);
    depth_elsewhere(d);
    depth_bytes(d);
    depth_times("connect time", d->shown.connect_time);
    depth_times("answer time", d->shown.answer_time);
    depth_times("wait time", d->shown.wait_time);
    depth_slo(look, d);
    depth_policy(look, d);
    depth_events(look, d);
}
