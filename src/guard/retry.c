/* retry.c - whether what failed is tried again, when, and within which budget over all processes.
 *
 * The budget is a window of calls and tries in buckets of a second. A try is taken before it is
 * made, by the same compare-and-swap that compares: however many ask at once, no more than the
 * share are made, and who dies in the middle has made it. */
#include "shearpin/guard.h"

#include <stdio.h>
#include <string.h>

#include "base/random.h"

#define RETRY_WINDOW 10u /* buckets, of a second each */
#define RETRY_LEAST  3u  /* tries that are allowed in any second, however few the calls */
#define RETRY_STAMP  0xffffffu
#define RETRY_PART   0xfffffu
#define RETRY_TELL   1000u /* ms from one event of a destination to the next */

/* --- the budget --- */

struct retry_bucket {
    uint64_t stamp, calls, tries;
};

static struct retry_bucket retry_unpack(uint64_t word)
{
    return (struct retry_bucket){word >> 40, word >> 20 & RETRY_PART, word & RETRY_PART};
}

static uint64_t retry_pack(struct retry_bucket b)
{
    return b.stamp << 40 | b.calls << 20 | b.tries;
}

static uint64_t retry_stamp(uint64_t now)
{
    return now / SP_SECOND & RETRY_STAMP;
}

static sp_word *retry_word(const struct sp_call *call)
{
    return &call->dest->retries[call->now / SP_SECOND % SP_WINDOW_BUCKETS];
}

/* The bucket of this second, made anew if it still is an older one's. */
static struct retry_bucket retry_now(const struct sp_call *call, uint64_t word)
{
    struct retry_bucket b = retry_unpack(word);
    if (b.stamp != retry_stamp(call->now))
        b = (struct retry_bucket){.stamp = retry_stamp(call->now)};
    return b;
}

/* What the buckets before this second's add up to. */
static struct retry_bucket retry_before(const struct sp_call *call)
{
    struct retry_bucket sum = {0, 0, 0};
    uint64_t stamp = retry_stamp(call->now);
    for (size_t i = 0; i < SP_WINDOW_BUCKETS; i++) {
        struct retry_bucket b =
            retry_unpack(atomic_load_explicit(&call->dest->retries[i], memory_order_relaxed));
        uint64_t age = (stamp - b.stamp) & RETRY_STAMP;
        if (age == 0 || age >= RETRY_WINDOW)
            continue;
        sum.calls += b.calls;
        sum.tries += b.tries;
    }
    return sum;
}

void sp_retry_call(const struct sp_call *call)
{
    sp_word *word = retry_word(call);
    uint64_t seen = atomic_load_explicit(word, memory_order_relaxed);
    struct retry_bucket b;
    do {
        b = retry_now(call, seen);
        if (b.calls < RETRY_PART)
            b.calls++;
    } while (!atomic_compare_exchange_weak_explicit(word, &seen, retry_pack(b),
                                                    memory_order_relaxed, memory_order_relaxed));
}

/* One call alone is never short of the tries that the policy promises it. */
static bool retry_take(const struct sp_call *call, uint32_t most)
{
    sp_word *word = retry_word(call);
    uint64_t least = most > RETRY_LEAST ? most : RETRY_LEAST;
    uint64_t seen = atomic_load_explicit(word, memory_order_relaxed);
    struct retry_bucket before = retry_before(call), b;
    do {
        b = retry_now(call, seen);
        uint64_t calls = before.calls + b.calls, tries = before.tries + b.tries + 1;
        if (b.tries >= least && tries * SP_SHARE_ALL > calls * call->guards->retry_budget)
            return false;
        if (b.tries < RETRY_PART)
            b.tries++;
    } while (!atomic_compare_exchange_weak_explicit(word, &seen, retry_pack(b),
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

/* --- the story of what was tried in vain --- */

static void retry_count(const struct sp_call *call, enum sp_retried how)
{
    sp_count(&sp_segment_shard(call->segment, call->dest)->retried[how], 1);
}

/* A storm tells its story once a second. Returns how many stories since the last one told, this one
 * included; 0: not now. */
static uint32_t retry_tells(const struct sp_call *call)
{
    uint32_t ms = (uint32_t)(call->now / SP_MS);
    uint64_t seen = atomic_load(&call->dest->retry_told), next;
    bool tells;
    do {
        tells = seen == 0 || sp_ms_since(ms, (uint32_t)(seen >> 32)) >= RETRY_TELL;
        next = tells ? (uint64_t)(ms ? ms : 1) << 32 : seen + 1;
    } while (!atomic_compare_exchange_weak(&call->dest->retry_told, &seen, next));
    return tells ? (uint32_t)seen + 1 : 0;
}

static void retry_story(const struct sp_retry *retry, uint32_t others, char *out, size_t size)
{
    size_t used = 0;
    for (unsigned i = 0; i < SP_OUTCOME_REJECTED_BREAKER && used < size; i++) {
        if (retry->failed[i])
            used += (size_t)snprintf(out + used, size - used, "%s%u %s", used ? ", " : "",
                                     retry->failed[i], sp_outcome_word(i));
    }
    if (others > 0 && used < size)
        snprintf(out + used, size - used, "; %u others too", others);
}

static void retry_tell(const struct sp_call *call, const struct sp_retry *retry)
{
    uint32_t told = retry_tells(call);
    if (told == 0)
        return;
    struct sp_event event = {.kind = SP_EVENT_RETRY,
                             .reason = retry->end,
                             .a = retry->tries + 1,
                             .b = call->now > retry->began ? call->now - retry->began : 0};
    memcpy(event.destination, call->dest->name, sizeof event.destination);
    retry_story(retry, told - 1, event.text, sizeof event.text);
    sp_event_write(call->segment, &event);
}

/* --- one call --- */

void sp_retry_begin(const struct sp_call *call, struct sp_retry *retry, uint64_t began)
{
    uint64_t total = call->guards->deadline[SP_DEADLINE_TOTAL];
    *retry = (struct sp_retry){.began = began, .until = total ? began + total : SP_NEVER};
}

static const struct sp_retry_policy *retry_line(const struct sp_guards *guards,
                                                enum sp_outcome outcome)
{
    for (size_t i = 0; i < SP_RETRY_LINES; i++) {
        if (guards->retry[i].tries && (guards->retry[i].on >> outcome & 1))
            return &guards->retry[i];
    }
    return NULL;
}

/* Full jitter: any part of the backoff, so that those who failed together do not come back so. */
static uint64_t retry_backoff(const struct sp_call *call, const struct sp_retry_policy *line,
                              uint32_t tries)
{
    uint64_t most = line->backoff_max > line->backoff_min ? line->backoff_max : line->backoff_min;
    uint64_t time = line->backoff_min;
    for (uint32_t i = 0; i < tries && time < most; i++)
        time *= 2;
    return sp_mix(call->random + tries) % ((time < most ? time : most) + 1);
}

static enum sp_retry_end retry_judge(const struct sp_call *call, const struct sp_retry *retry,
                                     enum sp_outcome outcome, uint64_t *at)
{
    const struct sp_retry_policy *line = retry_line(call->guards, outcome);
    if (!line || call->guards->mode != SP_MODE_ENFORCE)
        return SP_RETRY_UNNAMED;
    if (retry->tries >= line->tries)
        return SP_RETRY_TRIES;
    *at = call->now + retry_backoff(call, line, retry->tries);
    if (*at >= retry->until)
        return SP_RETRY_TIME;
    return retry_take(call, line->tries) ? SP_RETRY_AGAIN : SP_RETRY_BUDGET;
}

bool sp_retry_next(const struct sp_call *call, struct sp_retry *retry, enum sp_outcome outcome,
                   uint64_t *at)
{
    if (outcome >= SP_OUTCOME_REJECTED_BREAKER)
        return false;
    if (retry->failed[outcome] < UINT8_MAX)
        retry->failed[outcome]++;
    if (retry->tries > 0)
        retry_count(call, SP_RETRIED_FAILED);
    retry->end = (uint8_t)retry_judge(call, retry, outcome, at);
    if (retry->end == SP_RETRY_BUDGET)
        retry_count(call, SP_RETRIED_OVER_BUDGET);
    if (retry->end == SP_RETRY_AGAIN)
        retry->tries++;
    else if (retry->tries > 0 || retry->end != SP_RETRY_UNNAMED)
        retry_tell(call, retry);
    return retry->end == SP_RETRY_AGAIN;
}

void sp_retry_refused(const struct sp_call *call, struct sp_retry *retry)
{
    retry->tries--; /* it was not made */
    retry->end = SP_RETRY_REFUSED;
    retry_tell(call, retry);
}

void sp_retry_succeeded(const struct sp_call *call, const struct sp_retry *retry)
{
    if (retry->tries > 0)
        retry_count(call, SP_RETRIED_OK);
}
