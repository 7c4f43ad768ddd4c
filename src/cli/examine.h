/* examine.h - what doctor finds out: about a program, a process, a unit. Each adds lines to the
 * report; none judges the whole. */
#ifndef SHEARPIN_CLI_EXAMINE_H
#define SHEARPIN_CLI_EXAMINE_H

#include <sys/types.h>

#include "cli/library.h"
#include "cli/report.h"

struct cli;
struct unit;

struct examine {
    struct report *report;
    struct library_imports imports; /* of what was looked at last */
    uid_t uid;                      /* who runs it */
    gid_t gid;
    bool all; /* -v: every import */
};

void examine_start(struct examine *e, struct report *report, bool all);

/* --- examine_file.c --- */

/* What stands in the way of a program that this user runs; what is wrong with it is `worst`. `what`
 * heads the lines; "" where the program itself is the target. False: it is not there, or cannot be
 * run; nothing was added. */
bool examine_program(struct examine *e, const char *path, const char *what,
                     enum report_level worst);
/* The few words on what was imported, into a line about `what`. */
void examine_imports(struct examine *e, const char *what);

/* --- examine_script.c --- */

/* What a script of `interpreter` starts in its turn. */
void examine_script(struct examine *e, const char *script, const char *interpreter);

/* --- examine_process.c --- */

/* A live process: its program, whether it is wrapped, what the library sees of its connections, and
 * its children. False: there is none. */
bool examine_process(struct examine *e, pid_t pid);
/* Does it map libshearpin.so? -1: the kernel does not let us look. */
int examine_maps(pid_t pid);
/* A process that stands in the tree of a target, which is `wrapped`: does it escape? */
void examine_child(struct examine *e, pid_t child, bool wrapped);

/* --- examine_unit.c --- */

bool examine_unit(struct examine *e, const struct cli *cli, const char *name);
/* From here on it is the user of the unit who runs everything. */
void examine_user(struct examine *e, const struct unit *unit);
/* Can that user open a file? Access lists are not asked. */
bool examine_readable(const struct examine *e, const char *path);

#endif
