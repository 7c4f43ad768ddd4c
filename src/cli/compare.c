/* compare.c - is an arm as good as it has to be? */
#include "cli/compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/memory.h"
#include "cli/objective.h"
#include "cli/say.h"

#define COMPARE_STEP (250 * SP_MS)

/* --- figures --- */

static struct sp_arm *compare_arm(const struct compare *compare, uint32_t arm)
{
    const struct arms *arms = compare->arms;
    return sp_arm_named(&arms->segment, arms->dest, arms->lines[arm].name);
}

static void compare_figures_of(const struct compare *compare, uint32_t arm, struct sp_figures *out)
{
    const struct sp_arm *found = compare_arm(compare, arm);
    memset(out, 0, sizeof *out);
    if (found)
        sp_arm_sum(found, &compare->arms->guards, out);
}

static void compare_others(const struct compare *compare, struct sp_figures *out)
{
    struct sp_figures *one = memory_new(1, sizeof *one);
    memset(out, 0, sizeof *out);
    for (uint32_t i = 0; i < compare->arms->count; i++) {
        if (i == compare->target)
            continue;
        compare_figures_of(compare, i, one);
        for (size_t w = 0; w < sizeof *one / sizeof(uint64_t); w++)
            ((uint64_t *)(void *)out)[w] += ((uint64_t *)(void *)one)[w];
    }
    free(one);
}

static void compare_span(const struct compare *compare, const struct sp_figures *before,
                         const struct sp_figures *after, uint64_t time, struct sp_span *out)
{
    *out = (struct sp_span){.time = time};
    sp_span_between(out, &compare->arms->guards, before, after);
}

static uint64_t compare_p95(const struct sp_span *span)
{
    struct sp_condition p95 = {.measure = SP_MEASURE_P95, .limit = SP_NEVER};
    struct sp_measured measured;
    sp_measure(&p95, span, &measured);
    return measured.value;
}

static struct compare_figures compare_short(const struct sp_span *span)
{
    return (struct compare_figures){span->calls, span->errors, compare_p95(span)};
}

/* --- conditions --- */

static int compare_condition(struct compare *compare, const char *text)
{
    struct sp_condition *condition = &compare->conditions[compare->count];
    struct sp_error error;
    if (sp_condition_parse(text, strlen(text), condition, &error) != 0) {
        say_error("--healthy '%s': %s", text, error.text);
        return CLI_USAGE;
    }
    if (condition->window > compare->longest)
        compare->longest = condition->window;
    compare->count++;
    return CLI_OK;
}

static bool compare_said(const struct compare *compare, enum sp_measure_kind kind)
{
    for (uint32_t i = 0; i < compare->count; i++) {
        if (sp_measure_kind(compare->conditions[i].measure) == kind &&
            compare->conditions[i].measure != SP_MEASURE_REFUSED)
            return true;
    }
    return false;
}

static void compare_derive(struct compare *compare, enum sp_measure measure)
{
    compare->conditions[compare->count] = (struct sp_condition){.measure = (uint8_t)measure};
    compare->derived[compare->count++] = true;
}

int compare_open(struct compare *compare, const struct cli *cli, struct arms *arms, uint32_t target)
{
    int status = CLI_OK;
    *compare = (struct compare){.arms = arms, .target = target};
    for (int i = 0; status == CLI_OK && i < cli->slo_count; i++)
        status = compare_condition(compare, cli->slo[i]);
    if (status != CLI_OK)
        return status;
    if (!compare_said(compare, SP_MEASURE_SHARE_KIND))
        compare_derive(compare, SP_MEASURE_ERRORS);
    if (!compare_said(compare, SP_MEASURE_TIME_KIND))
        compare_derive(compare, SP_MEASURE_P95);
    compare->marks = memory_new(COMPARE_MARKS, sizeof *compare->marks);
    compare->others = memory_new(2, sizeof *compare->others);
    compare->others_stage = compare->others + 1;
    compare_others(compare, compare->others);
    return CLI_OK;
}

void compare_close(struct compare *compare)
{
    free(compare->marks);
    free(compare->others);
    compare->marks = NULL;
    compare->others = NULL;
}

/* What the others did since all began; when that is too little to tell, in all of their life. */
static void compare_basis(const struct compare *compare, struct sp_span *out)
{
    static const struct sp_figures none;
    struct sp_figures *now = memory_new(1, sizeof *now);
    compare_others(compare, now);
    compare_span(compare, compare->others, now, SP_SECOND, out);
    if (out->calls < COMPARE_CALLS)
        compare_span(compare, &none, now, SP_SECOND, out);
    free(now);
}

/* False: the others give no measure for it, so it is not asked. */
static bool compare_limit(const struct sp_span *basis, struct sp_condition *condition)
{
    if (condition->measure == SP_MEASURE_ERRORS) {
        uint64_t share = basis->calls ? basis->errors * SP_SHARE_ALL / basis->calls : 0;
        condition->limit = share + COMPARE_ERRORS_MORE;
        return true;
    }
    uint64_t p95 = compare_p95(basis);
    condition->limit = (2 * p95 + COMPARE_TIME_MORE) / SP_MS * SP_MS;
    return p95 != 0 && p95 != SP_NEVER;
}

/* --- a stage --- */

void compare_begin(struct compare *compare, uint64_t now)
{
    const struct sp_arm *arm = compare_arm(compare, compare->target);
    compare->mark_count = 1;
    compare->marks[0].at = now;
    compare_figures_of(compare, compare->target, &compare->marks[0].figures);
    compare_others(compare, compare->others_stage);
    compare->opened = arm ? (uint32_t)atomic_load(&arm->endpoint.cell.opened) : 0;
    compare->arm = compare->rest = (struct compare_figures){0};
}

/* Keeps the figures of now for later windows: the first of the stage, and then those of the last
 * `longest` in steps. */
static void compare_keep(struct compare *compare, uint64_t now, const struct sp_figures *figures)
{
    uint64_t part = compare->longest / (COMPARE_MARKS / 2);
    uint64_t step = part > COMPARE_STEP ? part : COMPARE_STEP;
    if (now - compare->marks[compare->mark_count - 1].at < step)
        return;
    if (compare->mark_count == COMPARE_MARKS) {
        compare->mark_count--;
        memmove(&compare->marks[1], &compare->marks[2],
                (COMPARE_MARKS - 2) * sizeof *compare->marks);
    }
    compare->marks[compare->mark_count].at = now;
    compare->marks[compare->mark_count++].figures = *figures;
}

/* The last `window`, and as much more of the stage as it takes to have enough calls. */
static void compare_window(const struct compare *compare, const struct sp_condition *condition,
                           uint64_t now, const struct sp_figures *figures, struct sp_span *out)
{
    uint32_t i = compare->mark_count;
    uint64_t needed = sp_measure_needed(condition);
    do {
        const struct compare_mark *mark = &compare->marks[--i];
        if (i > 0 && (condition->window == 0 || now - mark->at < condition->window))
            continue;
        compare_span(compare, &mark->figures, figures, now - mark->at, out);
        if (out->calls >= needed)
            return;
    } while (i > 0);
}

static void compare_why(const struct compare *compare, uint32_t i, const struct sp_measured *m,
                        char *out, size_t size)
{
    const struct sp_condition *condition = &compare->conditions[i];
    const char *arm = compare->arms->lines[compare->target].name;
    char said[64], detail[120];
    struct sp_text_out text = sp_text_out(out, size);
    struct sp_condition plain = *condition;
    plain.window = 0; /* it was measured over what the text says */
    sp_condition_format(compare->derived[i] ? &plain : condition, said, sizeof said);
    if (m->verdict == SP_MEASURED_FEW) {
        sp_text_put(&text, "'%s' needs %s on %s, %llu so far", said,
                    SAY_COUNT(m->needed ? m->needed : 1, "call"), arm,
                    (unsigned long long)m->calls);
        return;
    }
    objective_why(condition, m, detail, sizeof detail);
    sp_text_put(&text, "%s of %s %s, not %s%s%s%s", sp_measure_word(condition->measure), arm,
                OBJECTIVE_VALUE(condition, m),
                said + strlen(sp_measure_word(condition->measure)) + 1,
                compare->derived[i] ? " as the others allow" : "", *detail ? ": " : "", detail);
}

static bool compare_opened(const struct compare *compare)
{
    const struct sp_arm *arm = compare_arm(compare, compare->target);
    return arm && (uint32_t)atomic_load(&arm->endpoint.cell.opened) != compare->opened;
}

static enum sp_measured_verdict compare_conditions(struct compare *compare, uint64_t now,
                                                   const struct sp_figures *figures, char *why,
                                                   size_t size)
{
    enum sp_measured_verdict all = SP_MEASURED_HOLDS;
    struct sp_span *span = memory_new(2, sizeof *span), *basis = span + 1;
    compare_basis(compare, basis);
    for (uint32_t i = 0; i < compare->count && all != SP_MEASURED_BROKEN; i++) {
        struct sp_condition *condition = &compare->conditions[i];
        struct sp_measured measured;
        if (compare->derived[i] && !compare_limit(basis, condition))
            continue;
        compare_window(compare, condition, now, figures, span);
        sp_measure(condition, span, &measured);
        if (compare->derived[i] && measured.calls < COMPARE_CALLS &&
            condition->measure != SP_MEASURE_ERRORS) {
            measured.verdict = SP_MEASURED_FEW;
            measured.needed = COMPARE_CALLS;
        }
        if (measured.verdict == SP_MEASURED_HOLDS ||
            (measured.verdict == SP_MEASURED_FEW && all == SP_MEASURED_FEW))
            continue;
        all = measured.verdict;
        compare_why(compare, i, &measured, why, size);
    }
    free(span);
    return all;
}

enum sp_measured_verdict compare_look(struct compare *compare, uint64_t now, char *why, size_t size)
{
    struct sp_figures *figures = memory_new(2, sizeof *figures), *others = figures + 1;
    struct sp_span *span = memory_new(1, sizeof *span);
    *why = 0;
    compare_figures_of(compare, compare->target, figures);
    compare_others(compare, others);
    compare_span(compare, &compare->marks[0].figures, figures, SP_SECOND, span);
    compare->arm = compare_short(span);
    compare_span(compare, compare->others_stage, others, SP_SECOND, span);
    compare->rest = compare_short(span);
    enum sp_measured_verdict verdict = compare_conditions(compare, now, figures, why, size);
    if (verdict != SP_MEASURED_BROKEN && compare_opened(compare)) {
        verdict = SP_MEASURED_BROKEN;
        snprintf(why, size, "the breaker of %s has opened",
                 compare->arms->lines[compare->target].name);
    }
    compare_keep(compare, now, figures);
    free(span);
    free(figures);
    return verdict;
}
