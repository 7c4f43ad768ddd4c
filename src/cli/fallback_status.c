/* fallback_status.c - what went to fallbacks, for status: a destination on one never looks well. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/fallback.h"
#include "cli/json.h"
#include "cli/say.h"

#define FALLBACK_NOW (60 * SP_SECOND) /* what was used so lately is shown */

static const struct sp_spill *fallback_last(const struct look *look, const struct look_dest *d)
{
    const struct sp_spill *spills = look->segment->dests[d->index].spills, *last = &spills[0];
    for (size_t i = 1; i < SP_SPILLS; i++) {
        if (atomic_load(&spills[i].last) > atomic_load(&last->last))
            last = &spills[i];
    }
    return last;
}

static void fallback_to(const struct look *look, const struct look_dest *d,
                        const struct sp_spill *spill, char *out, size_t size)
{
    if (!fallback_named(look->policy, d->name, atomic_load(&spill->of), out, size))
        snprintf(out, size, "(no longer in the policy)");
}

void fallback_why(const struct look *look, const struct look_dest *d, char *out, size_t size)
{
    char to[320];
    const struct sp_spill *last = fallback_last(look, d);
    uint64_t at = atomic_load(&last->last);
    *out = 0;
    bool now = at != 0 && (at > look->now || look->now - at < FALLBACK_NOW);
    if (!now && d->fallback_per_s == 0)
        return;
    fallback_to(look, d, last, to, sizeof to);
    if (d->fallback_per_s >= 0.5)
        snprintf(out, size, "%.0f/s on fallback %s", d->fallback_per_s, to);
    else
        snprintf(out, size, "last on fallback %s, %s ago", to,
                 SAY_AGE(look->now > at ? look->now - at : 0));
}

/* --- in depth --- */

static const struct sp_spill *fallback_spill(const struct look *look, const struct look_dest *d,
                                             const struct sp_fallback *line)
{
    const struct sp_spill *spills = look->segment->dests[d->index].spills;
    for (size_t i = 0; i < SP_SPILLS; i++) {
        if (atomic_load(&spills[i].of) == sp_fallback_id(line))
            return &spills[i];
    }
    return NULL;
}

static void fallback_depth_line(const struct look *look, const struct look_dest *d,
                                const struct sp_fallback *line, bool first)
{
    char target[320], text[200];
    struct sp_addr addresses[SP_TARGET_ADDRESSES];
    struct sp_text_out out = sp_text_out(text, sizeof text);
    const struct sp_spill *spill = fallback_spill(look, d, line);
    uint64_t when, last = spill ? atomic_load(&spill->last) : 0;
    sp_text_put(&out, "%s", SAY_COUNT(spill ? atomic_load(&spill->total) : 0, "connection"));
    if (last && last <= look->now)
        sp_text_put(&out, ", the last %s ago", SAY_AGE(look->now - last));
    size_t count = line->kind == SP_FALLBACK_NAME
                       ? sp_target_get(look->segment, line->hash, addresses, &when)
                       : 1;
    if (line->kind == SP_FALLBACK_NAME && count)
        sp_text_put(&out, "; %s, looked up %s ago", SAY_COUNT(count, "address"),
                    SAY_AGE(look->wall > when ? look->wall - when : 0));
    else if (line->kind == SP_FALLBACK_RESPOND && !sp_reply_lives(look->segment))
        sp_text_put(&out, "; nobody is there to answer: the next `shearpin run` starts it");
    else if (count == 0)
        sp_text_put(&out, "; not looked up, so it is none: shearpin reload");
    printf("  %-14s%s: %s\n", first ? "fallback" : "",
           fallback_target(look->policy, line, target, sizeof target), text);
}

static void fallback_outcomes(const char *title, const uint64_t counts[SP_OUTCOMES_WIRE])
{
    char line[300];
    struct sp_text_out text = sp_text_out(line, sizeof line);
    for (unsigned i = 0; i < SP_OUTCOMES_WIRE; i++) {
        if (counts[i])
            sp_text_put(&text, "%s%s %llu", text.length ? "  " : "", sp_outcome_word(i),
                        (unsigned long long)counts[i]);
    }
    if (text.length)
        printf("  %-14s%s %s\n", "", title, line);
}

static const struct sp_row *fallback_row(const struct look *look, const struct look_dest *d)
{
    return look->policy && d->named ? sp_policy_row(look->policy, d->rank) : NULL;
}

void fallback_depth(const struct look *look, const struct look_dest *d)
{
    const struct sp_row *row = fallback_row(look, d);
    const struct sp_fallback *line;
    for (size_t nth = 0; row && (line = fallback_at(look->policy, row, nth)) != NULL; nth++)
        fallback_depth_line(look, d, line, nth == 0);
    fallback_outcomes("connects", d->shown.fallback[1]);
    fallback_outcomes("exchanges", d->shown.fallback[0]);
}

/* --- for machines --- */

bool fallback_total(const struct look *look, const struct look_dest *d, size_t nth, char *to,
                    size_t size, uint64_t *total)
{
    const struct sp_row *row = fallback_row(look, d);
    const struct sp_fallback *line = row ? fallback_at(look->policy, row, nth) : NULL;
    const struct sp_spill *spill = line ? fallback_spill(look, d, line) : NULL;
    if (line)
        fallback_target(look->policy, line, to, size);
    *total = spill ? atomic_load(&spill->total) : 0;
    return line != NULL;
}

static void fallback_json_counts(struct json *json, const char *key,
                                 const uint64_t counts[SP_OUTCOMES_WIRE])
{
    json_open(json, key, '{');
    for (unsigned i = 0; i < SP_OUTCOMES_WIRE; i++)
        json_count(json, sp_outcome_word(i), counts[i]);
    json_close(json, '}');
}

static void fallback_json_line(struct json *json, const struct look *look,
                               const struct look_dest *d, const struct sp_fallback *line)
{
    char target[320], when[32];
    struct sp_addr addresses[SP_TARGET_ADDRESSES];
    const struct sp_spill *spill = fallback_spill(look, d, line);
    uint64_t at = 0;
    sp_when_format(line->when, when, sizeof when);
    json_open(json, NULL, '{');
    json_word(json, "to", fallback_target(look->policy, line, target, sizeof target));
    json_word(json, "when", when);
    json_count(json, "total", spill ? atomic_load(&spill->total) : 0);
    if (line->kind == SP_FALLBACK_NAME) {
        size_t count = sp_target_get(look->segment, line->hash, addresses, &at);
        json_count(json, "addresses", count);
        json_number(json, "looked_up_s",
                    count && at <= look->wall ? (double)(look->wall - at) / (double)SP_SECOND
                                              : NAN);
    }
    json_close(json, '}');
}

void fallback_json(struct json *json, const struct look *look, const struct look_dest *d)
{
    char to[320];
    const struct sp_row *row = fallback_row(look, d);
    const struct sp_fallback *line;
    const struct sp_spill *last = fallback_last(look, d);
    if (d->life.diverted == 0 && (!row || row->fallback_count == 0)) {
        json_null(json, "fallback");
        return;
    }
    json_open(json, "fallback", '{');
    if (atomic_load(&last->last) == 0 && row && (line = fallback_at(look->policy, row, 0)) != NULL)
        fallback_target(look->policy, line, to, sizeof to);
    else
        fallback_to(look, d, last, to, sizeof to);
    json_word(json, "to", to);
    json_count(json, "total", d->life.diverted);
    json_number(json, "calls_per_s", d->fallback_per_s);
    fallback_json_counts(json, "connects", d->shown.fallback[1]);
    fallback_json_counts(json, "exchanges", d->shown.fallback[0]);
    json_open(json, "lines", '[');
    for (size_t nth = 0; row && (line = fallback_at(look->policy, row, nth)) != NULL; nth++)
        fallback_json_line(json, look, d, line);
    json_close(json, ']');
    json_close(json, '}');
}
