/* arm.c - the arms of destinations: which place each has, what is known of it. */
#include "state/arm.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "shearpin/guard.h"
#include "state/shared.h"

#define KEY_SET UINT64_C(1) /* so that no key is 0 */

static uint64_t arm_key(uint32_t dest, const char *name)
{
    uint64_t hash = sp_hash(name, strnlen(name, SP_ARM_NAME_SIZE));
    return (uint64_t)dest << 54 | hash >> 10 | KEY_SET;
}

static uint64_t arm_load(const struct sp_arm *arm)
{
    return atomic_load_explicit(&arm->key, memory_order_acquire);
}

struct sp_arm *sp_arm_at(const struct sp_segment *segment, uint32_t dest, uint32_t place)
{
    struct sp_arm *arm = place < segment->arm_max ? &segment->arms[place] : NULL;
    uint64_t key = arm ? arm_load(arm) : 0;
    return key != 0 && key >> 54 == dest ? arm : NULL;
}

static uint32_t arm_find(const struct sp_segment *segment, uint64_t key)
{
    for (uint32_t i = 0; i < segment->arm_max; i++) {
        if (arm_load(&segment->arms[i]) == key)
            return i;
    }
    return SP_NO_ARM;
}

struct sp_arm *sp_arm_named(const struct sp_segment *segment, uint32_t dest, const char *name)
{
    return sp_arm_at(segment, dest, arm_find(segment, arm_key(dest, name)));
}

struct sp_aim sp_arm_aim(const struct sp_segment *segment, const struct sp_arm *arm)
{
    return (struct sp_aim){SP_AIM_ARM + (uint32_t)(arm - segment->arms), (uint32_t)arm_load(arm)};
}

struct sp_arm *sp_arm_aimed(const struct sp_segment *segment, struct sp_aim aim)
{
    uint32_t place = aim.index - SP_AIM_ARM;
    if (aim.index == SP_NO_ENDPOINT || aim.index < SP_AIM_ARM || place >= segment->arm_max ||
        (uint32_t)arm_load(&segment->arms[place]) != aim.tag)
        return NULL;
    return &segment->arms[place];
}

/* --- the lines of the policy in force --- */

static size_t arm_copy(const struct sp_policy *policy, uint32_t index,
                       struct sp_arm_policy out[SP_ARMS_MAX])
{
    const struct sp_row *row = sp_policy_row(policy, index);
    uint32_t count = row ? row->arm_count : 0, first = row ? row->arm_first : 0;
    for (uint32_t i = 0; i < count && i < SP_ARMS_MAX; i++) {
        const struct sp_arm_policy *found = sp_policy_arm(policy, (size_t)first + i);
        if (!found)
            return i;
        sp_shared_load(&out[i], found, sizeof out[i]);
        out[i].name[SP_ARM_NAME_SIZE - 1] = 0; /* the area may be written by anybody */
        out[i].address.path[sizeof out[i].address.path - 1] = 0;
    }
    return count < SP_ARMS_MAX ? count : SP_ARMS_MAX;
}

size_t sp_arm_lines(struct sp_segment *segment, uint32_t dest,
                    struct sp_arm_policy out[SP_ARMS_MAX])
{
    struct sp_dest *d = sp_segment_dest(segment, dest);
    for (int i = 0; d && i < 64; i++) {
        uint64_t word;
        const struct sp_policy *policy = sp_segment_policy(segment, &word);
        uint32_t index = atomic_load_explicit(&d->row[word & 1], memory_order_relaxed);
        size_t count = policy ? arm_copy(policy, index, out) : 0;
        if (sp_segment_steady(segment, word))
            return count;
    }
    return 0;
}

void sp_arm_shares(const struct sp_segment *segment, uint32_t dest,
                   const struct sp_arm_policy *arms, size_t count, uint64_t now,
                   uint16_t out[SP_ARMS_MAX])
{
    const struct sp_dest *d = sp_segment_dest(segment, dest);
    uint16_t own[SP_ARMS_MAX];
    count = count < SP_ARMS_MAX ? count : SP_ARMS_MAX;
    for (size_t i = 0; i < count; i++)
        own[i] = out[i] = (uint16_t)arms[i].share;
    if (d && count > 0)
        sp_shift_in_force(&d->shift, arms[0].of, own, (uint32_t)count, now, out);
}

/* --- places --- */

uint32_t sp_arm_total(const struct sp_policy *policy)
{
    uint32_t count = 0;
    while (sp_policy_arm(policy, count))
        count++;
    return count;
}

/* Calls `each` with every arm of a policy, its number, and the place of its destination. */
typedef void arm_each_fn(void *context, uint32_t nth, uint32_t dest,
                         const struct sp_arm_policy *arm);

static void arm_each(const struct sp_policy *policy, const uint32_t *dests, arm_each_fn *each,
                     void *context)
{
    const struct sp_row *row;
    for (uint32_t r = 0; (row = sp_policy_row(policy, r)); r++) {
        for (uint32_t i = 0; i < row->arm_count; i++)
            each(context, row->arm_first + i, dests[r],
                 sp_policy_arm(policy, (size_t)row->arm_first + i));
    }
}

struct arm_plan {
    struct sp_segment *segment;
    struct sp_policy *copy;
    uint32_t wanted;
    bool kept[SP_DESTS_MAX * SP_ARMS_MAX]; /* by place: the new policy has it */
    bool used[SP_DESTS_MAX * SP_ARMS_MAX]; /* so has the one in force */
};

static void arm_keep(void *context, uint32_t nth, uint32_t dest, const struct sp_arm_policy *arm)
{
    struct arm_plan *plan = context;
    uint32_t place = arm_find(plan->segment, arm_key(dest, arm->name));
    (void)nth;
    if (place == SP_NO_ARM)
        plan->wanted++;
    else
        plan->kept[place] = true;
}

/* An arm of the policy in force keeps its place as long as there is another: calls are on it. */
static void arm_look(struct arm_plan *plan, const struct sp_policy *policy, const uint32_t *dests)
{
    uint64_t word = atomic_load(&plan->segment->head->policy);
    const struct sp_policy *force = word ? sp_segment_policy(plan->segment, &word) : NULL;
    const struct sp_arm_policy *arm;
    for (size_t i = 0; force && (arm = sp_policy_arm(force, i)); i++) {
        if (arm->place < plan->segment->arm_max)
            plan->used[arm->place] = true;
    }
    arm_each(policy, dests, arm_keep, plan);
}

int sp_arm_plan(struct sp_segment *segment, const struct sp_policy *policy, const uint32_t *dests,
                struct sp_error *error)
{
    struct arm_plan plan = {.segment = segment};
    uint32_t free = 0;
    arm_look(&plan, policy, dests);
    for (uint32_t i = 0; i < segment->arm_max; i++)
        free += !plan.kept[i] && !plan.used[i];
    if (plan.wanted <= free)
        return 0;
    return sp_error_set(error, ENOSPC,
                        "the segment has room for %u arms of splits, the policy and the one in "
                        "force name more; end its programs and `shearpin rm` it",
                        segment->arm_max);
}

static uint32_t arm_free(const struct arm_plan *plan)
{
    uint32_t found = SP_NO_ARM;
    for (uint32_t i = 0; i < plan->segment->arm_max; i++) {
        if (plan->kept[i] || plan->used[i])
            continue;
        if (arm_load(&plan->segment->arms[i]) == 0)
            return i;
        if (found == SP_NO_ARM)
            found = i;
    }
    return found;
}

/* As new, but for the epoch of its breaker: permits of whoever had the place count no more. */
static void arm_begin(struct sp_arm *arm, uint64_t key, const char *name)
{
    struct sp_breaker old = sp_breaker_unpack(atomic_load(&arm->endpoint.cell.word));
    struct sp_breaker fresh = {.epoch = (uint16_t)((old.epoch + 1) & SP_BREAKER_EPOCH_MASK)};
    atomic_store(&arm->key, 0);
    memset((char *)arm + sizeof arm->endpoint.cell.word, 0,
           sizeof *arm - sizeof arm->endpoint.cell.word);
    atomic_store(&arm->endpoint.cell.word, sp_breaker_pack(fresh));
    snprintf(arm->name, sizeof arm->name, "%s", name);
    atomic_store_explicit(&arm->key, key, memory_order_release);
}

/* Nobody reads the area yet but who is two generations late: apply_overwrite() in apply.c. */
__attribute__((no_sanitize("thread"))) static void arm_note(struct sp_policy *copy, uint32_t nth,
                                                            uint32_t place)
{
    struct sp_arm_policy *arms = (struct sp_arm_policy *)(void *)((char *)copy + copy->arms);
    __atomic_store_n(&arms[nth].place, (uint16_t)place, __ATOMIC_RELAXED);
}

static void arm_give(void *context, uint32_t nth, uint32_t dest, const struct sp_arm_policy *arm)
{
    struct arm_plan *plan = context;
    uint64_t key = arm_key(dest, arm->name);
    uint32_t place = arm_find(plan->segment, key);
    if (place == SP_NO_ARM && (place = arm_free(plan)) != SP_NO_ARM)
        arm_begin(&plan->segment->arms[place], key, arm->name);
    if (place != SP_NO_ARM)
        plan->kept[place] = true;
    arm_note(plan->copy, nth, place);
}

void sp_arm_hand_out(struct sp_segment *segment, const struct sp_policy *policy,
                     struct sp_policy *copy, const uint32_t *dests)
{
    struct arm_plan plan = {.segment = segment, .copy = copy};
    arm_look(&plan, policy, dests);
    arm_each(policy, dests, arm_give, &plan);
}

void sp_arm_forget(struct sp_segment *segment, uint32_t dest)
{
    for (uint32_t i = 0; i < segment->arm_max; i++) {
        uint64_t key = arm_load(&segment->arms[i]);
        if (key != 0 && key >> 54 == dest)
            atomic_store(&segment->arms[i].key, 0);
    }
}

/* --- figures --- */

static bool arm_connects(const struct sp_guards *guards)
{
    return guards->exchange == SP_EXCHANGE_NONE || guards->success == SP_SUCCESS_CONNECT;
}

void sp_arm_sum(const struct sp_arm *arm, const struct sp_guards *guards, struct sp_figures *out)
{
    bool connects = arm_connects(guards);
    uint64_t *times = connects ? out->connect_time : out->answer_time, timed = 0;
    memset(out, 0, sizeof *out);
    for (unsigned i = 0; i < SP_OUTCOMES_WIRE; i++) {
        out->connects[i] = atomic_load_explicit(&arm->connects[i], memory_order_relaxed);
        out->exchanges[i] = atomic_load_explicit(&arm->exchanges[i], memory_order_relaxed);
    }
    for (unsigned i = 0; i < SP_BINS; i++)
        timed += times[i] = atomic_load_explicit(&arm->times[i], memory_order_relaxed);
    if (!connects)
        out->exchanges[SP_OUTCOME_OK] += timed;
}

void sp_arm_count(struct sp_arm *arm, const struct sp_guards *guards, bool connecting,
                  enum sp_outcome outcome, uint64_t duration)
{
    bool timed = outcome == SP_OUTCOME_OK && connecting == arm_connects(guards);
    if (outcome >= SP_OUTCOMES_WIRE)
        return;
    if (connecting || !timed) /* an answer is counted by its duration alone */
        sp_count(connecting ? &arm->connects[outcome] : &arm->exchanges[outcome], 1);
    if (timed)
        sp_count(&arm->times[sp_bin_of(duration)], 1);
}
