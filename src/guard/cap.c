/* cap.c - at most N at a time over all processes. Nothing is counted, so nothing drifts. */
#include "shearpin/guard.h"

#include "base/probe.h"

static enum sp_life cap_anybody(void *context, uint32_t slot, uint32_t *now_ms)
{
    (void)context;
    (void)slot;
    (void)now_ms;
    return SP_LIFE_ALIVE;
}

static sp_word *cap_words(const struct sp_call *call, enum sp_cap cap, uint32_t *limit)
{
    uint32_t count;
    sp_word *words = sp_lease_words(call->segment, call->dest, cap, &count);
    *limit = call->guards->cap[cap] < count ? call->guards->cap[cap] : count;
    return words;
}

/* The most at once so far, where endpoints are learnt. Places of killed processes stand until
 * somebody asks, so only a new peak is looked at closely. */
static void cap_peak(const struct sp_call *call, sp_word *words, uint32_t limit)
{
    sp_half *peak = &call->dest->peak;
    uint32_t seen = atomic_load(peak), held = sp_lease_held(call->segment, words, limit);
    if (held <= seen)
        return;
    if (call->alive)
        held = sp_lease_living(call->segment, words, limit, (uint32_t)(call->now / SP_MS),
                               call->alive, call->alive_context);
    while (held > seen && !atomic_compare_exchange_weak(peak, &seen, held))
        ;
}

static uint64_t cap_lease(const struct sp_call *call)
{
    return sp_lease_word(call->segment->self.slot, call->segment->self.epoch, call->conn);
}

/* `reap`: whether to look for owners that died, which costs system calls. */
static uint32_t cap_take(const struct sp_call *call, enum sp_cap cap, bool reap)
{
    uint32_t limit;
    sp_word *words = cap_words(call, cap, &limit);
    if (!words || call->segment->self.slot >= SP_PROCESSES) /* nobody could tell that it has died */
        return SP_NO_LEASE;
    sp_alive_fn *alive = call->alive ? call->alive : cap_anybody;
    uint32_t index =
        sp_lease_take(call->segment, words, limit, cap_lease(call), (uint32_t)(call->now / SP_MS),
                      reap ? alive : NULL, call->alive_context);
    if (index != SP_NO_LEASE)
        SP_PROBE(lease, call->dest->name, cap, index, 1);
    if (cap == SP_CAP_CONNECTIONS &&
        atomic_load_explicit(&call->dest->origin.state, memory_order_relaxed) & SP_ORIGIN_READY)
        cap_peak(call, words, limit);
    return index;
}

uint32_t sp_cap_take(const struct sp_call *call, enum sp_cap cap, uint64_t *lease)
{
    *lease = cap_lease(call);
    return cap_take(call, cap, true);
}

static struct sp_queue *cap_queue(const struct sp_call *call, bool connecting)
{
    return &call->dest->queues[connecting ? SP_LINE_CONNECT : SP_LINE_EXCHANGE];
}

/* The whole extent: the limit may have been lowered meanwhile. */
static void cap_free(const struct sp_call *call, enum sp_cap cap, uint32_t index, uint64_t lease)
{
    uint32_t count;
    sp_word *words = sp_lease_words(call->segment, call->dest, cap, &count);
    if (!words)
        return;
    SP_PROBE(lease, call->dest->name, cap, index, 0);
    sp_lease_give(words, count, index, lease);
}

void sp_cap_give(const struct sp_call *call, enum sp_cap cap, uint32_t index, uint64_t lease)
{
    if (index == SP_NO_LEASE)
        return;
    cap_free(call, cap, index, lease);
    sp_queue_ring(call, cap_queue(call, cap != SP_CAP_INFLIGHT));
}

void sp_cap_release(const struct sp_call *call, struct sp_admission *admission)
{
    for (int cap = 0; cap < SP_CAP_COUNT; cap++) {
        sp_cap_give(call, (enum sp_cap)cap, admission->places[cap], admission->lease);
        admission->places[cap] = SP_NO_LEASE;
    }
}

/* --- all that a call needs --- */

static bool cap_wants(const struct sp_call *call, enum sp_cap cap, bool connecting)
{
    return call->guards->cap[cap] != 0 && connecting == (cap != SP_CAP_INFLIGHT);
}

/* What was taken before the one that is missing goes back without a ring: those who wait need the
 * same, and would ring back. */
static bool cap_take_all(const struct sp_call *call, bool connecting, bool reap,
                         struct sp_admission *admission)
{
    for (int cap = 0; cap < SP_CAP_COUNT; cap++) {
        if (!cap_wants(call, (enum sp_cap)cap, connecting))
            continue;
        admission->places[cap] = cap_take(call, (enum sp_cap)cap, reap);
        if (admission->places[cap] != SP_NO_LEASE)
            continue;
        while (cap-- > 0) {
            cap_free(call, (enum sp_cap)cap, admission->places[cap], admission->lease);
            admission->places[cap] = SP_NO_LEASE;
        }
        return false;
    }
    return true;
}

/* Where callers wait they look all the time: one of them in a slice asks who lives. */
static bool cap_reaps(const struct sp_call *call, struct sp_queue *queue)
{
    uint32_t ms = (uint32_t)(call->now / SP_MS), last = atomic_load(&queue->reaped);
    return sp_ms_since(ms, last) >= SP_QUEUE_SLICE / SP_MS &&
           atomic_compare_exchange_strong(&queue->reaped, &last, ms);
}

/* While others give their places back a place is always found, and the dead would never be missed:
 * so they are looked for first. */
static void cap_reap(const struct sp_call *call, bool connecting)
{
    for (int cap = 0; cap < SP_CAP_COUNT && call->alive; cap++) {
        uint32_t limit;
        sp_word *words = cap_words(call, (enum sp_cap)cap, &limit);
        if (words && cap_wants(call, (enum sp_cap)cap, connecting))
            sp_lease_reap(call->segment, words, limit, (uint32_t)(call->now / SP_MS), call->alive,
                          call->alive_context);
    }
}

/* There is no place now: is there time to wait for one? Who has just joined looks once more before
 * it sleeps, for nobody rang while nobody waited. */
static enum sp_verdict cap_sleep(const struct sp_call *call, struct sp_queue *queue,
                                 struct sp_wait *wait)
{
    if (!wait || call->guards->cap_wait == 0)
        return SP_REFUSED_CAP;
    bool joined = wait->since == 0;
    if (joined && !sp_queue_join(call, queue, wait))
        return SP_REFUSED_CAP;
    uint64_t until = wait->since + call->guards->cap_wait;
    until = until < wait->end ? until : wait->end;
    if (call->now >= until)
        return SP_REFUSED_CAP;
    wait->bell = &queue->bell;
    wait->bits = UINT32_C(1) << wait->number % 32;
    wait->wake = call->now + (joined ? 0 : SP_QUEUE_SLICE);
    wait->wake = wait->wake < until ? wait->wake : until;
    return SP_WAIT;
}

enum sp_verdict sp_cap_admit(const struct sp_call *call, bool connecting, struct sp_wait *wait,
                             struct sp_admission *admission)
{
    if (call->segment->self.slot >= SP_PROCESSES) /* nobody could tell that it has died */
        return SP_PASS;
    struct sp_queue *queue = cap_queue(call, connecting);
    bool stands = wait && wait->since, waits = wait && call->guards->cap_wait;
    if (waits)
        wait->heard = atomic_load(&queue->bell);
    bool turn = stands ? sp_queue_turn(call, queue, wait) : sp_queue_empty(call, queue);
    admission->lease = cap_lease(call);
    if (turn && stands && cap_reaps(call, queue))
        cap_reap(call, connecting);
    if (turn && cap_take_all(call, connecting, !waits, admission))
        return SP_PASS;
    if (turn && stands)
        sp_queue_missed(queue, wait);
    return cap_sleep(call, queue, wait);
}
