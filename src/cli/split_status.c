/* split_status.c - what became of the arms of a destination, for status. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/event.h"
#include "cli/say.h"
#include "cli/split.h"

static const struct sp_row *split_row(const struct look *look, const struct look_dest *d)
{
    return look->policy && d->named ? sp_policy_row(look->policy, d->rank) : NULL;
}

static uint32_t split_share(const struct look *look, const struct look_dest *d,
                            const struct sp_row *row, size_t nth)
{
    struct sp_arm_policy lines[SP_ARMS_MAX];
    uint16_t shares[SP_ARMS_MAX] = {0};
    size_t count = 0;
    for (; count < SP_ARMS_MAX && split_at(look->policy, row, count); count++)
        lines[count] = *split_at(look->policy, row, count);
    sp_arm_shares(look->segment, d->index, lines, count, look->now, shares);
    return nth < count ? shares[nth] : 0;
}

static void split_breaker(const struct look *look, const struct look_dest *d, struct split_arm *out)
{
    struct sp_arm *arm = &look->segment->arms[out->arm - look->segment->arms];
    struct sp_call call = {.segment = look->segment,
                           .dest = sp_segment_dest(look->segment, d->index),
                           .index = d->index,
                           .endpoint = &arm->endpoint,
                           .arm = arm,
                           .guards = &d->guards,
                           .now = look->now};
    uint64_t changed = atomic_load(&arm->endpoint.cell.changed);
    sp_breaker_look(&call, &out->view);
    out->since = changed == 0 || changed > look->now ? SP_NEVER : look->now - changed;
}

bool split_arm(const struct look *look, const struct look_dest *d, size_t nth,
               struct split_arm *out)
{
    const struct sp_row *row = split_row(look, d);
    const struct sp_arm_policy *line = row ? split_at(look->policy, row, nth) : NULL;
    if (!line)
        return false;
    *out = (struct split_arm){.line = line, .since = SP_NEVER};
    say_safe(out->name, sizeof out->name, line->name, SP_ARM_NAME_SIZE - 1);
    out->share = split_share(look, d, row, nth);
    out->arm = sp_arm_at(look->segment, d->index, line->place);
    if (!out->arm)
        return true;
    out->standing = sp_arm_standing(look->segment, out->arm, &out->uncounted);
    sp_arm_sum(out->arm, &d->guards, &out->figures);
    split_breaker(look, d, out);
    return true;
}

/* "open", "probing", "held open"; "" while it is closed. */
static void split_state(const struct split_arm *arm, char *out, size_t size)
{
    struct sp_text_out text = sp_text_out(out, size);
    if (arm->view.hold != SP_HOLD_NONE)
        sp_text_put(&text, "held %s", arm->view.hold == SP_HOLD_OPEN ? "open" : "closed");
    else if (arm->view.state == SP_STATE_HALF_OPEN)
        sp_text_put(&text, "probing %u/%u", arm->view.successes, arm->view.needed);
    else if (arm->view.state == SP_STATE_OPEN)
        sp_text_put(&text, "open");
}

/* What a command that shifts it has written down; false: none does. */
static bool split_shift(const struct look *look, const struct look_dest *d,
                        struct sp_shift_note *note)
{
    const struct sp_row *row = split_row(look, d);
    const struct sp_arm_policy *line = row ? split_at(look->policy, row, 0) : NULL;
    const struct sp_shift *shift = &look->segment->dests[d->index].shift;
    return line && sp_shift_read(shift, line->of, note) && sp_shift_held(shift, note, look->now);
}

void split_why(const struct look *look, const struct look_dest *d, char *out, size_t size)
{
    struct sp_text_out text = sp_text_out(out, size);
    struct split_arm arm;
    struct sp_shift_note note;
    char share[16], state[32];
    *out = 0;
    for (size_t nth = 0; split_arm(look, d, nth, &arm); nth++) {
        sp_text_format_share(arm.share, share, sizeof share);
        split_state(&arm, state, sizeof state);
        sp_text_put(&text, "%s%s %s%s%s%s", nth ? "  " : "", arm.name, share, *state ? " (" : "",
                    state, *state ? ")" : "");
    }
    if (split_shift(look, d, &note))
        sp_text_put(&text, ", shifting");
}

unsigned split_out(const struct look *look, const struct look_dest *d, unsigned *shared)
{
    struct split_arm arm;
    unsigned out = 0;
    *shared = 0;
    for (size_t nth = 0; split_arm(look, d, nth, &arm); nth++) {
        bool open = arm.view.state == SP_STATE_OPEN || arm.view.hold == SP_HOLD_OPEN;
        *shared += arm.share > 0;
        out += arm.share > 0 && open;
    }
    return out;
}

/* --- in depth --- */

static uint64_t split_calls(const struct split_arm *arm, const struct sp_guards *guards,
                            uint64_t *errors)
{
    struct sp_span span = {0};
    static const struct sp_figures none;
    sp_span_between(&span, guards, &none, &arm->figures);
    *errors = span.errors;
    return span.calls;
}

static const uint64_t *split_times(const struct split_arm *arm, const struct sp_guards *guards)
{
    bool connects = guards->exchange == SP_EXCHANGE_NONE || guards->success == SP_SUCCESS_CONNECT;
    return connects ? arm->figures.connect_time : arm->figures.answer_time;
}

/* "10.30.1.10:9200", and of a name how old its addresses are. */
static void split_where(const struct look *look, const struct sp_arm_policy *line,
                        struct sp_text_out *text)
{
    struct sp_addr addresses[SP_TARGET_ADDRESSES];
    char safe[400];
    uint64_t when;
    say_safe(safe, sizeof safe, sp_policy_string(look->policy, line->text), sizeof safe / 4 - 1);
    sp_text_put(text, "%s", safe);
    if (line->kind != SP_FALLBACK_NAME)
        return;
    size_t count = sp_target_get(look->segment, line->hash, addresses, &when);
    if (count)
        sp_text_put(text, " (%s, looked up %s ago)", SAY_COUNT(count, "address"),
                    SAY_AGE(look->wall > when ? look->wall - when : 0));
    else
        sp_text_put(text, " (not looked up, so the others have its share: shearpin reload)");
}

static void split_depth_arm(const struct look *look, const struct look_dest *d,
                            const struct split_arm *arm, bool first)
{
    char line[600], share[16], state[32];
    struct sp_text_out text = sp_text_out(line, sizeof line);
    const uint64_t *times = split_times(arm, &d->guards);
    uint64_t errors, calls = split_calls(arm, &d->guards, &errors);
    sp_text_format_share(arm->share, share, sizeof share);
    split_state(arm, state, sizeof state);
    split_where(look, arm->line, &text);
    printf("  %-14s%s %s%s%s%s  %s\n", first ? "arms" : "", arm->name, share, *state ? " (" : "",
           state, *state ? ")" : "", line);
    text = sp_text_out(line, sizeof line);
    sp_text_put(&text, "%s", SAY_COUNT(arm->arm ? atomic_load(&arm->arm->taken) : 0, "connection"));
    sp_text_put(&text, ", %u%s open; %s, %.1f%% errors", arm->standing,
                arm->uncounted ? " or more" : "", SAY_COUNT(calls, "call"),
                calls ? 100.0 * (double)errors / (double)calls : 0.0);
    if (look_sum(times, SP_BINS) > 0)
        sp_text_put(&text, "; p50 %s p99 %s", SAY_TOOK(sp_bin_quantile(times, 0.5)),
                    SAY_TOOK(sp_bin_quantile(times, 0.99)));
    if (arm->arm && atomic_load(&arm->arm->would) > 0)
        sp_text_put(&text, "; %llu more would have gone there",
                    (unsigned long long)atomic_load(&arm->arm->would));
    if (arm->view.state == SP_STATE_OPEN && arm->view.hold == SP_HOLD_NONE)
        sp_text_put(&text, arm->view.until ? "; probe in %s" : "; the next call probes",
                    SAY_TOOK(arm->view.until));
    printf("  %-14s  %s\n", "", line);
}

void split_depth(const struct look *look, const struct look_dest *d)
{
    struct split_arm arm;
    struct sp_shift_note note;
    for (size_t nth = 0; split_arm(look, d, nth, &arm); nth++)
        split_depth_arm(look, d, &arm, nth == 0);
    if (split_shift(look, d, &note) && split_arm(look, d, note.target, &arm))
        printf("  %-14sto %s by %s (pid %u), begun %s ago\n", "shift", arm.name,
               event_who(note.uid), note.pid,
               SAY_AGE(look->wall > note.began ? look->wall - note.began : 0));
}

/* --- for machines --- */

static void split_json_counts(struct json *json, const char *key,
                              const uint64_t counts[SP_OUTCOME_COUNT])
{
    json_open(json, key, '{');
    for (unsigned i = 0; i < SP_OUTCOMES_WIRE; i++)
        json_count(json, sp_outcome_word(i), counts[i]);
    json_close(json, '}');
}

static void split_json_time(struct json *json, const char *key, const uint64_t *times, double q)
{
    bool any = look_sum(times, SP_BINS) > 0;
    json_number(json, key, any ? (double)sp_bin_quantile(times, q) / (double)SP_SECOND : NAN);
}

static void split_json_names(struct json *json, const struct look *look,
                             const struct sp_arm_policy *line)
{
    struct sp_addr addresses[SP_TARGET_ADDRESSES];
    uint64_t when = 0;
    size_t count = sp_target_get(look->segment, line->hash, addresses, &when);
    json_count(json, "addresses", count);
    json_number(json, "looked_up_s",
                count && when <= look->wall ? (double)(look->wall - when) / (double)SP_SECOND
                                            : NAN);
}

static void split_json_arm(struct json *json, const struct look *look, const struct look_dest *d,
                           const struct split_arm *arm)
{
    const uint64_t *times = split_times(arm, &d->guards);
    uint64_t errors, calls = split_calls(arm, &d->guards, &errors);
    bool waits = arm->view.state == SP_STATE_OPEN && arm->view.hold == SP_HOLD_NONE;
    json_open(json, NULL, '{');
    json_word(json, "name", arm->name);
    json_word(json, "to", sp_policy_string(look->policy, arm->line->text));
    json_number(json, "share", (double)arm->share / SP_SHARE_ALL);
    json_number(json, "share_policy", (double)arm->line->share / SP_SHARE_ALL);
    json_word(json, "state", sp_state_words[arm->view.state]);
    json_number(json, "since_s",
                arm->since == SP_NEVER ? NAN : (double)arm->since / (double)SP_SECOND);
    json_number(json, "next_probe_s", waits ? (double)arm->view.until / (double)SP_SECOND : NAN);
    json_count(json, "connections_total", arm->arm ? atomic_load(&arm->arm->taken) : 0);
    json_count(json, "would_total", arm->arm ? atomic_load(&arm->arm->would) : 0);
    json_count(json, "open_connections", arm->standing);
    json_count(json, "calls", calls);
    json_number(json, "errors_ratio", calls ? (double)errors / (double)calls : NAN);
    split_json_time(json, "p50_s", times, 0.5);
    split_json_time(json, "p99_s", times, 0.99);
    split_json_counts(json, "connects", arm->figures.connects);
    split_json_counts(json, "exchanges", arm->figures.exchanges);
    if (arm->line->kind == SP_FALLBACK_NAME)
        split_json_names(json, look, arm->line);
    json_close(json, '}');
}

void split_json(struct json *json, const struct look *look, const struct look_dest *d)
{
    struct split_arm arm;
    json_open(json, "arms", '[');
    for (size_t nth = 0; split_arm(look, d, nth, &arm); nth++)
        split_json_arm(json, look, d, &arm);
    json_close(json, ']');
}
