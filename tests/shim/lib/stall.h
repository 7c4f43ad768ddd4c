/* stall.h - what stall.c and the test say to each other. */
#ifndef TESTS_SHIM_STALL_H
#define TESTS_SHIM_STALL_H

#include <stdatomic.h>

enum { STALL_NONE, STALL_WANTED, STALL_THERE, STALL_OVER };

struct stall {
    _Atomic int state;
    _Atomic int thread; /* whose waits, by gettid() */
    _Atomic int seen;   /* ... that are told this and no more; 0: anything */
};

#endif
