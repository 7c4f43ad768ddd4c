#include "state/apply.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "shearpin/guard.h"
#include "state/arm.h"
#include "state/layout.h"
#include "state/process.h"
#include "state/shared.h"

#define LEASES_LEAST 64u /* a cap may be raised this far without a new segment */

uint32_t sp_apply_extent(uint32_t limit)
{
    if (limit == 0)
        return 0;
    uint32_t twice = limit > UINT32_MAX / 4 ? UINT32_MAX / 4 : limit * 2;
    return twice < LEASES_LEAST ? LEASES_LEAST : (twice + 7) / 8 * 8;
}

static uint32_t apply_leases(const struct sp_policy *policy)
{
    uint64_t total = 0;
    const struct sp_row *row;
    for (size_t i = 0; (row = sp_policy_row(policy, i)); i++) {
        for (int cap = 0; cap < SP_CAP_COUNT; cap++)
            total += sp_apply_extent(row->guards.cap[cap]) * (1ull + policy->learn);
    }
    return total > UINT32_MAX / 4 ? UINT32_MAX / 4 : (uint32_t)total;
}

static uint32_t apply_journal(const struct sp_policy *policy)
{
    uint32_t bytes = 0;
    const struct sp_row *row;
    for (size_t i = 0; (row = sp_policy_row(policy, i)); i++) {
        if (row->guards.journal > bytes)
            bytes = row->guards.journal;
    }
    return bytes / sizeof(struct sp_entry);
}

static uint32_t apply_histories(const struct sp_policy *policy)
{
    uint32_t count = 0;
    const struct sp_row *row;
    for (size_t i = 0; (row = sp_policy_row(policy, i)); i++)
        count += row->guards.moment != 0;
    return count;
}

static uint32_t apply_round(uint64_t n, uint32_t to)
{
    return (uint32_t)((n + to - 1) / to * to);
}

static uint32_t apply_between(uint64_t n, uint32_t least, uint32_t most)
{
    return n < least ? least : n > most ? most : (uint32_t)n;
}

/* Room to grow: half as many destinations again, twice the leases, twice the text. */
void sp_apply_capacities(struct sp_head *head, const struct sp_policy *policy)
{
    uint64_t rows = policy->row_count,
             leases = (policy->learn ? 1 : 2) * (uint64_t)apply_leases(policy);
    uint64_t dests = (rows <= 12 ? SP_DESTS_LEAST : rows + rows / 2) + policy->learn;
    head->dest_max = apply_round(apply_between(dests, SP_DESTS_LEAST, SP_DESTS_MAX), 16);
    head->lease_max = apply_round(apply_between(leases, SP_LEASES_LEAST, SP_LEASES_MAX), 8);
    head->policy_size =
        apply_round(apply_between(2ull * policy->size, SP_POLICY_LEAST, SP_POLICY_SIZE_MAX), 4096);
    head->journal_max = apply_between(apply_journal(policy), 0, SP_JOURNAL_MAX);
    head->history_max = apply_between(apply_histories(policy) * 3 / 2, 0, SP_HISTORIES_MAX);
    head->arm_max = apply_round(
        apply_between(sp_arm_total(policy) * UINT64_C(3) / 2, SP_PLACES_LEAST, SP_PLACES_MAX), 4);
    head->size = sp_segment_size(head);
    head->layout = SP_LAYOUT;
    head->created = sp_wall();
    snprintf(head->version, sizeof head->version, "%s", SP_VERSION);
}

/* The state of a name: the one that has it, else a free place, else one that no policy names. */
static uint32_t apply_place(const struct sp_segment *segment, const char *name, const bool *taken)
{
    uint32_t index, spare = SP_NO_ROW;
    uint64_t word = atomic_load(&segment->head->policy);
    if (sp_segment_dest_named(segment, name, &index))
        return index;
    for (uint32_t i = 0; i < segment->dest_max; i++) {
        if (taken[i])
            continue;
        if (segment->dests[i].name[0] == 0)
            return i;
        if (spare == SP_NO_ROW && atomic_load(&segment->dests[i].row[word & 1]) == SP_NO_ROW)
            spare = i;
    }
    return spare;
}

/* Decides the place of every row before anything is written. */
static int apply_plan(const struct sp_segment *segment, const struct sp_policy *policy,
                      uint32_t *place, struct sp_error *error)
{
    bool taken[SP_DESTS_MAX] = {false};
    uint64_t wanted = atomic_load(&segment->head->lease_used);
    const struct sp_row *row;
    for (size_t i = 0; (row = sp_policy_row(policy, i)); i++) {
        if (sp_segment_dest_named(segment, row->name, &place[i]))
            taken[place[i]] = true;
    }
    for (size_t i = 0; (row = sp_policy_row(policy, i)); i++) {
        place[i] = apply_place(segment, row->name, taken);
        if (place[i] == SP_NO_ROW)
            return sp_error_set(error, ENOSPC,
                                "the segment has room for %u destinations, the policy and the "
                                "one in force name more; end its programs and `shearpin rm` it",
                                segment->dest_max);
        taken[place[i]] = true;
        for (int cap = 0; cap < SP_CAP_COUNT; cap++) {
            uint32_t limit = row->guards.cap[cap];
            uint32_t have = atomic_load(&segment->dests[place[i]].caps[cap].count);
            if (have == 0)
                wanted += sp_apply_extent(limit);
            if ((have && limit > have) || wanted > segment->lease_max)
                return sp_error_set(error, ENOSPC,
                                    "the segment has no room for the cap of %u of "
                                    "'%s'; end its programs and `shearpin rm` it",
                                    limit, row->name);
        }
    }
    return 0;
}

static void apply_caps(struct sp_segment *segment, struct sp_dest *dest,
                       const struct sp_guards *guards)
{
    for (int cap = 0; cap < SP_CAP_COUNT; cap++) {
        uint32_t want = sp_apply_extent(guards->cap[cap]);
        if (want == 0 || atomic_load(&dest->caps[cap].count) != 0)
            continue;
        atomic_store(&dest->caps[cap].offset, atomic_fetch_add(&segment->head->lease_used, want));
        atomic_store(&dest->caps[cap].count, want);
    }
}

/* Histories are handed out anew: those whose destination kept its own stay where they are. */
static void apply_history(struct sp_segment *segment, struct sp_dest *dest, bool *taken,
                          bool wanted)
{
    uint32_t mine = atomic_load(&dest->history);
    if (!wanted || (mine > 0 && mine <= segment->history_max))
        return;
    for (uint32_t i = 0; i < segment->history_max; i++) {
        if (taken[i])
            continue;
        taken[i] = true;
        memset(&segment->histories[i], 0, sizeof segment->histories[i]);
        atomic_store(&dest->history, i + 1);
        return;
    }
}

static void apply_histories_out(struct sp_segment *segment, const struct sp_policy *policy,
                                const uint32_t *place)
{
    bool taken[SP_HISTORIES_MAX] = {false}, wants[SP_DESTS_MAX] = {false};
    for (uint32_t i = 0; i < policy->row_count; i++)
        wants[place[i]] = sp_policy_row(policy, i)->guards.moment != 0;
    for (uint32_t i = 0; i < segment->dest_max; i++) {
        uint32_t mine = atomic_load(&segment->dests[i].history);
        bool keeps = wants[i] && mine > 0 && mine <= segment->history_max && !taken[mine - 1];
        if (keeps)
            taken[mine - 1] = true;
        else
            atomic_store(&segment->dests[i].history, 0);
    }
    for (uint32_t i = 0; i < segment->dest_max; i++)
        apply_history(segment, &segment->dests[i], taken, wants[i]);
}

/* A place that another name had. Its caps stay with the place, where leases of the former name may
 * still be given back, and the breaker's epoch rises, so that its permits count no more; all else
 * begins anew. */
static void apply_rename(struct sp_segment *segment, struct sp_dest *dest, const char *name)
{
    const size_t cell = offsetof(struct sp_dest, cell), caps = offsetof(struct sp_dest, caps),
                 behind = caps + sizeof dest->caps;
    if (strncmp(dest->name, name, SP_NAME_SIZE) == 0)
        return;
    if (dest->name[0] != 0) {
        sp_endpoint_forget(segment, (uint32_t)(dest - segment->dests));
        sp_arm_forget(segment, (uint32_t)(dest - segment->dests));
        struct sp_breaker old = sp_breaker_unpack(atomic_load(&dest->cell.word));
        memset((char *)dest + cell, 0, caps - cell);
        memset((char *)dest + behind, 0, sizeof *dest - behind);
        struct sp_breaker fresh = {.epoch = (uint16_t)(old.epoch + 1)};
        atomic_store(&dest->cell.word, sp_breaker_pack(fresh));
        atomic_store(&dest->odd, 0);
        atomic_store(&dest->peak, 0);
    }
    snprintf(dest->name, sizeof dest->name, "%s", name);
}

/* Readers of the area look at the policy's word afterwards and begin again if it has moved on, so
 * what they read meanwhile may be torn: the one race that is meant, which the thread sanitizer is
 * not to see. The loop is no memcpy(), as that is intercepted. */
__attribute__((no_sanitize("thread"))) static void apply_overwrite(struct sp_policy *copy,
                                                                   const struct sp_policy *policy)
{
    unsigned char *to = (unsigned char *)copy;
    const unsigned char *from = (const unsigned char *)policy;
    size_t size = policy->size, at = 0;
    for (; at + 8 <= size; at += 8)
        __atomic_store_n((uint64_t *)(void *)(to + at),
                         *(const sp_shared_word *)(const void *)(from + at), __ATOMIC_RELAXED);
    for (; at < size; at++)
        __atomic_store_n(to + at, from[at], __ATOMIC_RELAXED);
}

__attribute__((no_sanitize("thread"))) static void apply_state(struct sp_row *row, uint32_t place)
{
    __atomic_store_n(&row->state, (uint16_t)place, __ATOMIC_RELAXED);
}

/* Has the segment, which was made for another policy perhaps, room for this one? */
static int apply_fits(const struct sp_segment *segment, const struct sp_policy *policy,
                      struct sp_error *error)
{
    uint32_t histories = apply_histories(policy);
    if (policy->size > segment->policy_size)
        return sp_error_set(error, ENOSPC,
                            "the policy needs %u bytes, the segment has room for "
                            "%u; end its programs and `shearpin rm` it",
                            policy->size, segment->policy_size);
    if (apply_journal(policy) > segment->journal_max)
        return sp_error_set(error, ENOSPC,
                            "the segment was made %s of that size; end its programs and "
                            "`shearpin rm` it",
                            segment->journal_max ? "with a journal, but not" : "without a journal");
    if (histories > segment->history_max)
        return sp_error_set(error, ENOSPC,
                            "the segment has room for the history of %u destinations with an slo, "
                            "the policy has %u; end its programs and `shearpin rm` it",
                            segment->history_max, histories);
    return 0;
}

/* Row i stands at `place`[i]. Readers of this area are a generation behind: they must see that
 * before they see this. */
static struct sp_policy *apply_rows(struct sp_segment *segment, const struct sp_policy *policy,
                                    uint32_t area, const uint32_t *place)
{
    struct sp_policy *copy = segment->policy[area];
    atomic_thread_fence(memory_order_seq_cst);
    apply_overwrite(copy, policy);
    for (uint32_t i = 0; i < segment->dest_max; i++)
        atomic_store(&segment->dests[i].row[area], SP_NO_ROW);
    for (uint32_t i = 0; i < policy->row_count; i++) {
        struct sp_row *row = (struct sp_row *)(void *)((char *)copy + copy->rows) + i;
        struct sp_dest *dest = &segment->dests[place[i]];
        apply_state(row, place[i]);
        apply_rename(segment, dest, row->name);
        apply_caps(segment, dest, &row->guards);
        atomic_store(&dest->row[area], i);
    }
    return copy;
}

int sp_apply_fill(struct sp_segment *segment, const struct sp_policy *policy,
                  struct sp_error *error)
{
    uint32_t place[SP_POLICY_ROWS_MAX] = {0};
    uint64_t word = atomic_load(&segment->head->policy);
    uint32_t area = (word & 1) ^ 1;
    if (!sp_policy_valid(policy, policy->size))
        return sp_error_set(error, EINVAL, "the compiled policy is damaged");
    if (apply_fits(segment, policy, error) != 0 || apply_plan(segment, policy, place, error) != 0 ||
        sp_arm_plan(segment, policy, place, error) != 0)
        return -1;
    struct sp_policy *copy = apply_rows(segment, policy, area, place);
    sp_arm_hand_out(segment, policy, copy, place);
    apply_histories_out(segment, policy, place);
    for (uint32_t i = 0; word == 0 && i < segment->dest_max; i++)
        atomic_store(&segment->dests[i].row[area ^ 1], SP_NO_ROW);
    atomic_store(&segment->head->policy_loaded, sp_wall());
    atomic_store(&segment->head->policy, ((word >> 1) + 1) << 1 | area);
    return 0;
}

static void apply_event(struct sp_segment *segment, const struct sp_policy *policy)
{
    struct sp_event event = {.kind = SP_EVENT_POLICY};
    event.a = atomic_load(&segment->head->policy) >> 1;
    snprintf(event.text, sizeof event.text, "%s", sp_policy_string(policy, policy->path));
    sp_event_write(segment, &event);
}

int sp_segment_apply(struct sp_segment *segment, const struct sp_policy *policy,
                     struct sp_error *error)
{
    int fd = sp_process_lock_writers(segment, error);
    if (fd < 0)
        return -1;
    int result = sp_apply_fill(segment, policy, error);
    if (result == 0)
        apply_event(segment, policy);
    close(fd); /* and the lock */
    return result;
}
