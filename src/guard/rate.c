/* rate.c - a token bucket over all processes in one word: the time at which it is full again. Each
 * call moves it by the time that its token takes to grow; who may wait moves it beyond what has
 * grown, and so reserves a token in the order of asking. */
#include "shearpin/guard.h"

/* A time further ahead than this policy can have made it was made by another: then there is one
 * token left, and the word is made anew. */
static uint64_t rate_from(const struct sp_call *call, uint64_t word, uint64_t full, uint64_t every)
{
    uint64_t most = full + call->guards->limit_wait + SP_SECOND;
    if (word <= call->now)
        return call->now;
    return word - call->now > most ? call->now + full - every : word;
}

static bool rate_may_wait(const struct sp_call *call, struct sp_wait *wait, uint64_t due)
{
    if (!wait || due - call->now > call->guards->limit_wait)
        return false;
    sp_queue_begin(call, wait);
    return due <= wait->end;
}

static enum sp_verdict rate_sleep(const struct sp_call *call, struct sp_wait *wait)
{
    if (call->now >= wait->token)
        return SP_PASS;
    if (call->now >= wait->end) { /* its time has become shorter meanwhile */
        sp_rate_give(call);
        wait->token = 0;
        return SP_REFUSED_RATE;
    }
    wait->wake = wait->token < wait->end ? wait->token : wait->end;
    wait->bell = NULL;
    return SP_WAIT;
}

enum sp_verdict sp_rate_admit(const struct sp_call *call, struct sp_wait *wait)
{
    uint64_t every = sp_rate_interval(call->guards->limit_rate);
    uint64_t burst = call->guards->limit_burst ? call->guards->limit_burst
                                               : sp_rate_count(call->guards->limit_rate);
    uint64_t full = every * burst, next, due;
    uint64_t word = atomic_load_explicit(&call->dest->bucket, memory_order_relaxed);
    if (every == 0)
        return SP_PASS;
    if (wait && wait->token)
        return rate_sleep(call, wait);
    do {
        next = rate_from(call, word, full, every) + every;
        due = next - call->now > full ? next - full : call->now;
        if (due > call->now && !rate_may_wait(call, wait, due))
            return SP_REFUSED_RATE;
    } while (!atomic_compare_exchange_weak(&call->dest->bucket, &word, next));
    if (!wait)
        return SP_PASS;
    wait->token = due;
    return rate_sleep(call, wait);
}

void sp_rate_give(const struct sp_call *call)
{
    uint64_t every = sp_rate_interval(call->guards->limit_rate);
    uint64_t word = atomic_load_explicit(&call->dest->bucket, memory_order_relaxed);
    while (every && word > call->now && /* else it has grown again already */
           !atomic_compare_exchange_weak(&call->dest->bucket, &word, word - every))
        ;
}
