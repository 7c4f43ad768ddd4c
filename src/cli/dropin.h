/* dropin.h - the file that `wrap` writes and `unwrap` takes away: ours and unchanged, or not. */
#ifndef SHEARPIN_CLI_DROPIN_H
#define SHEARPIN_CLI_DROPIN_H

#include <limits.h>
#include <stdbool.h>

#include "cli/unit.h"

enum dropin_state {
    DROPIN_NONE,
    DROPIN_OURS,
    DROPIN_CHANGED, /* ours once; somebody edited it */
    DROPIN_FOREIGN,
    DROPIN_DENIED /* errno says why */
};

struct dropin {
    char path[PATH_MAX];
    enum dropin_state state;
    unsigned made; /* directories that were made for it */
};

void dropin_find(struct dropin *dropin, const struct unit *unit);
/* The whole file for this body; `made` as of dropin_write(). Free it. */
char *dropin_text(const struct dropin *dropin, const struct unit *unit, const char *body);
/* Writes it whole or not at all. Returns 0 or an errno. */
int dropin_write(struct dropin *dropin, const struct unit *unit, const char *body);
int dropin_remove(const struct dropin *dropin);

#endif
