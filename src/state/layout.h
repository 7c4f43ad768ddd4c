/* layout.h - where the parts of a segment lie. Everything follows from six capacities. */
#ifndef SHEARPIN_STATE_LAYOUT_H
#define SHEARPIN_STATE_LAYOUT_H

#include "shearpin/chaos.h"
#include "shearpin/split.h"

#define SP_LEASES_MAX      (1u << 22)
#define SP_POLICY_SIZE_MAX ((uint32_t)SP_POLICY_ROOM)
#define SP_JOURNAL_MAX     (1u << 24) /* entries: 256 MiB */
#define SP_HISTORIES_MAX   SP_DESTS_MAX
#define SP_PLACES_MAX      (SP_DESTS_MAX * SP_ARMS_MAX) /* of arms */

/* One experiment, whole cache lines. */
#define SP_CHAOS_SIZE sizeof(struct sp_chaos)
_Static_assert(SP_CHAOS_SIZE % SP_CACHELINE == 0, "the marks behind them are aligned");

#define SP_AT_PROCESSES ((size_t)4096)
#define SP_AT_EVENTS    (SP_AT_PROCESSES + SP_PROCESSES * sizeof(struct sp_process))
#define SP_AT_LEARNT    (SP_AT_EVENTS + SP_EVENTS * sizeof(struct sp_event))
#define SP_AT_TARGETS   (SP_AT_LEARNT + SP_LEARNT * sizeof(struct sp_learnt))
#define SP_AT_ANSWERS   (SP_AT_TARGETS + SP_TARGETS * sizeof(struct sp_target))
#define SP_AT_KEYS      (SP_AT_ANSWERS + SP_ANSWERS * sizeof(struct sp_answer))
#define SP_AT_ENDPOINTS (SP_AT_KEYS + SP_ENDPOINTS * sizeof(sp_word))
#define SP_AT_CHAOS     (SP_AT_ENDPOINTS + SP_ENDPOINTS * sizeof(struct sp_endpoint))
#define SP_AT_MARKS     (SP_AT_CHAOS + SP_EXPERIMENTS * SP_CHAOS_SIZE)
#define SP_AT_TALLIES   (SP_AT_MARKS + SP_MARKS * sizeof(struct sp_moment))
#define SP_AT_POLICY    (SP_AT_TALLIES + SP_TALLIES * sizeof(sp_word))
/* capacities are multiples of a cache line's worth, so every part is aligned */
#define SP_AT_LEASES(policy_size)           (SP_AT_POLICY + (size_t)2 * (policy_size))
#define SP_AT_DESTS(lease_max, policy_size) (SP_AT_LEASES(policy_size) + (size_t)(lease_max)*8)
#define SP_AT_JOURNAL(dest_max, lease_max, policy_size) \
    (SP_AT_DESTS(lease_max, policy_size) + (size_t)(dest_max) * sizeof(struct sp_dest))
#define SP_AT_HISTORIES(dest_max, lease_max, policy_size, journal_max) \
    (SP_AT_JOURNAL(dest_max, lease_max, policy_size) +                 \
     (size_t)((journal_max) + 3) / 4 * 4 * sizeof(struct sp_entry))
#define SP_AT_END(dest_max, lease_max, policy_size, journal_max, history_max, arm_max) \
    (SP_AT_HISTORIES(dest_max, lease_max, policy_size, journal_max) +                  \
     (size_t)(history_max) * sizeof(struct sp_history) +                               \
     (size_t)(arm_max) * sizeof(struct sp_arm))

/* Zeros mapped behind the file, before a policy area is read: no number in a policy area, however
 * mad, leads beyond them. */
#define SP_AT_TAIL ((size_t)SP_POLICY_SIZE_MAX + 4096)

/* What a segment of at most 16 destinations gets. */
#define SP_DESTS_LEAST  16u
#define SP_LEASES_LEAST 4096u
#define SP_POLICY_LEAST (64u << 10)
#define SP_PLACES_LEAST 4u /* so that a reload may bring the first split */

_Static_assert(SP_AT_END(SP_DESTS_LEAST, SP_LEASES_LEAST, SP_POLICY_LEAST, 0, 0, SP_PLACES_LEAST) <=
                   2u << 20,
               "16 destinations fit into 2 MiB");

#endif
