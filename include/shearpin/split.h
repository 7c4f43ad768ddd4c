/*
 * split.h - the arms of a destination: where its connections go, which share of them, and what
 * became of those. The policy says which arms there are; `shearpin shift` may change their shares
 * while programs run. Source: src/policy/split.c, src/state/arm.c, src/state/shift.c,
 * src/guard/split.c.
 */
#ifndef SHEARPIN_SPLIT_H
#define SHEARPIN_SPLIT_H

#include "shearpin/segment.h"

#include "shearpin/shift.h"

/* One line `split ADDRESS share P% as NAME`. */
struct sp_arm_policy {
    char name[SP_ARM_NAME_SIZE];
    uint64_t of;    /* digest of all lines `split` of its destination */
    uint64_t hash;  /* of the text */
    uint32_t text;  /* the address as it was written; offset in strings */
    uint32_t share; /* hundredths of a percent; those of a destination add up to SP_SHARE_ALL */
    uint16_t place; /* in the segment's arms; SP_NO_ARM outside of one */
    uint16_t port;  /* NAME */
    uint16_t file;
    uint16_t line;
    uint16_t column;
    uint8_t kind; /* SP_FALLBACK_ADDRESS or _NAME: then it is looked up by the command */
    uint8_t spare;
    struct sp_addr address; /* ADDRESS */
};

/* sp_guards.split: how many arms, and whether a process keeps to one. */
#define SP_SPLIT_STICKY       0x100u
#define SP_SPLIT_COUNT(split) ((split)&0xffu)

/* An arm in the segment: it belongs to the names of its destination and of itself, and outlives
 * policies. `endpoint` is its breaker; the address in there is the one that was last gone to. */
struct sp_arm {
    struct sp_endpoint endpoint;
    sp_word key; /* arm_key() of its destination and name; 0: free */
    char name[SP_ARM_NAME_SIZE];
    sp_word taken;                       /* connects that went there, tries too */
    sp_word would;                       /* ... that would have, where the split is only observed */
    sp_word connects[SP_OUTCOMES_WIRE];  /* by outcome */
    sp_word exchanges[SP_OUTCOMES_WIRE]; /* OK: only those that `times` has not */
    sp_word times[SP_BINS]; /* of answers; of connects where no answer follows (sp_arm_sum) */
};
_Static_assert(sizeof(struct sp_arm) % SP_CACHELINE == 0, "layout");
_Static_assert(sizeof(struct sp_arm_policy) == 200, "layout");

/* --- in the policy: src/policy/block.c --- */

const struct sp_arm_policy *sp_policy_arm(const struct sp_policy *policy, size_t i); /* or NULL */

/* --- in the segment: src/state/arm.c --- */

/* The lines `split` of a destination as they are in force, copied; how many. Those of the policy:
 * the shares in force are sp_arm_shares(). */
size_t sp_arm_lines(struct sp_segment *segment, uint32_t dest,
                    struct sp_arm_policy out[SP_ARMS_MAX]);

/* The arm at a place, if it is one of `dest`; NULL. */
struct sp_arm *sp_arm_at(const struct sp_segment *segment, uint32_t dest, uint32_t place);
struct sp_arm *sp_arm_named(const struct sp_segment *segment, uint32_t dest, const char *name);

/* Its figures in the form in which those of a destination come: connects, exchanges and times, so
 * that sp_span_between() tells what happened between two of them. All else is 0. `guards` say
 * whether its times are of connects. */
void sp_arm_sum(const struct sp_arm *arm, const struct sp_guards *guards, struct sp_figures *out);

/* A connect or an exchange on it came out. */
void sp_arm_count(struct sp_arm *arm, const struct sp_guards *guards, bool connecting,
                  enum sp_outcome outcome, uint64_t duration);

/* What a connection remembers of its arm, and the arm, unless another has its place by now. */
struct sp_aim sp_arm_aim(const struct sp_segment *segment, const struct sp_arm *arm);
struct sp_arm *sp_arm_aimed(const struct sp_segment *segment, struct sp_aim aim); /* or NULL */

/* --- connections that stand on an arm: src/state/tally.c --- */

/* One of this process begins to; false: it cannot be counted, and must not be counted out. */
bool sp_arm_stand(struct sp_segment *segment, const struct sp_arm *arm);
void sp_arm_fall(struct sp_segment *segment, struct sp_aim aim);
/* Of all processes that live: owners are asked. `uncounted` (may be NULL) says that there was no
 * room to count all. */
uint32_t sp_arm_standing(struct sp_segment *segment, const struct sp_arm *arm, bool *uncounted);

/* --- shares in force: src/state/arm.c, from what shift.c knows --- */

/* The share of each of these arms now: the policy's, unless `shearpin shift` has others in force.
 * They add up to SP_SHARE_ALL. Safe in signal handlers. */
void sp_arm_shares(const struct sp_segment *segment, uint32_t dest,
                   const struct sp_arm_policy *arms, size_t count, uint64_t now,
                   uint16_t out[SP_ARMS_MAX]);

#endif
