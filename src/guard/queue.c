/* queue.c - first come, first served, over all processes. A ticket is one word with its owner and
 * its number in it; nothing is counted, so a waiter that dies leaves no hole: it is not awake any
 * more, and who is not awake is passed over. */
#include "shearpin/guard.h"

#include <string.h>

#define QUEUE_DROP_MS 1000u /* a ticket without a beat for so long is anybody's */

/* The two oldest that are awake. */
struct queue_oldest {
    uint32_t count;
    uint32_t index[2];
    uint32_t number[2];
};

static uint32_t queue_ms(uint64_t now)
{
    return (uint32_t)(now / SP_MS);
}

static bool queue_older(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static bool queue_owned(const struct sp_segment *segment, uint64_t owner)
{
    uint32_t slot = sp_lease_slot(owner);
    return slot < SP_PROCESSES &&
           owner == sp_lease_word(slot, atomic_load(&segment->processes[slot].epoch),
                                  sp_lease_detail(owner));
}

static uint64_t queue_own(const struct sp_call *call, uint32_t number)
{
    return sp_lease_word(call->segment->self.slot, call->segment->self.epoch, number);
}

static bool queue_awake(const struct sp_segment *segment, const struct sp_ticket *ticket,
                        uint64_t owner, uint32_t ms)
{
    return queue_owned(segment, owner) &&
           sp_ms_since(ms, atomic_load(&ticket->beat)) < SP_QUEUE_STALE_MS;
}

static void queue_drop(const struct sp_segment *segment, struct sp_ticket *ticket, uint64_t owner,
                       uint32_t ms)
{
    if (!queue_owned(segment, owner) ||
        sp_ms_since(ms, atomic_load(&ticket->beat)) >= QUEUE_DROP_MS)
        atomic_compare_exchange_strong(&ticket->owner, &owner, 0);
}

static void queue_add(struct queue_oldest *two, uint32_t index, uint32_t number)
{
    uint32_t at = two->count;
    while (at > 0 && queue_older(number, two->number[at - 1]))
        at--;
    if (at == 2)
        return;
    if (at == 0) {
        two->index[1] = two->index[0];
        two->number[1] = two->number[0];
    }
    two->index[at] = index;
    two->number[at] = number;
    two->count += two->count < 2;
}

static struct queue_oldest queue_find(const struct sp_call *call, struct sp_queue *queue)
{
    struct queue_oldest two = {0, {0, 0}, {0, 0}};
    uint32_t ms = queue_ms(call->now);
    for (uint32_t i = 0; i < SP_TICKETS; i++) {
        struct sp_ticket *ticket = &queue->tickets[i];
        uint64_t owner = atomic_load(&ticket->owner);
        if (owner == 0)
            continue;
        if (queue_awake(call->segment, ticket, owner, ms))
            queue_add(&two, i, sp_lease_detail(owner));
        else
            queue_drop(call->segment, ticket, owner, ms);
    }
    return two;
}

void sp_queue_begin(const struct sp_call *call, struct sp_wait *wait)
{
    uint64_t total = call->guards->deadline[SP_DEADLINE_TOTAL];
    if (wait->began)
        return;
    wait->began = call->now;
    wait->end = total ? call->now + total : SP_NEVER;
}

/* Who takes a ticket raises `maybe` after it; who finds none lowers it from what it was before. */
bool sp_queue_empty(const struct sp_call *call, struct sp_queue *queue)
{
    uint64_t maybe = atomic_load(&queue->maybe);
    if (maybe == 0)
        return true;
    if (queue_find(call, queue).count > 0)
        return false;
    atomic_compare_exchange_strong(&queue->maybe, &maybe, 0);
    return true;
}

/* A free ticket, or with `stale` that of somebody who is not awake. */
static bool queue_take(const struct sp_call *call, struct sp_ticket *ticket, uint32_t number,
                       bool stale)
{
    uint32_t ms = queue_ms(call->now);
    uint64_t owner = atomic_load(&ticket->owner);
    if (owner != 0 && (!stale || queue_awake(call->segment, ticket, owner, ms)))
        return false;
    atomic_store(&ticket->beat, ms);
    return atomic_compare_exchange_strong(&ticket->owner, &owner, queue_own(call, number));
}

bool sp_queue_join(const struct sp_call *call, struct sp_queue *queue, struct sp_wait *wait)
{
    uint32_t number = atomic_fetch_add(&queue->issued, 1) + 1;
    if (number == 0) /* means none where it is compared */
        number = atomic_fetch_add(&queue->issued, 1) + 1;
    for (uint32_t i = 0; i < 2 * SP_TICKETS; i++) {
        uint32_t at = (number + i) % SP_TICKETS;
        if (!queue_take(call, &queue->tickets[at], number, i >= SP_TICKETS))
            continue;
        sp_queue_begin(call, wait);
        wait->ticket = at;
        wait->number = number;
        wait->since = wait->since ? wait->since : call->now;
        atomic_store(&queue->maybe, number);
        return true;
    }
    return false;
}

/* Awake; after a long stop others may have taken it for gone, and then it begins anew. */
static void queue_beat(const struct sp_call *call, struct sp_queue *queue, struct sp_wait *wait)
{
    struct sp_ticket *ticket = &queue->tickets[wait->ticket % SP_TICKETS];
    if (atomic_load(&ticket->owner) == queue_own(call, wait->number)) {
        atomic_store(&ticket->beat, queue_ms(call->now));
        if (atomic_load(&queue->maybe) == 0)
            atomic_store(&queue->maybe, wait->number);
    } else {
        sp_queue_join(call, queue, wait);
    }
}

bool sp_queue_turn(const struct sp_call *call, struct sp_queue *queue, struct sp_wait *wait)
{
    queue_beat(call, queue, wait);
    struct queue_oldest two = queue_find(call, queue);
    wait->passed = SP_TICKETS;
    if (two.count > 0 && two.number[0] == wait->number)
        return true;
    if (two.count < 2 || two.number[1] != wait->number)
        return false;
    sp_half *passed = &queue->tickets[two.index[0]].passed;
    uint32_t seen = atomic_load(passed);
    if (seen == two.number[0] || !atomic_compare_exchange_strong(passed, &seen, two.number[0]))
        return false;
    wait->passed = two.index[0];
    wait->passed_number = two.number[0];
    return true;
}

void sp_queue_missed(struct sp_queue *queue, const struct sp_wait *wait)
{
    uint32_t number = wait->passed_number;
    if (wait->passed < SP_TICKETS)
        atomic_compare_exchange_strong(&queue->tickets[wait->passed].passed, &number, 0);
}

void sp_queue_leave(const struct sp_call *call, struct sp_queue *queue, struct sp_wait *wait)
{
    uint64_t own = queue_own(call, wait->number);
    atomic_compare_exchange_strong(&queue->tickets[wait->ticket % SP_TICKETS].owner, &own, 0);
    wait->since = 0;
    sp_queue_ring(call, queue);
}

void sp_queue_ring(const struct sp_call *call, struct sp_queue *queue)
{
    uint32_t bits = 0;
    if (atomic_load(&queue->maybe) == 0)
        return;
    atomic_fetch_add(&queue->bell, 1);
    struct queue_oldest two = queue_find(call, queue);
    for (uint32_t i = 0; i < two.count; i++)
        bits |= UINT32_C(1) << two.number[i] % 32;
    if (bits && call->wake)
        call->wake(&queue->bell, bits);
}

uint32_t sp_queue_waiting(const struct sp_segment *segment, const struct sp_queue *queue,
                          uint64_t now, uint32_t *by_slot)
{
    uint32_t waiting = 0;
    for (uint32_t i = 0; i < SP_TICKETS; i++) {
        uint64_t owner = atomic_load(&queue->tickets[i].owner);
        if (owner == 0 || !queue_awake(segment, &queue->tickets[i], owner, queue_ms(now)))
            continue;
        waiting++;
        if (by_slot)
            by_slot[sp_lease_slot(owner)]++;
    }
    return waiting;
}
