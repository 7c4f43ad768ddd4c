/*
 * fault.h - injected misbehaviour. It sits below the guards, which react as to a real network.
 *
 * A fault is a row of the table in src/fault/list.c and a file of its own. What it does is decided
 * per ordinal by a hash, so the map from ordinal to fault repeats over any number of processes.
 */
#ifndef SHEARPIN_FAULT_H
#define SHEARPIN_FAULT_H

#include "shearpin/types.h"

/* Their numbers stand in the segment (sp_dest.injected): new ones come last. */
enum sp_fault_kind {
    SP_FAULT_LATENCY,
    SP_FAULT_REFUSE,
    SP_FAULT_UNREACHABLE,
    SP_FAULT_NO_ADDRESS,
    SP_FAULT_NO_BUFFERS,
    SP_FAULT_BLACKHOLE,
    SP_FAULT_HANG,
    SP_FAULT_RESET,
    SP_FAULT_EOF,
    SP_FAULT_SLICE,
    SP_FAULT_SLOW_CLOSE,
    SP_FAULT_CORRUPT,
    SP_FAULT_LOOKUP_FAIL,
    SP_FAULT_WRONG_ADDRESS,
    SP_FAULT_NO_FDS,
    SP_FAULT_EINTR,
    SP_FAULT_BANDWIDTH,
    SP_FAULT_COUNT
};

/* Where a fault acts; bits. */
enum {
    SP_FAULT_ON_CONNECT = 1,
    SP_FAULT_ON_CONNECTION = 2, /* decided with its connect, for as long as it lasts */
    SP_FAULT_ON_REQUEST = 4,    /* decided with the first byte of a request */
    SP_FAULT_ON_ANSWER = 8,     /* with the same, for what comes back */
    SP_FAULT_ON_LOOKUP = 16,
    SP_FAULT_ON_FD = 32,  /* socket(), accept(): of no destination yet, so of the whole process */
    SP_FAULT_ON_WAIT = 64 /* calls that wait: of the whole process, too */
};
#define SP_FAULT_ON_LOOSE (SP_FAULT_ON_FD | SP_FAULT_ON_WAIT)

/* What is counted for `at` and `every`, from 1: a connect and what is decided with it have one
 * number, and so have a request and its answer. */
enum sp_ordinal {
    SP_ORDINAL_CONNECTION,
    SP_ORDINAL_EXCHANGE,
    SP_ORDINAL_LOOKUP,
    SP_ORDINAL_FD,
    SP_ORDINAL_WAIT,
    SP_ORDINAL_COUNT
};
static inline enum sp_ordinal sp_fault_ordinal(uint8_t stages)
{
    return stages & (SP_FAULT_ON_CONNECT | SP_FAULT_ON_CONNECTION) ? SP_ORDINAL_CONNECTION
           : stages & (SP_FAULT_ON_REQUEST | SP_FAULT_ON_ANSWER)   ? SP_ORDINAL_EXCHANGE
           : stages & SP_FAULT_ON_LOOKUP                           ? SP_ORDINAL_LOOKUP
           : stages & SP_FAULT_ON_FD                               ? SP_ORDINAL_FD
                                                                   : SP_ORDINAL_WAIT;
}

struct sp_fault {
    uint8_t kind;         /* enum sp_fault_kind */
    uint8_t on;           /* SP_FAULT_ON_* */
    uint8_t form;         /* what its row makes of it: a distribution, which error */
    uint8_t family;       /* wrong-address: enum sp_family of `ip` */
    uint32_t share;       /* of the ordinals; SP_SHARE_ALL is every one */
    uint64_t first, last; /* `at N..M`: exactly these ordinals, from 1; 0, 0: by share */
    uint64_t every;       /* every Nth; 0: by share */
    uint64_t seed;
    uint64_t amount;      /* latency, slow-close: ns; slice, corrupt: bytes */
    uint64_t spread;      /* of the amount, +- */
    uint64_t bytes;       /* reset, eof: after so many */
    uint64_t pause;       /* reset, eof: after so many ns; slice: ns between two */
    uint32_t correlation; /* latency: of one with the one before, as a share */
    uint8_t ip[16];
};

enum sp_fault_end { SP_FAULT_END_NONE, SP_FAULT_END_RESET, SP_FAULT_END_EOF };

/* What becomes of one call, exchange or connection; zero-initialise. */
struct sp_fault_act {
    uint64_t delay;  /* ns: of a connect's result, of a request's answer, of a look-up */
    uint64_t answer; /* ns, from when it has come */
    int error;       /* the errno it ends with, or EAI_* of a look-up; 0: it goes on */
    bool swallowed;  /* a connect: it is never answered */
    bool silent;     /* an exchange, or all of a connection: no answer ever comes */
    bool wrong;      /* a look-up: `family` and `ip` stand in its answer */
    uint8_t family;
    uint8_t ip[16];
    /* Of an exchange or a connection: */
    uint64_t rate; /* bytes a second either way; 0: any */
    enum sp_fault_end end;
    uint64_t end_bytes; /* received before that */
    uint64_t end_after; /* ns before that */
    uint32_t slice;     /* bytes that a transfer moves at most; 0: all */
    uint32_t slice_spread;
    uint64_t slice_pause; /* ns between two of them */
    uint32_t corrupt_in;  /* one byte of so many that come; 0: none */
    uint32_t corrupt_out; /* the same of those that go */
    uint64_t close;       /* ns: the end of the stream is seen so much later */
    uint64_t random;      /* of the last fault that needs more of it */
};

struct sp_fault_row {
    const char *word;
    uint8_t on;       /* where it can act */
    uint8_t usual;    /* where it does when nothing is said; 0: wherever it can */
    uint32_t share;   /* when nothing is said; 0: all */
    const char *help; /* "latency 300ms [+-100ms]" */
    /* Takes the words behind the fault's own, one at a time; 0 when `word` is not one of them. May
     * be NULL. */
    int (*take)(struct sp_fault *fault, const char *word, size_t length, struct sp_error *error);
    /* All words are read: what is missing? May be NULL. */
    int (*whole)(struct sp_fault *fault, struct sp_error *error);
    void (*act)(const struct sp_fault *fault, uint64_t random, struct sp_fault_act *act);
};

extern const struct sp_fault_row *const sp_faults[SP_FAULT_COUNT];

/* `latency 300ms +-100ms share 20% at 3..5 every 10 seed 7 on connect`; -1 with `error` set. */
int sp_fault_parse(const char *text, struct sp_fault *out, struct sp_error *error);

/* Does the fault hit this ordinal (from 1) of this destination? If so, adds to `act`. */
bool sp_fault_apply(const struct sp_fault *fault, uint64_t destination, uint64_t ordinal,
                    struct sp_fault_act *act);

#endif
