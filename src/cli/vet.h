/* vet.h - is an arm healthy at this moment? A connect to it, or a command, in a child: so who asks
 * goes on, and whatever hangs can be killed. */
#ifndef SHEARPIN_CLI_VET_H
#define SHEARPIN_CLI_VET_H

#include <sys/types.h>

#include "cli/arms.h"

struct vet {
    const struct arms *arms;
    uint32_t arm;
    const char *command; /* NULL: a connect */
    bool heard;          /* what the command prints is seen */
    uint64_t limit;      /* ns: who takes longer is not healthy */
    uint64_t began;
    pid_t child;   /* 0: none */
    char why[120]; /* the last was not healthy */
};

enum vet_answer { VET_WAIT, VET_HEALTHY, VET_SICK };

void vet_begin(struct vet *vet, uint64_t now);
enum vet_answer vet_end(struct vet *vet, uint64_t now);
/* Nobody wants to know any more. */
void vet_stop(struct vet *vet);

/* Where the arm is now: an address, or "" for a name that was never looked up. */
const char *vet_address(const struct arms *arms, uint32_t arm, char *out, size_t size);

#endif
