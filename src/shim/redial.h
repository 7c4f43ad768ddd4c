/* redial.h - one connect() of the program's over all of its tries (redial.c). */
#ifndef SHEARPIN_SHIM_REDIAL_H
#define SHEARPIN_SHIM_REDIAL_H

#include "shim/shim.h"

struct sp_dial {
    struct sp_retry retry;
    uint64_t cookie; /* of the socket: a stranger on its number is nobody's to dial */
    uint32_t dest;
    uint32_t drawn; /* of `enforce N%`: sp_conn.drawn */
    int error;      /* the last that the network gave */
    bool local;     /* a unix socket */
};

enum sp_next {
    SP_NEXT_NONE, /* the error stands */
    SP_NEXT_AGAIN /* the same address, when the time has come */
};

/* The one place that says what comes after a try that failed with `error`. */
enum sp_next sp_dial_next(struct sp_dial *dial, int error, uint64_t *at);
/* The first try began then; the program's own limit (SO_SNDTIMEO) ends it all at `own`. */
void sp_dial_begin(struct sp_dial *dial, uint64_t began, uint64_t own);
/* A try that sp_dial_next had allowed was refused by a guard, or connected. */
void sp_dial_refused(struct sp_dial *dial);
void sp_dial_succeeded(const struct sp_dial *dial);

/* Makes the socket one that was never connected; its options and its bound port stay. False: it
 * cannot be dialled again, or is another's by now. */
bool sp_dial_clear(const struct sp_dial *dial, int fd);

#endif
