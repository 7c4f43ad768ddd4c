/* chaos_sum.c - before, during and after: what the calls of a target were. Its figures at the start
 * are a mark; at the end what came between is summed up, and the mark is made anew. */
#include "state/chaos.h"

#include <string.h>

#include "base/clock.h"

#define CHAOS_BEFORE (60 * SP_SECOND) /* of what came before, where that is known */

uint64_t sp_chaos_opened(const struct sp_segment *segment, uint32_t dest)
{
    const struct sp_dest *d = sp_segment_dest(segment, dest);
    uint64_t opened = d ? atomic_load_explicit(&d->cell.opened, memory_order_relaxed) : 0;
    for (uint32_t i = 0; d && i < SP_ENDPOINTS; i++) {
        const struct sp_endpoint *e = sp_endpoint_of(segment, dest, i, NULL);
        if (e)
            opened += atomic_load_explicit(&e->cell.opened, memory_order_relaxed);
    }
    return opened;
}

static void sum_of(struct sp_chaos_sum *out, const struct sp_span *span, uint64_t opened)
{
    *out = (struct sp_chaos_sum){.calls = span->calls,
                                 .errors = span->errors,
                                 .timeouts = span->timeouts,
                                 .refused = span->refused,
                                 .retried = span->retried,
                                 .opened = opened,
                                 .p50 = sp_span_quantile(span, 500),
                                 .p75 = sp_span_quantile(span, 250),
                                 .p90 = sp_span_quantile(span, 100),
                                 .p95 = sp_span_quantile(span, 50),
                                 .p99 = sp_span_quantile(span, 10),
                                 .p999 = sp_span_quantile(span, 1)};
    out->time = span->time;
}

/* --- marks --- */

static struct sp_moment *chaos_mark(const struct sp_segment *segment, const struct sp_chaos *chaos,
                                    uint32_t target)
{
    uint32_t mark = chaos->targets[target].mark;
    return mark > 0 && mark <= SP_MARKS ? &segment->marks[mark - 1] : NULL;
}

static struct sp_chaos_target *mark_user(const struct sp_segment *segment, uint32_t mark,
                                         struct sp_chaos **of)
{
    for (uint32_t i = 0; i < SP_EXPERIMENTS; i++) {
        *of = &segment->chaos[i];
        for (uint32_t t = 0; t < (*of)->target_count && t < SP_EXPERIMENT_TARGETS; t++) {
            if ((*of)->targets[t].mark == mark)
                return &(*of)->targets[t];
        }
    }
    return NULL;
}

/* A mark of nobody's, of `row`, which is written anew, or of what ended first. */
static uint32_t mark_take(struct sp_segment *segment, const struct sp_chaos *row, const bool *taken)
{
    struct sp_chaos_target *user, *loser = NULL;
    uint32_t best = 0;
    uint64_t first = UINT64_MAX;
    for (uint32_t mark = 1; mark <= SP_MARKS; mark++) {
        struct sp_chaos *of;
        user = mark_user(segment, mark, &of);
        bool over = !user || of == row || sp_chaos_state(atomic_load(&of->word)) > SP_CHAOS_RUNNING;
        uint64_t ended = !user || of == row ? 0 : atomic_load(&of->ended);
        if (taken[mark - 1] || !over || ended >= first)
            continue;
        best = mark;
        first = ended;
        loser = of == row ? NULL : user;
    }
    if (loser)
        loser->mark = 0;
    return best;
}

/* --- before, during, after --- */

/* The last minute, where there is a history; else all since the segment was made. */
static void chaos_before(struct sp_segment *segment, struct sp_chaos_target *t,
                         const struct sp_guards *guards, uint64_t now)
{
    struct sp_span span;
    const struct sp_dest *dest = &segment->dests[t->dest];
    if (!sp_history_span(segment, dest, guards, CHAOS_BEFORE, now, &span) || span.time == 0) {
        static const struct sp_figures none;
        struct sp_figures all;
        uint64_t wall = sp_wall(), created = segment->head->created;
        sp_count_sum(dest, &all);
        span = (struct sp_span){.time = wall > created ? wall - created : 0};
        sp_span_between(&span, guards, &none, &all);
    }
    sum_of(&t->before, &span, 0);
}

void chaos_keep_before(struct sp_segment *segment, struct sp_chaos *full,
                       const struct sp_chaos *row)
{
    bool taken[SP_MARKS] = {false};
    for (unsigned i = 0; i < full->target_count; i++) {
        struct sp_chaos_target *t = &full->targets[i];
        struct sp_guards guards;
        memset(&t->before, 0, sizeof t->before);
        memset(&t->during, 0, sizeof t->during);
        t->mark = 0;
        if (!sp_segment_guards(segment, t->dest, &guards))
            continue;
        chaos_before(segment, t, &guards, full->start);
        t->mark = mark_take(segment, row, taken);
        if (t->mark == 0)
            continue;
        taken[t->mark - 1] = true;
        sp_moment_take(&segment->marks[t->mark - 1], &segment->dests[t->dest], &guards,
                       full->start);
    }
}

bool sp_chaos_span(const struct sp_segment *segment, const struct sp_chaos *chaos, uint32_t target,
                   uint64_t now, struct sp_span *out)
{
    struct sp_guards guards;
    const struct sp_moment *mark =
        target < SP_EXPERIMENT_TARGETS ? chaos_mark(segment, chaos, target) : NULL;
    *out = (struct sp_span){0};
    if (!mark)
        return false;
    uint32_t dest = chaos->targets[target].dest;
    return sp_chaos_target_of(segment, chaos, dest) >= 0 &&
           sp_segment_guards((struct sp_segment *)(uintptr_t)segment, dest, &guards) &&
           sp_moment_since(out, &guards, &segment->dests[dest], mark, now);
}

void chaos_keep_during(struct sp_segment *segment, struct sp_chaos *chaos, uint64_t now)
{
    for (uint32_t i = 0; i < chaos->target_count && i < SP_EXPERIMENT_TARGETS; i++) {
        struct sp_chaos_target *t = &chaos->targets[i];
        struct sp_chaos_sum sum;
        struct sp_span span;
        struct sp_guards guards;
        if (!sp_chaos_span(segment, chaos, i, now, &span) ||
            !sp_segment_guards(segment, t->dest, &guards))
            continue;
        sum_of(&sum, &span, sp_chaos_opened(segment, t->dest) - t->opened);
        sp_moment_take(chaos_mark(segment, chaos, i), &segment->dests[t->dest], &guards, now);
        t->during = sum;
    }
}

void sp_chaos_sums(const struct sp_segment *segment, const struct sp_chaos *chaos, uint32_t target,
                   uint64_t now, struct sp_chaos_sum out[3])
{
    struct sp_span span;
    memset(out, 0, 3 * sizeof *out);
    if (target >= SP_EXPERIMENT_TARGETS)
        return;
    const struct sp_chaos_target *t = &chaos->targets[target];
    bool over = t->during.time != 0;
    out[0] = t->before;
    out[1] = t->during;
    if (!sp_chaos_span(segment, chaos, target, now, &span))
        return;
    uint64_t opened = sp_chaos_opened(segment, t->dest) - t->opened;
    sum_of(&out[over ? 2 : 1], &span, over ? opened - t->during.opened : opened);
}
