/* segment.h - what the two files of the segment's fuzzer share. */
#ifndef TESTS_FUZZ_SEGMENT_H
#define TESTS_FUZZ_SEGMENT_H

#include "shearpin/guard.h"

/* Everything that programs and the clock do with a segment, with numbers from `seed`. */
void segment_use(struct sp_segment *segment, uint64_t seed);

#endif
