/* tally.c - how many connections stand on an arm. A tally is one word of one process for one arm:
 * it is void when its process is no more, so nobody has to clean up after the dead, and a process
 * has one for each arm that it has connections to.
 *
 *   slot + 1:11 owner's epoch:20 arm:13 connections:20; 0 is free */
#include "shearpin/split.h"

#define TALLY_ONE  UINT64_C(1)
#define TALLY_MOST UINT64_C(0xfffff)
#define TALLY_FAR  128u /* places that are looked at from where a tally belongs */

static uint64_t tally_owner(uint32_t slot, uint32_t epoch, uint32_t arm)
{
    return (uint64_t)(slot + 1) << 53 | (uint64_t)(epoch & 0xfffffu) << 33 |
           (uint64_t)(arm & 0x1fffu) << 20;
}

static uint32_t tally_slot(uint64_t word)
{
    return (uint32_t)(word >> 53) - 1;
}

static uint32_t tally_arm(uint64_t word)
{
    return (uint32_t)(word >> 20) & 0x1fffu;
}

/* Free, of nothing, or of a process that is no more in its slot. */
static bool tally_void(const struct sp_segment *segment, uint64_t word)
{
    uint32_t slot = tally_slot(word), epoch = (uint32_t)(word >> 33) & 0xfffffu;
    return (word & TALLY_MOST) == 0 || slot >= SP_PROCESSES ||
           (atomic_load_explicit(&segment->processes[slot].epoch, memory_order_relaxed) &
            0xfffffu) != epoch;
}

/* Can it be raised, or lowered? Two threads that came first at once have made two. */
static bool tally_fits(uint64_t word, uint64_t owner, bool up)
{
    return (word & ~TALLY_MOST) == owner && (word & TALLY_MOST) != (up ? TALLY_MOST : 0);
}

/* The word of this process for an arm; for one more it takes one that is void. NULL: none. */
static sp_word *tally_of(struct sp_segment *segment, uint32_t arm, uint64_t owner, bool up)
{
    uint32_t from = (segment->self.slot * 0x9e3779b9u + arm * 0x85ebca6bu) >> 16;
    for (uint32_t i = 0; i < TALLY_FAR; i++) {
        sp_word *word = &segment->tallies[(from + i) % SP_TALLIES];
        if (tally_fits(atomic_load_explicit(word, memory_order_relaxed), owner, up))
            return word;
    }
    for (uint32_t i = 0; up && i < TALLY_FAR; i++) {
        sp_word *word = &segment->tallies[(from + i) % SP_TALLIES];
        uint64_t seen = atomic_load_explicit(word, memory_order_relaxed);
        if (tally_void(segment, seen) && atomic_compare_exchange_strong(word, &seen, owner))
            return word;
    }
    return NULL;
}

static bool tally_change(struct sp_segment *segment, uint32_t place, bool up)
{
    uint64_t owner = tally_owner(segment->self.slot, segment->self.epoch, place), seen;
    if (segment->self.slot >= SP_PROCESSES)
        return false;
    for (int i = 0; i < 16; i++) {
        sp_word *word = tally_of(segment, place, owner, up);
        if (!word)
            return false;
        seen = atomic_load_explicit(word, memory_order_relaxed);
        while (tally_fits(seen, owner, up)) {
            if (atomic_compare_exchange_weak(word, &seen, up ? seen + TALLY_ONE : seen - TALLY_ONE))
                return true;
        }
    }
    return false;
}

bool sp_arm_stand(struct sp_segment *segment, const struct sp_arm *arm)
{
    if (tally_change(segment, (uint32_t)(arm - segment->arms), true))
        return true;
    atomic_store_explicit(&segment->head->tallies_full, 1, memory_order_relaxed);
    return false;
}

/* Its arm may have given its place to another meanwhile: the tally is the place's. */
void sp_arm_fall(struct sp_segment *segment, struct sp_aim aim)
{
    tally_change(segment, aim.index - SP_AIM_ARM, false);
}

uint32_t sp_arm_standing(struct sp_segment *segment, const struct sp_arm *arm, bool *uncounted)
{
    uint32_t place = (uint32_t)(arm - segment->arms), sum = 0;
    struct sp_census census = {.fd = -1};
    bool asked = false;
    for (uint32_t i = 0; i < SP_TALLIES; i++) {
        uint64_t word = atomic_load_explicit(&segment->tallies[i], memory_order_relaxed);
        if (word == 0 || tally_arm(word) != place || tally_void(segment, word))
            continue;
        if (!asked)
            sp_census_open(segment, &census);
        asked = true;
        if (sp_census_alive(segment, &census, tally_slot(word)))
            sum += (uint32_t)(word & TALLY_MOST);
    }
    if (asked)
        sp_census_close(&census);
    if (uncounted)
        *uncounted = atomic_load_explicit(&segment->head->tallies_full, memory_order_relaxed) != 0;
    return sum;
}
