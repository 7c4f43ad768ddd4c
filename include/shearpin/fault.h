/*
 * fault.h - injected misbehaviour. It sits below the guards, which react as to a real network.
 *
 * A fault is a row of the table in src/fault/list.c and a file of its own. What it does is decided
 * per ordinal by a hash, so the map from ordinal to fault repeats over any number of processes.
 */
#ifndef SHEARPIN_FAULT_H
#define SHEARPIN_FAULT_H

#include "shearpin/types.h"

enum sp_fault_kind { SP_FAULT_LATENCY, SP_FAULT_REFUSE, SP_FAULT_COUNT };

/* Where a fault acts; bits. */
enum { SP_FAULT_ON_CONNECT = 1, SP_FAULT_ON_REQUEST = 2 };

struct sp_fault {
    uint8_t kind;         /* enum sp_fault_kind */
    uint8_t on;           /* SP_FAULT_ON_* */
    uint32_t share;       /* of the ordinals; SP_SHARE_ALL is every one */
    uint64_t first, last; /* `at N..M`: exactly these ordinals, from 1; 0, 0: by share */
    uint64_t every;       /* every Nth; 0: by share */
    uint64_t seed;
    uint64_t amount; /* latency: ns */
    uint64_t spread; /* latency: +- ns */
};

/* What becomes of one call; zero-initialise. */
struct sp_fault_act {
    uint64_t delay; /* ns */
    int error;      /* the errno it ends with, 0: it goes on */
};

struct sp_fault_row {
    const char *word;
    uint8_t on;       /* where it can act */
    const char *help; /* "latency 300ms [+-100ms]" */
    /* Takes the words behind the fault's own, one at a time; 0 when `word` is not one of them. */
    int (*take)(struct sp_fault *fault, const char *word, size_t length, struct sp_error *error);
    void (*act)(const struct sp_fault *fault, uint64_t random, struct sp_fault_act *act);
};

extern const struct sp_fault_row *const sp_faults[SP_FAULT_COUNT];

/* `latency 300ms +-100ms share 20% at 3..5 every 10 seed 7 on connect`; -1 with `error` set. */
int sp_fault_parse(const char *text, struct sp_fault *out, struct sp_error *error);

/* Does the fault hit this ordinal (from 1) of this destination? If so, adds to `act`. */
bool sp_fault_apply(const struct sp_fault *fault, uint64_t destination, uint64_t ordinal,
                    struct sp_fault_act *act);

#endif
