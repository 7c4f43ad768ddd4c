/* stamp.h - the notes of stamp.c, as the test reads them. */
#ifndef TESTS_SHIM_STAMP_H
#define TESTS_SHIM_STAMP_H

#include <stdatomic.h>
#include <stdint.h>

#define STAMPS_MAX (1u << 20)

struct stamp {
    int64_t pid;
    _Atomic uint64_t start; /* monotonic ns */
    _Atomic uint64_t end;   /* 0: the process died before */
};

struct stamps {
    _Atomic uint64_t count;
    struct stamp at[STAMPS_MAX];
};

#endif
