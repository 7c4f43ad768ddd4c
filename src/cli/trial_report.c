#include "cli/trial_report.h"

#include <bsd/string.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/near.h"
#include "cli/json.h"
#include "cli/objective.h"
#include "cli/say.h"

static const char *const trial_keys[TRIAL_FIGURES] = {
    "calls_per_s", "p50_s", "p95_s", "p99_s", "errors_ratio", "timeouts_ratio", "mb_per_s"};
static const char *const trial_titles[TRIAL_FIGURES] = {"calls/s", "p50",      "p95", "p99",
                                                        "errors",  "timeouts", "MB/s"};

/* The calls of one destination, or of all together. */
struct trial_part {
    char name[SP_NAME_SIZE];
    struct sp_span span;
    uint64_t bytes;
    struct trial_figures figures;
};

/* --- conditions --- */

int trial_condition(const char *text, struct trial_condition *out, struct sp_error *error)
{
    *out = (struct trial_condition){0};
    int result = objective_parse(text, out->dest, &out->condition, error);
    if (result == 0 && out->condition.window)
        return sp_error_set(error, 0, "the whole run is judged; leave 'for' out");
    return result;
}

/* --- figures --- */

static double trial_seconds(const struct sp_span *span, unsigned measure)
{
    struct sp_condition condition = {.measure = (uint8_t)measure, .limit = SP_NEVER};
    struct sp_measured m;
    sp_measure(&condition, span, &m);
    return m.calls == 0 || m.value == SP_NEVER ? NAN : (double)m.value / (double)SP_SECOND;
}

static void trial_figure(struct trial_part *part)
{
    const struct sp_span *s = &part->span;
    double seconds = (double)s->time / (double)SP_SECOND, calls = (double)s->calls;
    double *value = part->figures.value;
    value[TRIAL_RATE] = calls / seconds;
    value[TRIAL_P50] = trial_seconds(s, SP_MEASURE_P50);
    value[TRIAL_P95] = trial_seconds(s, SP_MEASURE_P95);
    value[TRIAL_P99] = trial_seconds(s, SP_MEASURE_P99);
    value[TRIAL_ERRORS] = s->calls ? (double)s->errors / calls : NAN;
    value[TRIAL_TIMEOUTS] = s->calls ? (double)s->timeouts / calls : NAN;
    value[TRIAL_MB] = (double)part->bytes / 1e6 / seconds;
}

static void trial_part(const struct trial *trial, uint32_t index, struct trial_part *part)
{
    struct sp_guards guards;
    struct sp_figures after;
    const struct sp_figures *before = &trial->before->figures[index];
    sp_segment_guards(trial->segment, index, &guards);
    sp_count_sum(&trial->segment->dests[index], &after);
    sp_span_between(&part->span, &guards, before, &after);
    part->bytes += after.sent - before->sent + (after.received - before->received);
    part->span.time = trial->time ? trial->time : 1;
    trial_figure(part);
}

/* --- for people --- */

static void trial_row(const struct trial_part *part)
{
    char safe[4 * SP_NAME_SIZE + 1], text[3][16], shares[2][16];
    const double *value = part->figures.value;
    for (int i = 0; i < 3; i++) {
        if (isfinite(value[TRIAL_P50 + i]))
            say_took(text[i], sizeof text[i], (uint64_t)(value[TRIAL_P50 + i] * 1e9));
        else
            strlcpy(text[i], part->span.calls ? "never" : "-", sizeof text[i]);
    }
    for (int i = 0; i < 2; i++)
        snprintf(shares[i], sizeof shares[i], isfinite(value[TRIAL_ERRORS + i]) ? "%.1f%%" : "-",
                 100 * value[TRIAL_ERRORS + i]);
    fprintf(stderr, "%-14s%9llu%9.0f%8s%8s%8s%8s%10s%9llu%8.2f\n",
            say_safe(safe, sizeof safe, part->name, SP_NAME_SIZE),
            (unsigned long long)part->span.calls, value[TRIAL_RATE], text[0], text[1], text[2],
            shares[0], shares[1], (unsigned long long)part->span.refused, value[TRIAL_MB]);
}

static void trial_verdict(const struct trial_condition *c, const struct sp_measured *m)
{
    char words[64], why[160];
    sp_condition_format(&c->condition, words, sizeof words);
    objective_why(&c->condition, m, why, sizeof why);
    fprintf(stderr, "  %s%s%-24s %s: %s%s%s%s\n", c->dest, *c->dest ? " " : "", words,
            objective_verdict(m), OBJECTIVE_VALUE(&c->condition, m), *why ? " (" : "", why,
            *why ? ")" : "");
}

static void trial_compare(const struct trial *trial, const struct trial_part *all)
{
    if (!trial->cli->against)
        return;
    fprintf(stderr, "  against %s:", trial->cli->against);
    for (int i = 0; i < TRIAL_FIGURES; i++) {
        double before = trial->against.value[i], now = all->figures.value[i];
        if (!isfinite(before) || !isfinite(now))
            fprintf(stderr, "  %s -", trial_titles[i]);
        else if (i == TRIAL_ERRORS || i == TRIAL_TIMEOUTS) /* a ratio to none says nothing */
            fprintf(stderr, "  %s %.1f%% -> %.1f%%", trial_titles[i], 100 * before, 100 * now);
        else if (before > 0)
            fprintf(stderr, "  %s x%.2f", trial_titles[i], now / before);
    }
    fputc('\n', stderr);
}

/* --- for machines --- */

static void trial_json_part(struct json *json, const struct trial_part *part)
{
    json_count(json, "calls", part->span.calls);
    for (int i = 0; i < TRIAL_FIGURES; i++)
        json_number(json, trial_keys[i], part->figures.value[i]);
    json_count(json, "errors", part->span.errors);
    json_count(json, "timeouts", part->span.timeouts);
    json_count(json, "refused", part->span.refused);
    json_count(json, "bytes", part->bytes);
}

static void trial_json_begin(const struct trial *trial, struct json *json,
                             const struct trial_part *all)
{
    json_open(json, NULL, '{');
    json_word(json, "command", trial->cli->words[0]);
    json_count(json, "status", (uint64_t)trial->status);
    json_number(json, "time_s", (double)trial->time / (double)SP_SECOND);
    trial_json_part(json, all);
}

int trial_load(const char *path, struct trial_figures *out, struct sp_error *error)
{
    char text[8192], key[64];
    FILE *file = fopen(path, "r");
    size_t n = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (!file)
        return sp_error_set(error, errno, "%s", strerror(errno));
    fclose(file);
    text[n] = 0;
    for (int i = 0; i < TRIAL_FIGURES; i++) { /* those of all calls stand before the lists */
        snprintf(key, sizeof key, "\"%s\":", trial_keys[i]);
        const char *at = strstr(text, key);
        if (!at)
            return sp_error_set(error, EPROTO, "this is nothing that `run --save` has written");
        at += strlen(key);
        out->value[i] = strncmp(at, "null", 4) == 0 ? NAN : strtod(at, NULL);
    }
    return 0;
}

/* --- all of it --- */

/* Which calls a condition is about: `parts[0]` are all. NULL: there is no such destination. */
static const struct trial_part *trial_about(const struct trial_part *parts, uint32_t count,
                                            const char *dest)
{
    for (uint32_t i = *dest ? 1 : 0; i < count; i++) {
        if (!*dest || strncmp(parts[i].name, dest, SP_NAME_SIZE) == 0)
            return &parts[i];
    }
    return NULL;
}

static void trial_unknown(const char *dest, const struct trial_part *parts, uint32_t count)
{
    struct sp_near near = sp_near_begin(dest, strlen(dest));
    for (uint32_t i = 1; i < count; i++)
        sp_near_try(&near, parts[i].name);
    fprintf(stderr, "  %s: the segment has no such destination%s%s%s\n", dest,
            near.best ? "; did you mean '" : "", near.best ? near.best : "", near.best ? "'?" : "");
}

/* Too few calls are no proof: here somebody asked for one. */
static bool trial_judge(const struct trial *trial, const struct trial_part *parts, uint32_t count,
                        struct json *json)
{
    struct trial_condition c;
    struct sp_measured m;
    bool kept = true;
    for (int i = 0; i < trial->cli->slo_count; i++) {
        if (trial_condition(trial->cli->slo[i], &c, NULL) != 0)
            continue;
        const struct trial_part *part = trial_about(parts, count, c.dest);
        if (!part) {
            trial_unknown(c.dest, parts, count);
            kept = false;
            continue;
        }
        sp_measure(&c.condition, &part->span, &m);
        bool holds = m.verdict == SP_MEASURED_HOLDS;
        if (!trial->cli->quiet || !holds)
            trial_verdict(&c, &m);
        kept = kept && holds;
        json_open(json, NULL, '{');
        if (*c.dest)
            json_word(json, "destination", c.dest);
        objective_json(json, &c.condition, &m);
        json_close(json, '}');
    }
    return kept;
}

/* parts[0]: all together; then a part for each name. */
static uint32_t trial_gather(const struct trial *trial, struct trial_part *parts)
{
    uint32_t count = 1;
    strlcpy(parts[0].name, "all", sizeof parts[0].name);
    for (uint32_t i = 0; i < trial->segment->dest_max; i++) {
        if (!trial->segment->dests[i].name[0])
            continue;
        look_name(parts[count].name, trial->segment->dests[i].name);
        trial_part(trial, i, &parts[count++]);
        trial_part(trial, i, &parts[0]);
    }
    return count;
}

static void trial_table(const struct trial *trial, const struct trial_part *parts, uint32_t count)
{
    uint32_t shown = 0;
    if (trial->cli->quiet)
        return;
    fprintf(stderr, "%-14s%9s%9s%8s%8s%8s%8s%10s%9s%8s\n", "DESTINATION", "CALLS", "CALLS/S", "P50",
            "P95", "P99", "ERRORS", "TIMEOUTS", "REFUSED", "MB/S");
    for (uint32_t i = 1; i < count; i++) {
        if (parts[i].span.calls + parts[i].span.refused == 0)
            continue;
        trial_row(&parts[i]);
        shown++;
    }
    if (shown != 1)
        trial_row(&parts[0]);
    if (trial->others > 0)
        fprintf(stderr, "  %s shared the segment: their calls are counted, too (--private)\n",
                SAY_COUNT(trial->others, "process"));
}

bool trial_report(const struct trial *trial)
{
    const char *path = trial->cli->save;
    struct trial_part *parts = calloc(trial->segment->dest_max + 1, sizeof *parts);
    FILE *file = fopen(path ? path : "/dev/null", "w");
    struct json json = {.out = file};
    if (!parts || !file) {
        say_error("%s: %s", path ? path : "/dev/null", strerror(errno));
        free(parts);
        if (file)
            fclose(file);
        return false;
    }
    uint32_t count = trial_gather(trial, parts);
    trial_table(trial, parts, count);
    trial_json_begin(trial, &json, &parts[0]);
    json_open(&json, "slo", '[');
    bool kept = trial_judge(trial, parts, count, &json);
    json_close(&json, ']');
    json_bool(&json, "kept", kept);
    json_open(&json, "destinations", '[');
    for (uint32_t i = 1; i < count; i++) {
        json_open(&json, NULL, '{');
        json_text(&json, "name", parts[i].name, SP_NAME_SIZE);
        trial_json_part(&json, &parts[i]);
        json_close(&json, '}');
    }
    json_close(&json, ']');
    json_close(&json, '}');
    fputc('\n', file);
    trial_compare(trial, &parts[0]);
    if (fclose(file) != 0 && path) {
        say_error("%s: %s", path, strerror(errno));
        kept = false;
    }
    free(parts);
    return kept;
}
