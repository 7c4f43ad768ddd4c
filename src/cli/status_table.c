#include <bsd/string.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/endpoints.h"
#include "cli/event.h"
#include "cli/fallback.h"
#include "cli/objective.h"
#include "cli/say.h"
#include "cli/split.h"
#include "cli/status.h"
#include "shearpin/chaos.h"

#define STATE_WIDTH 15

/* --- why --- */

/* A trip by hand explains an open breaker only until it trips again by itself. */
static bool status_by_hand(const struct look_dest *d)
{
    bool kind = d->steer.kind == SP_EVENT_TRIP || d->steer.kind == SP_EVENT_HOLD;
    if (!kind || d->view.hold != SP_HOLD_NONE)
        return kind;
    return d->view.state != SP_STATE_CLOSED && !(d->tripped && d->trip.wall > d->steer.wall);
}

static void status_put_reason(struct sp_text_out *text, const struct sp_steer *steer)
{
    char safe[4 * sizeof steer->reason + 1];
    if (steer->reason[0])
        sp_text_put(text, ": %s", say_safe(safe, sizeof safe, steer->reason, sizeof steer->reason));
}

static void status_operator(const struct look *look, const struct look_dest *d,
                            struct sp_text_out *text)
{
    const struct sp_steer *s = &d->steer;
    if (look->disabled)
        sp_text_put(text, "the whole segment is disabled");
    if (d->disabled) {
        sp_text_put(text, "%sdisabled", text->length ? "; " : "");
        if (s->kind == SP_EVENT_DISABLE) {
            sp_text_put(text, " by %s", event_who(s->uid));
            status_put_reason(text, s);
        }
    }
    bool held = d->view.hold != SP_HOLD_NONE;
    if (!held && !status_by_hand(d))
        return;
    sp_text_put(text, "%s%s", text->length ? "; " : "", held ? "held" : "tripped");
    if (status_by_hand(d))
        sp_text_put(text, " by %s", event_who(s->uid));
    if (held && d->view.until)
        sp_text_put(text, ", %s left", SAY_AGE(d->view.until));
    if (status_by_hand(d))
        status_put_reason(text, s);
}

static void status_breaker(const struct look_dest *d, struct sp_text_out *text)
{
    char reason[160] = "";
    bool held = d->view.hold != SP_HOLD_NONE;
    const char *sep = text->length ? "; " : "";
    if (d->tripped && !held && !status_by_hand(d))
        event_reason(&d->trip, reason, sizeof reason);
    if (d->view.state == SP_STATE_CLOSED || held) {
        if (d->view.streak > 0 && !held)
            sp_text_put(text, "%s%s in a row", sep, SAY_COUNT(d->view.streak, "failure"));
        return;
    }
    sp_text_put(text, "%s%s", *reason ? sep : "", reason);
    sep = text->length ? "; " : "";
    if (d->guards.pass && d->named)
        sp_text_put(text, "%severything passes", sep);
    sep = text->length ? "; " : "";
    if (d->view.state == SP_STATE_HALF_OPEN)
        return;
    if (d->view.until >= SP_SECOND)
        sp_text_put(text, "%sprobe in %s", sep, SAY_AGE(d->view.until));
    else if (d->view.until > 0)
        sp_text_put(text, "%sprobe in %s", sep, SAY_TOOK(d->view.until));
    else
        sp_text_put(text, "%sthe next call probes", sep);
}

/* What is seen here may be made by hand. */
static void status_chaos(const struct look *look, const struct look_dest *d,
                         struct sp_text_out *text)
{
    const struct sp_chaos *chaos = sp_chaos_on(look->segment, d->index, look->now);
    if (chaos)
        sp_text_put(text, "%sexperiment %s, %s left", text->length ? "; " : "",
                    say_safe(SAY_SAFE(chaos->name)),
                    SAY_AGE(chaos->end > look->now ? chaos->end - look->now : 0));
}

static void status_slo(const struct look *look, const struct look_dest *d, struct sp_text_out *text)
{
    struct objective o;
    if (objective_broken(look, d, &o))
        sp_text_put(text, "%sslo broken: %s %s", text->length ? "; " : "",
                    sp_measure_word(o.condition.measure),
                    OBJECTIVE_VALUE(&o.condition, &o.measured));
}

/* Where each address has a breaker of its own. */
static void status_endpoints(const struct look *look, const struct look_dest *d,
                             struct sp_text_out *text)
{
    struct sp_scope_count count = endpoints_count(look, d);
    if (count.out == 0)
        return;
    sp_text_put(text, "%s%u of %s out", text->length ? "; " : "", count.out,
                say_count((char[64]){0}, 64, count.known, "address"));
    if (count.out > count.most)
        sp_text_put(text, ", more than %u: all are let through", count.most);
}

void status_why(const struct look *look, const struct look_dest *d, char *out, size_t size)
{
    char where[400];
    struct sp_text_out text = sp_text_out(out, size);
    uint64_t detected = look_sum(d->shown.detected, 3);
    uint64_t late = look_sum(d->shown.observed.late, SP_DEADLINE_COUNT);
    status_operator(look, d, &text);
    status_chaos(look, d, &text);
    status_breaker(d, &text);
    status_endpoints(look, d, &text);
    const char *sep = text.length ? "; " : "";
    if (d->waiting)
        sp_text_put(&text, "%s%u waiting for a place", sep, d->waiting);
    fallback_why(look, d, where, sizeof where);
    sp_text_put(&text, "%s%s", *where && text.length ? "; " : "", where);
    split_why(look, d, where, sizeof where);
    sp_text_put(&text, "%s%s", *where && text.length ? "; " : "", where);
    status_slo(look, d, &text);
    sep = text.length ? "; " : "";
    if (!d->named)
        sp_text_put(&text, "%sthe policy does not name it any more", sep);
    else if (d->guards.mode == SP_MODE_OBSERVE && late)
        sp_text_put(&text, "%sonly observed: %llu would have been refused, %llu cut", sep,
                    (unsigned long long)detected, (unsigned long long)late);
    else if (d->guards.mode == SP_MODE_OBSERVE && detected)
        sp_text_put(&text, "%sonly observed: %llu would have been refused", sep,
                    (unsigned long long)detected);
    else if (d->guards.mode == SP_MODE_OBSERVE)
        sp_text_put(&text, "%sonly observed", sep);
}

/* --- the table --- */

void status_state(const struct look *look, const struct look_dest *d, char *out, size_t size)
{
    const char *empty = say_symbol(SAY_EMPTY), *full = say_symbol(SAY_FULL);
    if (look->disabled || d->disabled)
        snprintf(out, size, "%s disabled", empty);
    else if (!d->named || d->guards.mode == SP_MODE_OFF)
        snprintf(out, size, "%s off", empty);
    else if (d->view.hold != SP_HOLD_NONE)
        snprintf(out, size, "%s held %s", full, d->view.hold == SP_HOLD_OPEN ? "open" : "closed");
    else if (d->view.state == SP_STATE_HALF_OPEN)
        snprintf(out, size, "%s probing %u/%u", say_symbol(SAY_HALF), d->view.successes,
                 d->view.needed);
    else if (d->view.state == SP_STATE_OPEN)
        snprintf(out, size, "%s open %s", full, d->since == SP_NEVER ? "" : SAY_AGE(d->since));
    else
        snprintf(out, size, "%s closed", full);
}

static void status_put_state(const char *state)
{
    size_t columns = 0;
    for (const char *p = state; *p; p++)
        columns += (*p & 0xc0) != 0x80;
    printf("%s%*s", state, columns < STATE_WIDTH ? (int)(STATE_WIDTH - columns) : 1, "");
}

/* enforcing, observing, or how many of each. */
static void status_modes(const struct look *look, char *out, size_t size)
{
    static const char *const words[SP_MODE_COUNT] = {"enforcing", "observing", "off"};
    struct sp_text_out text = sp_text_out(out, size);
    uint32_t modes[SP_MODE_COUNT] = {0}, all = 0;
    for (uint32_t i = 0; i < look->count; i++) {
        if (look->dests[i].named && look->dests[i].guards.mode < SP_MODE_COUNT) {
            modes[look->dests[i].guards.mode]++;
            all++;
        }
    }
    for (int m = 0; m < SP_MODE_COUNT; m++) {
        if (modes[m] == 0)
            continue;
        sp_text_put(&text, "%s%s", text.length ? ", " : "", words[m]);
        if (modes[m] < all)
            sp_text_put(&text, " %u of %u", modes[m], all);
    }
    if (look->disabled)
        strlcpy(out, "disabled: every call goes straight through", size);
}

void status_head(const struct look *look)
{
    char modes[96], path[600] = "(damaged)";
    const struct sp_policy *p = look->policy;
    if (p)
        say_safe(path, sizeof path, sp_policy_string(p, p->path), 140);
    status_modes(look, modes, sizeof modes);
    uint64_t age = look->wall > look->loaded ? look->wall - look->loaded : 0;
    printf("%s   %s   policy %s, generation %llu, loaded %s ago   %s\n\n",
           where_name(look->segment), SAY_COUNT(look->processes, "process"), path,
           (unsigned long long)look->generation, SAY_AGE(age), modes);
}

void status_table_head(void)
{
    printf("%-15s%-15s%7s%8s%7s%7s%8s%13s  %s\n", "DESTINATION", "STATE", "CALLS/S", "ERRORS",
           "P50", "P99", "IN USE", "REFUSED/MIN", "WHY");
}

static void status_cells(const struct look_dest *d)
{
    char errors[24] = "-", cap[24] = "-";
    if (d->calls > 0)
        snprintf(errors, sizeof errors, "%.1f%%", 100.0 * (double)d->errors / (double)d->calls);
    if (d->capped)
        snprintf(cap, sizeof cap, "%u/%u", d->cap_held, d->cap_limit);
    printf("%7.0f%8s%7s%7s%8s%13.0f", d->calls_per_s, errors, d->p50 ? SAY_TOOK(d->p50) : "-",
           d->p99 ? SAY_TOOK(d->p99) : "-", cap, d->refused_per_min);
}

void status_row(const struct look *look, const struct look_dest *d)
{
    char name[4 * SP_NAME_SIZE + 1], state[64], why[600];
    say_safe(name, sizeof name, d->name, SP_NAME_SIZE);
    status_state(look, d, state, sizeof state);
    status_why(look, d, why, sizeof why);
    printf("%-14s ", name);
    status_put_state(state);
    status_cells(d);
    printf("%s%s\n", *why ? "  " : "", why);
}

static void status_side(const struct look_side *s, const char *name, uint32_t share, bool observed)
{
    char title[40], percent[16], errors[24] = "-", why[120] = "";
    struct sp_text_out text = sp_text_out(why, sizeof why);
    sp_text_format_share(share, percent, sizeof percent);
    snprintf(title, sizeof title, "%s %s", name, percent);
    if (s->calls > 0)
        snprintf(errors, sizeof errors, "%.1f%%", 100.0 * (double)s->errors / (double)s->calls);
    sp_text_put(&text, "%s, %llu %srefused, %llu cut", SAY_COUNT(s->calls, "call"),
                (unsigned long long)s->refused, observed ? "would have been " : "",
                (unsigned long long)s->cut);
    printf("  %-27s %7.0f%8s%7s%7s%8s%13s  %s\n", title, s->calls_per_s, errors,
           s->p50 ? SAY_TOOK(s->p50) : "-", s->p99 ? SAY_TOOK(s->p99) : "-", "", "", why);
}

void status_sides(const struct look_dest *d)
{
    if (!d->named || d->guards.mode != SP_MODE_ENFORCE || d->guards.share == 0)
        return;
    status_side(&d->side[LOOK_ENFORCED], "enforced", d->guards.share, false);
    status_side(&d->side[LOOK_OBSERVED], "observed", SP_SHARE_ALL - d->guards.share, true);
}

void status_other(const struct look *look)
{
    char state[32], why[96] = "";
    uint32_t known = atomic_load(&look->segment->head->unmatched_known);
    if (look->unmatched == 0)
        return;
    snprintf(state, sizeof state, "%s unmatched", say_symbol(SAY_EMPTY));
    if (known > 0)
        snprintf(why, sizeof why, "%s no rule matches",
                 say_count((char[40]){0}, 40, known, "address"));
    else
        snprintf(why, sizeof why, "%s no rule matched", SAY_COUNT(look->unmatched, "connect"));
    printf("%-14s ", "other");
    status_put_state(state);
    printf("%7.0f%8s%7s%7s%8s%13s  %s\n", look->unmatched_per_s, "-", "-", "-", "-", "-", why);
}
