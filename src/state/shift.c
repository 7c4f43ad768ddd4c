/* shift.c - the shares in force. A note is written into the bank that nobody reads and put in force
 * by one store, so a writer that dies half way has changed nothing; writers hold a lock of the
 * segment's file, which dies with them. */
#include "shearpin/split.h"

#include <string.h>

#include "base/clock.h"
#include "state/process.h"
#include "state/shared.h"

#define SHIFT_TIME  ((UINT64_C(1) << 40) - 1)
#define SHIFT_TOKEN 0xffffffu

static uint64_t shift_lease(uint32_t token, uint64_t until)
{
    return (uint64_t)token << 40 | (until / SP_MS & SHIFT_TIME);
}

static bool shift_lasts(uint64_t lease, uint32_t token, uint64_t now)
{
    return token != 0 && lease >> 40 == token && (now / SP_MS & SHIFT_TIME) < (lease & SHIFT_TIME);
}

/* --- reading --- */

static bool shift_whole(const uint16_t *shares, uint32_t count)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += shares[i];
    return sum == SP_SHARE_ALL;
}

static bool shift_copy(const struct sp_shift *shift, struct sp_shift_note *out)
{
    for (int i = 0; i < 64; i++) {
        uint64_t word = atomic_load_explicit(&shift->word, memory_order_acquire);
        if (word == 0)
            return false;
        sp_shared_load(out, &shift->bank[word & 1], sizeof *out);
        if (atomic_load(&shift->word) == word)
            return true;
    }
    return false;
}

bool sp_shift_read(const struct sp_shift *shift, uint64_t of, struct sp_shift_note *out)
{
    return shift_copy(shift, out) && out->of == of && out->arms <= SP_SHIFT_ARMS &&
           shift_whole(out->stable, out->arms) &&
           (out->token == 0 || shift_whole(out->tried, out->arms));
}

bool sp_shift_held(const struct sp_shift *shift, const struct sp_shift_note *note, uint64_t now)
{
    return shift_lasts(atomic_load_explicit(&shift->lease, memory_order_relaxed), note->token, now);
}

bool sp_shift_in_force(const struct sp_shift *shift, uint64_t of, const uint16_t *policy,
                       uint32_t count, uint64_t now, uint16_t out[SP_SHIFT_ARMS])
{
    struct sp_shift_note note;
    count = count < SP_SHIFT_ARMS ? count : SP_SHIFT_ARMS;
    bool ours = sp_shift_read(shift, of, &note) && note.arms == count;
    if (!ours)
        memcpy(out, policy, count * sizeof *out);
    else
        memcpy(out, sp_shift_held(shift, &note, now) ? note.tried : note.stable,
               count * sizeof *out);
    return ours;
}

bool sp_shift_lapsed(struct sp_shift *shift, uint64_t now)
{
    uint64_t lease = atomic_load_explicit(&shift->lease, memory_order_relaxed);
    if (lease == 0 || shift_lasts(lease, (uint32_t)(lease >> 40), now))
        return false;
    return atomic_compare_exchange_strong(&shift->lease, &lease, 0);
}

/* The arm that it was about, unless a reload has other lines by now. */
static void shift_name(struct sp_segment *segment, const struct sp_dest *dest,
                       const struct sp_shift_note *note, struct sp_event *event)
{
    struct sp_arm_policy arms[SP_ARMS_MAX];
    size_t count = sp_arm_lines(segment, (uint32_t)(dest - segment->dests), arms);
    if (note->target >= count || arms[note->target].of != note->of)
        return;
    memcpy(event->text, arms[note->target].name, SP_ARM_NAME_SIZE);
    event->arm = 1;
}

void sp_shift_mourn(struct sp_segment *segment, struct sp_dest *dest, uint64_t now)
{
    struct sp_shift_note note = {.pid = 0};
    if (!sp_shift_lapsed(&dest->shift, now))
        return;
    shift_copy(&dest->shift, &note);
    struct sp_event event = {
        .kind = SP_EVENT_SHIFT, .reason = SP_SHIFT_LAPSED, .to = note.target, .b = note.pid};
    memcpy(event.destination, dest->name, sizeof event.destination);
    shift_name(segment, dest, &note, &event);
    sp_event_write(segment, &event);
}

/* --- writing --- */

int sp_shift_lock(const struct sp_segment *segment, struct sp_error *error)
{
    return sp_process_lock_writers(segment, error);
}

/* What stands there, or the policy's shares as the stable ones. */
static void shift_before(const struct sp_shift_hand *hand, struct sp_shift_note *out)
{
    if (sp_shift_read(hand->shift, hand->of, out) && out->arms == hand->arms)
        return;
    *out = (struct sp_shift_note){.of = hand->of, .arms = (uint8_t)hand->arms, .target = 0xff};
    memcpy(out->stable, hand->policy, sizeof out->stable);
}

static void shift_put(struct sp_shift_hand *hand, struct sp_shift_note *note,
                      enum sp_shift_step step)
{
    uint64_t word = atomic_load(&hand->shift->word);
    note->step = (uint8_t)step;
    note->since = sp_wall();
    note->pid = hand->pid;
    note->uid = hand->uid;
    note->target = hand->target;
    sp_shared_store(&hand->shift->bank[(word & 1) ^ 1], note, sizeof *note);
    atomic_store(&hand->shift->word, ((word >> 1) + 1) << 1 | ((word & 1) ^ 1));
}

static bool shift_ours(const struct sp_shift_hand *hand, uint64_t now)
{
    uint64_t lease = atomic_load(&hand->shift->lease);
    return lease == hand->lease && shift_lasts(lease, hand->token, now);
}

static bool shift_busy(const struct sp_shift_hand *hand, const struct sp_shift_note *note,
                       uint64_t now)
{
    return sp_shift_held(hand->shift, note, now) && !shift_ours(hand, now);
}

static bool shift_same(const uint16_t *a, const uint16_t *b)
{
    return memcmp(a, b, SP_SHIFT_ARMS * sizeof *a) == 0;
}

/* Stable from now on; what was is kept for a way back, unless nothing changes. */
static void shift_settle(struct sp_shift_note *note, const uint16_t *shares)
{
    note->token = 0;
    if (shift_same(note->stable, shares))
        return;
    memcpy(note->before, note->stable, sizeof note->before);
    memcpy(note->stable, shares, sizeof note->stable);
    note->back = 1;
}

enum sp_shift_result sp_shift_set(struct sp_shift_hand *hand, const uint16_t *shares,
                                  enum sp_shift_step step, uint64_t now)
{
    struct sp_shift_note note;
    shift_before(hand, &note);
    if (shift_busy(hand, &note, now))
        return SP_SHIFT_BUSY;
    shift_settle(&note, shares);
    shift_put(hand, &note, step);
    return SP_SHIFT_DONE;
}

enum sp_shift_result sp_shift_begin(struct sp_shift_hand *hand, uint64_t now)
{
    struct sp_shift_note note;
    shift_before(hand, &note);
    if (shift_busy(hand, &note, now))
        return SP_SHIFT_BUSY;
    hand->token = ((uint32_t)(atomic_load(&hand->shift->word) >> 1) + 1) & SHIFT_TOKEN;
    hand->token += hand->token == 0;
    note.token = hand->token;
    note.began = sp_wall();
    memcpy(note.tried, note.stable, sizeof note.tried);
    shift_put(hand, &note, SP_SHIFT_BEGIN);
    hand->lease = shift_lease(hand->token, now + SP_SHIFT_LEASE);
    atomic_store(&hand->shift->lease, hand->lease); /* with it the note begins to hold */
    return SP_SHIFT_DONE;
}

/* The note under our lease. A reload may have made another of it. */
static bool shift_mine(const struct sp_shift_hand *hand, struct sp_shift_note *note, uint64_t now)
{
    return shift_ours(hand, now) && sp_shift_read(hand->shift, hand->of, note) &&
           note->token == hand->token;
}

enum sp_shift_result sp_shift_try(struct sp_shift_hand *hand, const uint16_t *shares, uint64_t now)
{
    struct sp_shift_note note;
    if (!shift_mine(hand, &note, now))
        return SP_SHIFT_LOST;
    memcpy(note.tried, shares, sizeof note.tried);
    shift_put(hand, &note, SP_SHIFT_STAGE);
    return SP_SHIFT_DONE;
}

enum sp_shift_result sp_shift_renew(struct sp_shift_hand *hand, uint64_t now)
{
    struct sp_shift_note note;
    uint64_t seen = hand->lease, next = shift_lease(hand->token, now + SP_SHIFT_LEASE);
    if (!shift_mine(hand, &note, now) ||
        !atomic_compare_exchange_strong(&hand->shift->lease, &seen, next))
        return SP_SHIFT_LOST;
    hand->lease = next;
    return SP_SHIFT_DONE;
}

enum sp_shift_result sp_shift_keep(struct sp_shift_hand *hand, uint64_t now)
{
    struct sp_shift_note note;
    if (!shift_mine(hand, &note, now))
        return SP_SHIFT_LOST;
    shift_settle(&note, note.tried);
    shift_put(hand, &note, SP_SHIFT_KEEP);
    atomic_store(&hand->shift->lease, 0);
    return SP_SHIFT_DONE;
}

enum sp_shift_result sp_shift_drop(struct sp_shift_hand *hand, uint64_t now)
{
    struct sp_shift_note note;
    uint64_t seen = hand->lease;
    bool mine = shift_mine(hand, &note, now);
    if (!atomic_compare_exchange_strong(&hand->shift->lease, &seen, 0) || !mine)
        return SP_SHIFT_LOST;
    note.token = 0;
    shift_put(hand, &note, SP_SHIFT_BACK);
    return SP_SHIFT_DONE;
}

enum sp_shift_result sp_shift_back(struct sp_shift_hand *hand, uint64_t now)
{
    struct sp_shift_note note;
    shift_before(hand, &note);
    bool tried = sp_shift_held(hand->shift, &note, now);
    if (!tried && !note.back)
        return SP_SHIFT_NOTHING;
    atomic_store(&hand->shift->lease, 0);
    if (!tried)
        memcpy(note.stable, note.before, sizeof note.stable);
    note.token = 0;
    note.back = tried ? note.back : 0;
    shift_put(hand, &note, SP_SHIFT_BACK);
    return SP_SHIFT_DONE;
}
