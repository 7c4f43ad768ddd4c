/* overlap.h - how many connections really lived at the same time, by the notes of lib/stamp.c. */
#ifndef TESTS_SHIM_OVERLAP_H
#define TESTS_SHIM_OVERLAP_H

#include "harness.h"
#include "lib/stamp.h"

/* Victims started from now on take notes here. */
struct stamps *overlap_share(void);
/* Kills a victim and notes when its sockets were closed. */
void overlap_kill(struct victim *victim);
/* The most at one time. */
int overlap_deepest(const struct stamps *stamps);
/* How many lived at a time between two points, on average. */
double overlap_average(const struct stamps *stamps, uint64_t from, uint64_t to);

#endif
