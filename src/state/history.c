/* history.c - the last minutes of a destination. Counters only rise, so who knows them as they were
 * some time ago knows what happened since. The first call of a step writes them down: programs do
 * it, for there may be nobody who watches. */
#include "shearpin/segment.h"

#include <string.h>

/* Where no answer follows, a connect is the whole call. */
static bool history_connects(const struct sp_guards *guards)
{
    return guards->exchange == SP_EXCHANGE_NONE || guards->success == SP_SUCCESS_CONNECT;
}

static struct sp_history *history_of(const struct sp_segment *segment, const struct sp_dest *dest)
{
    uint32_t mine = atomic_load_explicit(&dest->history, memory_order_relaxed);
    return mine > 0 && mine <= segment->history_max ? &segment->histories[mine - 1] : NULL;
}

/* --- writing --- */

static uint32_t history_load(const sp_word *word)
{
    return (uint32_t)atomic_load_explicit(word, memory_order_relaxed);
}

static void history_add(sp_half *to, uint32_t more)
{
    uint32_t sum = atomic_load_explicit(to, memory_order_relaxed) + more;
    atomic_store_explicit(to, sum, memory_order_relaxed);
}

static void history_add_all(sp_half *to, const sp_word *from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        history_add(to, history_load(&from[i]));
}

static void history_add_shard(struct sp_moment *moment, const struct sp_shard *shard, bool connects)
{
    const sp_word *times = connects ? shard->connect_time : shard->answer_time;
    for (unsigned i = 0; i < SP_OUTCOME_COUNT; i++) {
        history_add(&moment->connects[i], history_load(&shard->connects[i]));
        history_add(&moment->exchanges[i], history_load(&shard->exchanges[i]));
    }
    history_add(&moment->exchanges[SP_OUTCOME_OK], (uint32_t)sp_count_timed(shard));
    history_add_all(&moment->refused, shard->rejected, 3);
    history_add_all(&moment->retried, shard->retried, SP_RETRIED_OVER_BUDGET);
    for (unsigned i = 0; i < SP_BINS; i++)
        history_add(&moment->times[i], history_load(&times[i]));
}

static void history_sum(struct sp_moment *moment, const struct sp_dest *dest, bool connects)
{
    memset((char *)moment + sizeof moment->time, 0, sizeof *moment - sizeof moment->time);
    for (unsigned s = 0; s < SP_SHARDS; s++)
        history_add_shard(moment, &dest->shards[s], connects);
}

void sp_history_keep(struct sp_segment *segment, struct sp_dest *dest,
                     const struct sp_guards *guards, uint64_t now)
{
    struct sp_history *history = history_of(segment, dest);
    uint64_t step = guards->moment * SP_MS;
    if (!history)
        return;
    uint64_t last = atomic_load_explicit(&history->last, memory_order_relaxed);
    if (now - last < step)
        return;
    uint64_t begin = now - now % step;
    if (begin <= last || !atomic_compare_exchange_strong(&history->last, &last, begin))
        return;
    sp_moment_take(&history->moments[now / step % SP_MOMENTS], dest, guards, now);
}

/* --- reading --- */

struct history_found {
    const struct sp_moment *before, *after; /* the newest up to some time, and the next one */
    uint64_t before_time, after_time;
};

static void history_find(const struct sp_history *history, uint64_t from, uint64_t now,
                         struct history_found *out)
{
    *out = (struct history_found){.after_time = UINT64_MAX};
    for (unsigned i = 0; i < SP_MOMENTS; i++) {
        uint64_t time = atomic_load(&history->moments[i].time);
        if (time == 0 || time > now)
            continue;
        if (time <= from && time > out->before_time) {
            out->before_time = time;
            out->before = &history->moments[i];
        } else if (time > from && time < out->after_time) {
            out->after_time = time;
            out->after = &history->moments[i];
        }
    }
}

/* Where the last `window` begins. With no call in a step there is no moment: when the newest before
 * is older than a step, nothing happened from its step on to the next moment. */
static const struct sp_moment *history_begin(const struct sp_history *history, uint64_t step,
                                             uint64_t from, uint64_t now, uint64_t *time)
{
    struct history_found found;
    history_find(history, from, now, &found);
    bool near = found.before && from - found.before_time < step;
    *time = near           ? now - found.before_time
            : found.before ? now - from
            : found.after  ? now - found.after_time
                           : 0;
    return near ? found.before : found.after;
}

/* Two sums of one thing, both cut to 32 bits. What has fallen since was torn by a writer. */
static uint32_t history_more(uint32_t now, const sp_half *then)
{
    uint32_t more = now - atomic_load(then);
    return more < UINT32_MAX / 2 ? more : 0;
}

/* All shards together, of the word that stands at `offset` in each. */
static uint32_t history_total(const struct sp_dest *dest, size_t offset)
{
    uint32_t sum = 0;
    for (unsigned s = 0; s < SP_SHARDS; s++)
        sum +=
            history_load((const sp_word *)(const void *)((const char *)&dest->shards[s] + offset));
    return sum;
}
#define HISTORY_TOTAL(dest, field, i) \
    history_total(dest, offsetof(struct sp_shard, field) + (i) * sizeof(sp_word))

static void span_outcomes(struct sp_span *out, const struct sp_guards *guards, unsigned outcome,
                          uint64_t connects, uint64_t exchanges)
{
    uint32_t blamed = guards->breaker.on ? guards->breaker.on : SP_OUTCOMES_BLAMING;
    bool counts = outcome != SP_OUTCOME_OK || history_connects(guards);
    uint64_t calls = exchanges + (counts ? connects : 0);
    out->calls += calls;
    if (blamed >> outcome & 1)
        out->errors += calls;
    if (outcome == SP_OUTCOME_CONNECT_TIMEOUT || outcome == SP_OUTCOME_RESPONSE_TIMEOUT)
        out->timeouts += calls;
}

/* Good exchanges are counted by their duration alone. */
static uint32_t history_timed(const struct sp_dest *dest)
{
    uint32_t sum = 0;
    for (unsigned s = 0; s < SP_SHARDS; s++)
        sum += (uint32_t)sp_count_timed(&dest->shards[s]);
    return sum;
}

/* What happened since a moment, straight from the shards: the stack may be a signal handler's. */
static void history_since(struct sp_span *out, const struct sp_guards *guards,
                          const struct sp_dest *dest, const struct sp_moment *then)
{
    size_t times = history_connects(guards) ? offsetof(struct sp_shard, connect_time)
                                            : offsetof(struct sp_shard, answer_time);
    for (unsigned i = 0; i < SP_OUTCOME_ABANDONED; i++) {
        uint32_t exchanges = HISTORY_TOTAL(dest, exchanges, i);
        exchanges += i == SP_OUTCOME_OK ? history_timed(dest) : 0;
        span_outcomes(out, guards, i,
                      history_more(HISTORY_TOTAL(dest, connects, i), &then->connects[i]),
                      history_more(exchanges, &then->exchanges[i]));
    }
    for (unsigned i = 0; i < SP_BINS; i++)
        out->times[i] +=
            history_more(history_total(dest, times + i * sizeof(sp_word)), &then->times[i]);
    uint32_t refused = HISTORY_TOTAL(dest, rejected, 0) + HISTORY_TOTAL(dest, rejected, 1) +
                       HISTORY_TOTAL(dest, rejected, 2),
             retried = HISTORY_TOTAL(dest, retried, 0) + HISTORY_TOTAL(dest, retried, 1);
    out->refused += history_more(refused, &then->refused);
    out->retried += history_more(retried, &then->retried);
}

bool sp_moment_since(struct sp_span *out, const struct sp_guards *guards,
                     const struct sp_dest *dest, const struct sp_moment *then, uint64_t now)
{
    uint64_t time = atomic_load(&then->time);
    *out = (struct sp_span){.time = now > time ? now - time : 0};
    if (time == 0)
        return false;
    history_since(out, guards, dest, then);
    if (atomic_load(&then->time) == time)
        return true;
    *out = (struct sp_span){0}; /* it was overwritten just now */
    return false;
}

bool sp_history_span(const struct sp_segment *segment, const struct sp_dest *dest,
                     const struct sp_guards *guards, uint64_t window, uint64_t now,
                     struct sp_span *out)
{
    const struct sp_history *history = history_of(segment, dest);
    uint64_t from = window && now > window ? now - window : 0;
    *out = (struct sp_span){0};
    if (!history)
        return false;
    const struct sp_moment *begin =
        history_begin(history, guards->moment * SP_MS, from, now, &out->time);
    if (!begin)
        return true;
    uint64_t time = out->time;
    sp_moment_since(out, guards, dest, begin, now);
    out->time = time;
    return true;
}

void sp_moment_take(struct sp_moment *moment, const struct sp_dest *dest,
                    const struct sp_guards *guards, uint64_t now)
{
    atomic_store(&moment->time, 0);
    history_sum(moment, dest, history_connects(guards));
    atomic_store(&moment->time, now);
}

static uint64_t span_more(uint64_t after, uint64_t before)
{
    return after > before ? after - before : 0;
}

void sp_span_between(struct sp_span *out, const struct sp_guards *guards,
                     const struct sp_figures *before, const struct sp_figures *after)
{
    bool connects = history_connects(guards);
    const uint64_t *then = connects ? before->connect_time : before->answer_time;
    const uint64_t *now = connects ? after->connect_time : after->answer_time;
    for (unsigned i = 0; i < SP_OUTCOME_ABANDONED; i++)
        span_outcomes(out, guards, i, span_more(after->connects[i], before->connects[i]),
                      span_more(after->exchanges[i], before->exchanges[i]));
    for (unsigned i = 0; i < SP_BINS; i++)
        out->times[i] += span_more(now[i], then[i]);
    for (unsigned i = 0; i < 3; i++)
        out->refused += span_more(after->rejected[i], before->rejected[i]);
    for (unsigned i = 0; i < SP_RETRIED_OVER_BUDGET; i++)
        out->retried += span_more(after->retried[i], before->retried[i]);
}

uint64_t sp_span_quantile(const struct sp_span *span, unsigned tail)
{
    uint64_t answers = 0;
    for (uint32_t bin = 0; bin < SP_BINS; bin++)
        answers += span->times[bin];
    uint64_t all = answers + span->timeouts;
    double rank = (1 - tail / 1000.0) * (double)all;
    if (answers == 0 || rank > (double)answers)
        return all ? SP_NEVER : 0;
    return sp_bin_quantile(span->times, rank / (double)answers);
}
