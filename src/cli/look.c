#include "cli/look.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/event.h"
#include "cli/memory.h"
#include "cli/say.h"

void look_name(char out[SP_NAME_SIZE], const char *name)
{
    size_t length = strnlen(name, SP_NAME_SIZE - 1);
    memset(out, 0, SP_NAME_SIZE);
    memcpy(out, name, length);
}

void look_sleep(uint64_t ns)
{
    struct timespec t = {(time_t)(ns / SP_SECOND), (long)(ns % SP_SECOND)};
    nanosleep(&t, NULL);
}

uint64_t look_sum(const uint64_t *words, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += words[i];
    return sum;
}

struct sp_policy *look_policy(struct sp_segment *segment, uint64_t *generation)
{
    struct sp_policy *copy = memory_new(1, segment->policy_size);
    for (int i = 0; i < 100; i++) {
        uint64_t word;
        const struct sp_policy *policy = sp_segment_policy(segment, &word);
        if (!policy)
            break;
        memcpy(copy, policy, segment->policy_size);
        *generation = sp_segment_generation(word);
        if (sp_segment_steady(segment, word) && sp_policy_valid(copy, segment->policy_size))
            return copy;
    }
    free(copy);
    *generation = 0;
    return NULL;
}

uint32_t look_processes(const struct sp_segment *segment, bool alive[SP_PROCESSES])
{
    struct sp_census census;
    uint32_t count = 0;
    sp_census_open(segment, &census);
    for (uint32_t slot = 0; slot < SP_PROCESSES; slot++) {
        /* a slot that nobody ever took has the epoch 0: no need to ask the kernel */
        bool lives = atomic_load(&segment->processes[slot].epoch) != 0 &&
                     sp_census_alive(segment, &census, slot);
        if (alive)
            alive[slot] = lives;
        count += lives;
    }
    sp_census_close(&census);
    return count;
}

uint32_t look_holder(const struct look *look, uint64_t lease)
{
    uint32_t slot = sp_lease_slot(lease);
    bool held = lease != 0 && (lease & SP_LEASE_DEAD) == 0 && slot < SP_PROCESSES;
    if (!held || !look->alive[slot])
        return SP_NO_SLOT;
    uint32_t epoch = atomic_load(&look->segment->processes[slot].epoch) & 0xfffffu;
    return epoch == sp_lease_epoch(lease) ? slot : SP_NO_SLOT;
}

uint32_t look_held(const struct look *look, const sp_word *words, uint32_t count)
{
    uint32_t held = 0;
    for (uint32_t i = 0; i < count; i++)
        held += look_holder(look, atomic_load(&words[i])) != SP_NO_SLOT;
    return held;
}

/* --- figures --- */

static void look_minus(struct sp_figures *after, const struct sp_figures *before)
{
    uint64_t *a = (uint64_t *)(void *)after;
    const uint64_t *b = (const uint64_t *)(const void *)before;
    for (size_t i = 0; i < sizeof *after / sizeof *a; i++)
        a[i] = a[i] > b[i] ? a[i] - b[i] : 0;
}
_Static_assert(sizeof(struct sp_figures) % sizeof(uint64_t) == 0, "nothing but counters");

/* A call is an exchange, or a connect that came to nothing; where no answers are expected, every
 * connect. Our own refusals and what was abandoned say nothing about the destination. */
static void look_calls(const struct sp_figures *f, const struct sp_guards *guards, uint64_t *calls,
                       uint64_t *errors)
{
    static const struct sp_figures none;
    struct sp_span span = {0};
    sp_span_between(&span, guards, &none, f);
    *calls = span.calls;
    *errors = span.errors;
}

/* Calls on fallbacks: exchanges, and connects that came to nothing. */
static uint64_t look_aside(const struct sp_figures *f)
{
    uint64_t calls = 0;
    for (unsigned i = 0; i < SP_OUTCOME_ABANDONED; i++)
        calls += f->fallback[0][i] + (i != SP_OUTCOME_OK ? f->fallback[1][i] : 0);
    return calls;
}

/* The calls of one side, as figures of their own. */
static const struct sp_figures_side *look_part(struct sp_figures *part,
                                               const struct sp_figures *all, int side)
{
    const struct sp_figures_side *from = side == LOOK_OBSERVED ? &all->observed : &all->enforced;
    memcpy(part->connects, from->connects, sizeof part->connects);
    memcpy(part->exchanges, from->exchanges, sizeof part->exchanges);
    return from;
}

static void look_side(struct look_dest *d, const struct sp_figures *delta, double seconds, int side)
{
    struct sp_figures *part = memory_new(1, sizeof *part);
    struct look_side *s = &d->side[side];
    look_part(part, delta, side);
    look_calls(part, &d->guards, &s->calls, &s->errors);
    s->calls_per_s = (double)s->calls / seconds;
    const struct sp_figures_side *from = look_part(part, &d->shown, side);
    look_calls(part, &d->guards, &s->calls, &s->errors);
    s->p50 = sp_bin_quantile(from->answer_time, 0.50);
    s->p99 = sp_bin_quantile(from->answer_time, 0.99);
    s->refused = look_sum(from->refused, 3);
    s->cut = look_sum(from->late, SP_DEADLINE_COUNT);
    free(part);
}

static void look_rates(struct look_dest *d, const struct sp_figures *before, uint64_t interval,
                       bool over_interval)
{
    struct sp_figures *delta = memory_new(1, sizeof *delta);
    uint64_t calls, errors;
    double seconds = (double)interval / (double)SP_SECOND;
    *delta = d->life;
    look_minus(delta, before);
    look_calls(delta, &d->guards, &calls, &errors);
    d->calls_per_s = (double)calls / seconds;
    d->refused_per_min = (double)look_sum(delta->rejected, 3) * 60 / seconds;
    d->fallback_per_s = (double)look_aside(delta) / seconds;
    d->shown = over_interval ? *delta : d->life;
    for (int side = 0; side < LOOK_SIDES; side++)
        look_side(d, delta, seconds, side);
    free(delta);
    look_calls(&d->shown, &d->guards, &d->calls, &d->errors);
    look_calls(&d->life, &d->guards, &d->life_calls, &d->life_errors);
    bool answers = look_sum(d->shown.answer_time, SP_BINS) > 0;
    const uint64_t *bins = answers ? d->shown.answer_time : d->shown.connect_time;
    d->p50 = sp_bin_quantile(bins, 0.50);
    d->p99 = sp_bin_quantile(bins, 0.99);
}

/* --- one destination --- */

static void look_cap(const struct look *look, struct look_dest *d)
{
    const struct sp_segment *segment = look->segment;
    static const enum sp_cap order[] = {SP_CAP_CONNECTIONS, SP_CAP_INFLIGHT, SP_CAP_CONNECTING};
    for (int i = 0; i < SP_CAP_COUNT && !d->capped; i++) {
        uint32_t count;
        sp_word *words = sp_lease_words(segment, &segment->dests[d->index], order[i], &count);
        d->cap = order[i];
        d->cap_limit = d->guards.cap[order[i]];
        d->capped = d->cap_limit > 0;
        if (d->capped && words) /* all of the extent: the limit may have been lowered meanwhile */
            d->cap_held = look_held(look, words, count);
    }
}

static void look_queues(const struct look *look, struct look_dest *d)
{
    const struct sp_dest *dest = &look->segment->dests[d->index];
    for (int line = 0; line < SP_LINES; line++)
        d->waiting += sp_queue_waiting(look->segment, &dest->queues[line], look->now, NULL);
}

static void look_one(struct look *look, struct look_dest *d)
{
    struct sp_call call;
    struct sp_dest *dest = sp_segment_dest(look->segment, d->index);
    uint64_t area = atomic_load(&look->segment->head->policy) & 1;
    d->rank = atomic_load(&dest->row[area]);
    d->named = sp_segment_guards(look->segment, d->index, &d->guards);
    where_call(&call, look->segment, d->index, &d->guards);
    sp_breaker_look(&call, &d->view);
    uint64_t changed = atomic_load(&dest->cell.changed);
    d->since = changed == 0 || changed > call.now ? SP_NEVER : call.now - changed;
    d->last_failure = atomic_load(&dest->cell.last_failure);
    d->open_time = atomic_load(&dest->cell.open_time);
    if (d->view.state == SP_STATE_OPEN && d->since != SP_NEVER)
        d->open_time += d->since;
    d->recovery = atomic_load(&dest->cell.recovery);
    d->disabled = sp_dest_disabled(dest);
    sp_steer_read(dest, &d->steer);
    bool over = d->steer.until != 0 && d->steer.until <= call.now;
    if (over && d->steer.kind != SP_EVENT_DISABLE)
        d->steer.kind = SP_EVENT_NONE;
    look_cap(look, d);
    look_queues(look, d);
}

static void look_list(struct look *look)
{
    const struct sp_segment *segment = look->segment;
    look->dests = memory_new(segment->dest_max, sizeof *look->dests);
    for (uint32_t i = 0; i < segment->dest_max; i++) {
        struct look_dest *d = &look->dests[look->count];
        look_name(d->name, segment->dests[i].name);
        d->index = i;
        if (d->name[0])
            look->count++;
    }
}

/* In the order of the policy; what it does not name any more comes last. */
static int look_compare(const void *a, const void *b)
{
    const struct look_dest *x = a, *y = b;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

static void look_trips(struct look *look)
{
    uint64_t sequence = event_first(look->segment);
    struct sp_event event;
    while (event_next(look->segment, &sequence, &event)) {
        bool opened = event.kind == SP_EVENT_BREAKER && event.to == SP_STATE_OPEN &&
                      event.text[0] == 0; /* else of one address */
        for (uint32_t i = 0; opened && i < look->count; i++) {
            struct look_dest *d = &look->dests[i];
            if (strncmp(d->name, event.destination, SP_NAME_SIZE) == 0) {
                d->tripped = true;
                d->trip = event;
            }
        }
    }
}

void look_mark(struct look_mark *mark, const struct sp_segment *segment)
{
    if (!mark->figures || mark->room < segment->dest_max) {
        free(mark->figures);
        mark->room = segment->dest_max;
        mark->figures = memory_new(mark->room, sizeof *mark->figures);
    }
    for (uint32_t i = 0; i < segment->dest_max; i++) {
        if (segment->dests[i].name[0])
            sp_count_sum(&segment->dests[i], &mark->figures[i]);
    }
    mark->unmatched = atomic_load(&segment->head->unmatched);
    mark->at = sp_now();
}

void look_unmark(struct look_mark *mark)
{
    free(mark->figures);
    *mark = (struct look_mark){0};
}

static void look_head(struct look *look)
{
    const struct sp_head *head = look->segment->head;
    look->policy = look_policy(look->segment, &look->generation);
    look->loaded = atomic_load(&head->policy_loaded);
    look->disabled = atomic_load(&head->disabled) != 0;
    look->processes = look_processes(look->segment, look->alive);
    look->now = sp_now();
    look->wall = sp_wall();
    look->unmatched = atomic_load(&head->unmatched);
}

void look_since(struct look *look, struct sp_segment *segment, const struct look_mark *mark,
                bool only)
{
    *look = (struct look){.segment = segment};
    look_head(look);
    look_list(look);
    look->interval = look->now > mark->at ? look->now - mark->at : 1;
    look->unmatched_per_s =
        (double)(look->unmatched - mark->unmatched) / ((double)look->interval / (double)SP_SECOND);
    for (uint32_t i = 0; i < look->count; i++) {
        struct look_dest *d = &look->dests[i];
        sp_count_sum(&segment->dests[d->index], &d->life);
        look_one(look, d);
        look_rates(d, &mark->figures[d->index], sp_now() - mark->at, only);
    }
    look_trips(look);
    if (look->count > 1)
        qsort(look->dests, look->count, sizeof *look->dests, look_compare);
}

void look_take(struct look *look, struct sp_segment *segment, uint64_t interval)
{
    struct look_mark mark = {0};
    look_mark(&mark, segment);
    look_sleep(interval ? interval : LOOK_INTERVAL);
    look_since(look, segment, &mark, interval != 0);
    look_unmark(&mark);
}

void look_free(struct look *look)
{
    free(look->dests);
    free(look->policy);
    *look = (struct look){0};
}
