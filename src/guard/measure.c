/* measure.c - does a condition hold over some calls? With too few of them nobody can tell: `p95`
 * needs 20, of which one may be slower, and `errors < 1%` needs 100. */
#include "shearpin/guard.h"

/* Of 10000 calls so many may be on the wrong side of the limit; 0: it is no matter of single calls.
 */
static uint64_t measure_allowed(const struct sp_condition *condition)
{
    switch (sp_measure_kind(condition->measure)) {
    case SP_MEASURE_TIME_KIND:
        return 10 * sp_measure_tail(condition->measure);
    case SP_MEASURE_SHARE_KIND:
        return condition->limit;
    default:
        return 0;
    }
}

uint64_t sp_measure_needed(const struct sp_condition *condition)
{
    uint64_t allowed = measure_allowed(condition);
    return allowed == 0 ? 0 : (SP_SHARE_ALL + allowed - 1) / allowed;
}

/* Answers that took at least as long, and what never came. */
static uint64_t measure_slow(const struct sp_span *span, uint64_t limit)
{
    uint64_t count = span->timeouts;
    for (uint32_t bin = sp_bin_of(limit); bin < SP_BINS; bin++)
        count += span->times[bin];
    return count;
}

static uint64_t measure_answers(const struct sp_span *span)
{
    uint64_t count = 0;
    for (uint32_t bin = 0; bin < SP_BINS; bin++)
        count += span->times[bin];
    return count;
}

static uint64_t measure_share(uint64_t part, uint64_t all)
{
    return all ? (uint64_t)((double)part * SP_SHARE_ALL / (double)all + 0.5) : 0;
}

static void measure_value(const struct sp_condition *condition, const struct sp_span *span,
                          struct sp_measured *out)
{
    uint64_t asked = span->calls + span->refused;
    out->calls = span->calls;
    switch (condition->measure) {
    case SP_MEASURE_ERRORS:
    case SP_MEASURE_TIMEOUTS:
        out->wrong = condition->measure == SP_MEASURE_ERRORS ? span->errors : span->timeouts;
        out->value = measure_share(out->wrong, span->calls);
        break;
    case SP_MEASURE_REFUSED:
        out->calls = asked;
        out->wrong = span->refused;
        out->value = measure_share(out->wrong, asked);
        break;
    case SP_MEASURE_RPS:
        out->value =
            span->time ? (uint64_t)((double)span->calls * SP_SECOND / (double)span->time) : 0;
        break;
    default:
        out->calls = measure_answers(span);
        out->value = sp_span_quantile(span, sp_measure_tail(condition->measure));
        out->calls += span->timeouts;
        out->wrong = measure_slow(span, condition->limit);
    }
}

/* Counted, not rounded: a share of 0.004% is not below 0%. */
static bool measure_below(const struct sp_condition *condition, const struct sp_measured *m)
{
    switch (sp_measure_kind(condition->measure)) {
    case SP_MEASURE_SHARE_KIND:
        return (double)m->wrong * SP_SHARE_ALL < (double)condition->limit * (double)m->calls;
    default:
        return m->value < condition->limit;
    }
}

static bool measure_above(const struct sp_condition *condition, const struct sp_measured *m)
{
    switch (sp_measure_kind(condition->measure)) {
    case SP_MEASURE_SHARE_KIND:
        return (double)m->wrong * SP_SHARE_ALL > (double)condition->limit * (double)m->calls;
    default:
        return m->value > condition->limit;
    }
}

void sp_measure(const struct sp_condition *condition, const struct sp_span *span,
                struct sp_measured *out)
{
    *out = (struct sp_measured){.needed = sp_measure_needed(condition)};
    measure_value(condition, span, out);
    bool few = out->calls < out->needed || span->time == 0;
    bool holds = condition->above ? measure_above(condition, out) : measure_below(condition, out);
    /* More than one on the wrong side is too many for all the calls that are needed. */
    if (few && (condition->above || out->wrong <= 1))
        out->verdict = SP_MEASURED_FEW;
    else
        out->verdict = holds ? SP_MEASURED_HOLDS : SP_MEASURED_BROKEN;
}
