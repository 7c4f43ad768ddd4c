/* metric_calls.c - what was counted of a destination's calls, and how long they took. */
#include "cli/fallback.h"
#include "cli/metric.h"
#include "shearpin/fault.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

static const char *const calls_guards[] = {"breaker", "cap", "rate"};
static const unsigned calls_phases[] = {SP_DEADLINE_CONNECT, SP_DEADLINE_RESPONSE,
                                        SP_DEADLINE_IDLE,    SP_DEADLINE_TOTAL,
                                        SP_DEADLINE_SEND,    SP_DEADLINE_LOOKUP};
_Static_assert(COUNT_OF(calls_phases) == SP_DEADLINE_COUNT, "every phase");

void metric_outcomes(const struct metric_out *out, const uint64_t *counts, unsigned total,
                     const unsigned *usual, size_t n)
{
    uint32_t shown = 0;
    for (size_t i = 0; i < n; i++) {
        metric_count(out, sp_outcome_word(usual[i]), counts[usual[i]]);
        shown |= 1u << usual[i];
    }
    for (unsigned i = 0; i < total; i++) {
        if (!(shown >> i & 1) && counts[i] > 0)
            metric_count(out, sp_outcome_word(i), counts[i]);
    }
}

void metric_connects(const struct metric_out *out)
{
    static const unsigned usual[] = {
        SP_OUTCOME_OK,     SP_OUTCOME_REFUSED, SP_OUTCOME_CONNECT_TIMEOUT, SP_OUTCOME_UNREACHABLE,
        SP_OUTCOME_LOOKUP, SP_OUTCOME_RESET,   SP_OUTCOME_ABANDONED};
    metric_outcomes(out, out->d->life.connects, COUNT_OF(out->d->life.connects), usual,
                    COUNT_OF(usual));
}

void metric_exchanges(const struct metric_out *out)
{
    static const unsigned usual[] = {SP_OUTCOME_OK,        SP_OUTCOME_RESPONSE_TIMEOUT,
                                     SP_OUTCOME_RESET,     SP_OUTCOME_EOF,
                                     SP_OUTCOME_ABANDONED, SP_OUTCOME_UNREACHABLE};
    metric_outcomes(out, out->d->life.exchanges, COUNT_OF(out->d->life.exchanges), usual,
                    COUNT_OF(usual));
}

static void calls_refused(const struct metric_out *out, const uint64_t *counts)
{
    for (size_t i = 0; i < COUNT_OF(calls_guards); i++)
        metric_count(out, calls_guards[i], counts[i]);
}

void metric_rejections(const struct metric_out *out)
{
    calls_refused(out, out->d->life.rejected);
}

void metric_detected(const struct metric_out *out)
{
    calls_refused(out, out->d->life.detected);
}

void metric_expired(const struct metric_out *out)
{
    for (size_t i = 0; i < COUNT_OF(calls_phases); i++)
        metric_count(out, sp_deadline_words[calls_phases[i]],
                     out->d->life.expired[calls_phases[i]]);
}

/* Observing knows of these two what it would have cut. */
void metric_late(const struct metric_out *out)
{
    const uint64_t *late = out->d->life.observed.late;
    metric_count(out, sp_deadline_words[SP_DEADLINE_CONNECT], late[SP_DEADLINE_CONNECT]);
    metric_count(out, sp_deadline_words[SP_DEADLINE_RESPONSE], late[SP_DEADLINE_RESPONSE]);
}

void metric_deadline(const struct metric_out *out)
{
    for (size_t i = 0; i < COUNT_OF(calls_phases); i++) {
        uint64_t limit = out->d->guards.deadline[calls_phases[i]];
        if (limit > 0)
            metric_number(out, sp_deadline_words[calls_phases[i]],
                          (double)limit / (double)SP_SECOND);
    }
}

void metric_retries(const struct metric_out *out)
{
    static const char *const words[SP_RETRIED_COUNT] = {"ok", "failed", "over_budget"};
    for (int i = 0; i < SP_RETRIED_COUNT; i++)
        metric_count(out, words[i], out->d->life.retried[i]);
}

/* --- fallbacks: a destination without one has no sample --- */

void metric_fallbacks(const struct metric_out *out)
{
    char to[320];
    uint64_t total, rest = out->d->life.diverted;
    for (size_t i = 0; fallback_total(out->look, out->d, i, to, sizeof to, &total); i++) {
        metric_count(out, to, total);
        rest = rest > total ? rest - total : 0;
    }
    if (rest > 0)
        metric_count(out, "(no longer in the policy)", rest);
}

static bool calls_fall_back(const struct metric_out *out)
{
    char to[320];
    uint64_t total;
    return out->d->life.diverted > 0 || fallback_total(out->look, out->d, 0, to, sizeof to, &total);
}

void metric_fallback_connects(const struct metric_out *out)
{
    static const unsigned usual[] = {SP_OUTCOME_OK, SP_OUTCOME_REFUSED, SP_OUTCOME_CONNECT_TIMEOUT};
    if (calls_fall_back(out))
        metric_outcomes(out, out->d->life.fallback[1], SP_OUTCOMES_WIRE, usual, COUNT_OF(usual));
}

void metric_fallback_exchanges(const struct metric_out *out)
{
    static const unsigned usual[] = {SP_OUTCOME_OK, SP_OUTCOME_RESPONSE_TIMEOUT, SP_OUTCOME_RESET};
    if (calls_fall_back(out))
        metric_outcomes(out, out->d->life.fallback[0], SP_OUTCOMES_WIRE, usual, COUNT_OF(usual));
}

void metric_detours(const struct metric_out *out)
{
    metric_count(out, NULL, out->d->life.detours);
}

void metric_stale(const struct metric_out *out)
{
    metric_count(out, NULL, out->d->life.stale);
}

void metric_sent(const struct metric_out *out)
{
    metric_count(out, NULL, out->d->life.sent);
}

void metric_received(const struct metric_out *out)
{
    metric_count(out, NULL, out->d->life.received);
}

void metric_injections(const struct metric_out *out)
{
    for (int i = 0; i < SP_FAULT_COUNT; i++)
        metric_count(out, sp_faults[i]->word, out->d->life.injected[i]);
}

/* --- the sides of `enforce N%`: there is nothing to say of them before the first such call --- */

static const char *const calls_sides[] = {"enforced", "observed"};

void metric_side_exchanges(const struct metric_out *out)
{
    const struct sp_figures *f = &out->d->life;
    uint64_t calls[] = {look_sum(f->enforced.exchanges, SP_OUTCOME_COUNT),
                        look_sum(f->observed.exchanges, SP_OUTCOME_COUNT)};
    for (int side = 0; calls[0] + calls[1] > 0 && side < LOOK_SIDES; side++)
        metric_count(out, calls_sides[side], calls[side]);
}

void metric_side_time(const struct metric_out *out)
{
    const struct sp_figures *f = &out->d->life;
    const uint64_t *bins[] = {f->enforced.answer_time, f->observed.answer_time};
    if (look_sum(bins[0], SP_BINS) + look_sum(bins[1], SP_BINS) == 0)
        return;
    for (int side = 0; side < LOOK_SIDES; side++)
        metric_bins(out, calls_sides[side], bins[side]);
}

/* --- durations --- */

void metric_connect_time(const struct metric_out *out)
{
    metric_bins(out, NULL, out->d->life.connect_time);
}

void metric_answer_time(const struct metric_out *out)
{
    metric_bins(out, NULL, out->d->life.answer_time);
}

void metric_wait_time(const struct metric_out *out)
{
    metric_bins(out, NULL, out->d->life.wait_time);
}
