/* rules.h - a policy as the command reads it: which file, its mistakes said, its compiled form. */
#ifndef SHEARPIN_CLI_RULES_H
#define SHEARPIN_CLI_RULES_H

#include "cli/command.h"
#include "shearpin/policy.h"

#include <stdio.h>

#define RULES_DEFAULT "/etc/shearpin/policy.conf"

struct rules {
    const struct sp_policy *policy; /* NULL when there were errors */
    unsigned errors, warnings;
};

enum rules_say { RULES_SILENT, RULES_ERRORS, RULES_ALL };

/* The file: `operand` (may be NULL), else -p, else SHEARPIN_POLICY, else the default one. */
const char *rules_path(const struct cli *cli, const char *operand);
/* Did somebody name a policy, or does the default one exist? */
bool rules_named(const struct cli *cli);

/* Reads the file; findings go to `out` as `check` prints them. The room stays mapped. */
void rules_read(struct rules *rules, const char *path, FILE *out, enum rules_say say);
/* The same for a policy that goes into a segment: other programs stand in other directories, so all
 * paths in it are absolute; findings name the file as the user did. */
void rules_read_shared(struct rules *rules, const char *path, FILE *out, enum rules_say say);
/* The same with a voice of one's own. */
void rules_read_with(struct rules *rules, const char *path, sp_finding_fn *say, void *context);
void rules_read_text(struct rules *rules, const char *name, const char *text, FILE *out);

/* Looks up the names that a policy wants to know beforehand, and warns where that fails. `say`
 * NULL: to `out`. */
void rules_names(struct rules *rules, FILE *out, sp_finding_fn *say, void *context);

/* "1 error, 2 warnings"; "" when there is nothing to count. */
void rules_summary(const struct rules *rules, char *out, size_t size);

#endif
