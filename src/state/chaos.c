/* chaos.c - the table of experiments: starting one, ending it, and who it is for. A start happens
 * under the lock of the file, by a command; an end is one compare-and-swap, by whoever gets there
 * first. */
#include "shearpin/chaos.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"
#include "base/text.h"
#include "state/chaos.h"
#include "state/process.h"
#include "state/shared.h"

const char *sp_chaos_state_word(unsigned state)
{
    static const char *const words[SP_CHAOS_STATE_COUNT] = {
#define X(id, word) word,
        SP_CHAOS_STATES(X)
#undef X
    };
    return state < SP_CHAOS_STATE_COUNT ? words[state] : "?";
}

struct sp_chaos *sp_chaos_at(const struct sp_segment *segment, uint32_t index)
{
    return index < SP_EXPERIMENTS ? &segment->chaos[index] : NULL;
}

enum sp_chaos_state sp_chaos_stands(const struct sp_chaos *chaos, uint64_t now)
{
    enum sp_chaos_state state =
        sp_chaos_state(atomic_load_explicit(&chaos->word, memory_order_acquire));
    return state == SP_CHAOS_RUNNING && now >= chaos->end ? SP_CHAOS_COMPLETED : state;
}

static bool chaos_known(const struct sp_chaos *chaos)
{
    return sp_chaos_state(atomic_load(&chaos->word)) >= SP_CHAOS_RUNNING;
}

struct sp_chaos *sp_chaos_named(const struct sp_segment *segment, const char *name)
{
    struct sp_chaos *newest = NULL;
    for (uint32_t i = 0; i < SP_EXPERIMENTS; i++) {
        struct sp_chaos *chaos = &segment->chaos[i];
        if (chaos_known(chaos) && strncmp(chaos->name, name, SP_NAME_SIZE) == 0 &&
            (!newest || chaos->start > newest->start))
            newest = chaos;
    }
    return newest;
}

/* --- targets --- */

int sp_chaos_target_of(const struct sp_segment *segment, const struct sp_chaos *chaos,
                       uint32_t dest)
{
    const struct sp_dest *d = sp_segment_dest(segment, dest);
    for (int i = 0; d && i < chaos->target_count && i < (int)SP_EXPERIMENT_TARGETS; i++) {
        if (chaos->targets[i].dest == dest &&
            strncmp(chaos->targets[i].name, d->name, SP_NAME_SIZE) == 0)
            return i;
    }
    return -1;
}

struct sp_chaos *sp_chaos_on(const struct sp_segment *segment, uint32_t dest, uint64_t now)
{
    for (uint32_t i = 0; i < SP_EXPERIMENTS; i++) {
        struct sp_chaos *chaos = &segment->chaos[i];
        if (sp_chaos_stands(chaos, now) == SP_CHAOS_RUNNING &&
            sp_chaos_target_of(segment, chaos, dest) >= 0)
            return chaos;
    }
    return NULL;
}

/* A start sets the bit after its word says RUNNING, so who clears it looks once more. */
static void chaos_let_go(struct sp_segment *segment, uint32_t dest, uint64_t now)
{
    struct sp_dest *d = sp_segment_dest(segment, dest);
    if (!d || sp_chaos_on(segment, dest, now))
        return;
    sp_dest_mark(d, SP_DEST_FAULTY, false);
    if (sp_chaos_on(segment, dest, now))
        sp_dest_mark(d, SP_DEST_FAULTY, true);
}

static uint32_t chaos_stages(const struct sp_segment *segment, uint64_t now)
{
    uint32_t stages = 0;
    for (uint32_t i = 0; i < SP_EXPERIMENTS; i++) {
        const struct sp_chaos *chaos = &segment->chaos[i];
        if (sp_chaos_stands(chaos, now) != SP_CHAOS_RUNNING)
            continue;
        for (unsigned f = 0; f < chaos->fault_count && f < SP_EXPERIMENT_FAULTS; f++)
            stages |= chaos->faults[f].fault.on & SP_FAULT_ON_LOOSE;
    }
    return stages;
}

/* The same for what belongs to no destination: which stages are asked about at all. */
static void chaos_stage(struct sp_segment *segment, uint64_t now)
{
    uint32_t stages = chaos_stages(segment, now);
    atomic_fetch_and(&segment->head->loose, stages);
    atomic_fetch_or(&segment->head->loose, chaos_stages(segment, now));
}

/* --- the end --- */

static void chaos_event(struct sp_segment *segment, const struct sp_chaos *chaos,
                        enum sp_chaos_state state)
{
    struct sp_event event = {.kind = SP_EVENT_CHAOS, .to = (uint8_t)state};
    struct sp_text_out text = sp_text_out(event.text, sizeof event.text);
    uint64_t because = atomic_load(&chaos->because);
    const struct sp_dest *dest = sp_segment_dest(
        segment, because ? (uint32_t)atomic_load(&chaos->because_dest) : chaos->targets[0].dest);
    sp_text_put(&text, "%.*s", SP_NAME_SIZE - 1, chaos->name);
    if (because > 0 && because <= SP_EXPERIMENT_CONDITIONS) {
        const struct sp_chaos_condition *c = &chaos->conditions[because - 1];
        char words[64] = "its breaker has opened";
        if (!c->opens)
            sp_condition_format(&c->condition, words, sizeof words);
        sp_text_put(&text, ": %s%s", c->when == SP_PROVISO_STEADY ? "not steady: " : "", words);
    }
    if (dest && (because || chaos->target_count == 1))
        memcpy(event.destination, dest->name, sizeof event.destination);
    event.a = state == SP_CHAOS_RUNNING ? chaos->end : 0;
    event.b = chaos->seed;
    sp_event_write(segment, &event);
}

/* Does the policy in force name none of its targets any more? */
static bool chaos_orphaned(const struct sp_segment *segment, const struct sp_chaos *chaos)
{
    uint64_t area = atomic_load(&segment->head->policy) & 1;
    for (unsigned i = 0; i < chaos->target_count && i < SP_EXPERIMENT_TARGETS; i++) {
        uint32_t dest = chaos->targets[i].dest;
        if (sp_chaos_target_of(segment, chaos, dest) >= 0 &&
            atomic_load(&segment->dests[dest].row[area]) != SP_NO_ROW)
            return false;
    }
    return true;
}

/* What the winner of the swap has left to do. */
static void chaos_over(struct sp_segment *segment, struct sp_chaos *chaos,
                       enum sp_chaos_state state, uint64_t now)
{
    for (unsigned i = 0; i < chaos->target_count && i < SP_EXPERIMENT_TARGETS; i++)
        chaos_let_go(segment, chaos->targets[i].dest, now);
    chaos_stage(segment, now);
    chaos_keep_during(segment, chaos, now);
    atomic_store(&chaos->ended_wall, sp_wall());
    atomic_store(&chaos->ended, now);
    chaos_event(segment, chaos, state);
}

static bool chaos_swap(struct sp_chaos *chaos, uint64_t word, enum sp_chaos_state state)
{
    return sp_chaos_state(word) == SP_CHAOS_RUNNING &&
           atomic_compare_exchange_strong(&chaos->word, &word, sp_chaos_word(word >> 8, state));
}

bool sp_chaos_end(struct sp_segment *segment, struct sp_chaos *chaos, uint64_t word,
                  enum sp_chaos_state state, uint64_t now)
{
    if (state == SP_CHAOS_COMPLETED && chaos_orphaned(segment, chaos))
        state = SP_CHAOS_FAILED;
    if (!chaos_swap(chaos, word, state))
        return false;
    chaos_over(segment, chaos, state, now);
    return true;
}

bool sp_chaos_abort(struct sp_segment *segment, struct sp_chaos *chaos, uint64_t word,
                    const struct sp_chaos_because *because, uint64_t now)
{
    if (!chaos_swap(chaos, word, SP_CHAOS_ABORTED))
        return false;
    atomic_fetch_add(&chaos->aborts, 1);
    atomic_store(&chaos->because_dest, because->dest);
    atomic_store(&chaos->because_value, because->value);
    atomic_store(&chaos->because_calls, because->calls);
    atomic_store(&chaos->because, because->condition + 1);
    chaos_over(segment, chaos, SP_CHAOS_ABORTED, now);
    return true;
}

void sp_chaos_tidy(struct sp_segment *segment, uint64_t now)
{
    for (uint32_t i = 0; i < SP_EXPERIMENTS; i++) {
        struct sp_chaos *chaos = &segment->chaos[i];
        uint64_t word = atomic_load(&chaos->word);
        if (sp_chaos_state(word) == SP_CHAOS_RUNNING && now >= chaos->end)
            sp_chaos_end(segment, chaos, word, SP_CHAOS_COMPLETED, now);
    }
    for (uint32_t i = 0; i < segment->dest_max; i++) {
        if (atomic_load(&segment->dests[i].odd) & SP_DEST_FAULTY)
            chaos_let_go(segment, i, now);
    }
    if (atomic_load(&segment->head->loose))
        chaos_stage(segment, now);
}

/* --- the start --- */

static int chaos_busy(const struct sp_segment *segment, const struct sp_chaos *plan, bool also,
                      struct sp_error *error)
{
    for (uint32_t i = 0; i < SP_EXPERIMENTS; i++) {
        const struct sp_chaos *chaos = &segment->chaos[i];
        if (sp_chaos_stands(chaos, plan->start) != SP_CHAOS_RUNNING)
            continue;
        if (strncmp(chaos->name, plan->name, SP_NAME_SIZE) == 0)
            return sp_error_set(error, EBUSY,
                                "%s runs already; end it with: shearpin chaos stop %s", plan->name,
                                plan->name);
        for (unsigned t = 0; !also && t < plan->target_count; t++) {
            if (sp_chaos_target_of(segment, chaos, plan->targets[t].dest) >= 0)
                return sp_error_set(error, EBUSY,
                                    "%.*s injects on %s already; --also starts this one on top",
                                    SP_NAME_SIZE - 1, chaos->name, plan->targets[t].name);
        }
    }
    return 0;
}

/* Its own row, else a free one, else one whose starter died, else the one that ended first. */
static struct sp_chaos *chaos_row(const struct sp_segment *segment, const struct sp_chaos *plan)
{
    struct sp_chaos *best = NULL;
    uint64_t least = UINT64_MAX;
    for (uint32_t i = 0; i < SP_EXPERIMENTS; i++) {
        struct sp_chaos *chaos = &segment->chaos[i];
        enum sp_chaos_state state = sp_chaos_stands(chaos, plan->start);
        bool own = state != SP_CHAOS_FREE && strncmp(chaos->name, plan->name, SP_NAME_SIZE) == 0;
        uint64_t rank = own ? 0 : state <= SP_CHAOS_WRITING ? 1 : atomic_load(&chaos->ended) + 2;
        if (state == SP_CHAOS_RUNNING || rank >= least)
            continue;
        best = chaos;
        least = rank;
    }
    return best;
}

static void chaos_fill(struct sp_segment *segment, struct sp_chaos *chaos,
                       const struct sp_chaos *plan)
{
    const size_t head = offsetof(struct sp_chaos, name);
    bool same = strncmp(chaos->name, plan->name, SP_NAME_SIZE) == 0;
    struct sp_chaos full = *plan;
    atomic_store(&full.aborts, same ? atomic_load(&chaos->aborts) : 0);
    full.uid = (uint32_t)geteuid();
    full.start_wall = sp_wall();
    for (unsigned i = 0; i < full.target_count; i++) {
        struct sp_chaos_target *t = &full.targets[i];
        t->hash = sp_hash(t->name, strlen(t->name));
        t->opened = sp_chaos_opened(segment, t->dest);
    }
    for (unsigned i = 0; i < full.condition_count; i++) {
        struct sp_chaos_condition *c = &full.conditions[i];
        c->opened = c->dest == SP_CHAOS_EVERY ? 0 : sp_chaos_opened(segment, c->dest);
    }
    chaos_keep_before(segment, &full, chaos);
    sp_shared_store((char *)chaos + head, (const char *)&full + head, sizeof full - head);
}

static struct sp_chaos *chaos_write(struct sp_segment *segment, const struct sp_chaos *plan,
                                    bool also, enum sp_chaos_state state, struct sp_error *error)
{
    if (chaos_busy(segment, plan, also, error) != 0)
        return NULL;
    struct sp_chaos *chaos = chaos_row(segment, plan);
    if (!chaos) {
        sp_error_set(error, ENOSPC, "%u experiments run already, and there is room for no more",
                     SP_EXPERIMENTS);
        return NULL;
    }
    uint64_t number = (atomic_load(&chaos->word) >> 8) + 1;
    atomic_store(&chaos->word, sp_chaos_word(number, SP_CHAOS_WRITING));
    chaos_fill(segment, chaos, plan);
    if (state != SP_CHAOS_RUNNING) {
        atomic_fetch_add(&chaos->aborts, 1);
        atomic_store(&chaos->ended_wall, chaos->start_wall);
        atomic_store(&chaos->ended, chaos->start);
    }
    atomic_store(&chaos->word, sp_chaos_word(number, state));
    for (unsigned i = 0; state == SP_CHAOS_RUNNING && i < plan->target_count; i++)
        sp_dest_mark(&segment->dests[plan->targets[i].dest], SP_DEST_FAULTY, true);
    chaos_stage(segment, plan->start);
    chaos_event(segment, chaos, state);
    return chaos;
}

/* Nobody starts another one, or puts a policy in force, meanwhile. */
static struct sp_chaos *chaos_locked(struct sp_segment *segment, const struct sp_chaos *plan,
                                     bool also, enum sp_chaos_state state, struct sp_error *error)
{
    sp_chaos_tidy(segment, plan->start);
    int fd = sp_process_lock_writers(segment, error);
    if (fd < 0)
        return NULL;
    struct sp_chaos *chaos = chaos_write(segment, plan, also, state, error);
    close(fd); /* and the lock */
    return chaos;
}

struct sp_chaos *sp_chaos_start(struct sp_segment *segment, const struct sp_chaos *plan, bool also,
                                struct sp_error *error)
{
    return chaos_locked(segment, plan, also, SP_CHAOS_RUNNING, error);
}

struct sp_chaos *sp_chaos_unsteady(struct sp_segment *segment, const struct sp_chaos *plan,
                                   struct sp_error *error)
{
    return chaos_locked(segment, plan, true, SP_CHAOS_ABORTED, error);
}
