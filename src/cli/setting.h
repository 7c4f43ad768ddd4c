/* setting.h - the words of a destination in the language of the policy, each with where it comes
 * from; and the difference of two policies. */
#ifndef SHEARPIN_CLI_SETTING_H
#define SHEARPIN_CLI_SETTING_H

#include "cli/command.h"
#include "shearpin/policy.h"

/* What -o says, checked against a policy. */
struct setting_over {
    struct sp_override all[SP_OVERRIDES_MAX];
    size_t count;
};
/* CLI_OK, or CLI_USAGE after saying what is wrong with an -o. */
int setting_over_read(const struct cli *cli, const struct sp_policy *policy,
                      struct setting_over *over);

/* A row of a policy as it is in force, -o applied. */
struct setting_view {
    const struct sp_policy *policy;
    size_t index;
    const struct sp_row *row;
    struct sp_guards guards;
    const struct setting_over *over; /* may be NULL */
    size_t own, own_count;           /* its settings stand side by side, after those of defaults */
    size_t defaults;
};
/* False: there is no such row. */
bool setting_view(struct setting_view *view, const struct sp_policy *policy, size_t index,
                  const struct setting_over *over);

enum setting_from { SETTING_INITIAL, SETTING_DEFAULTS, SETTING_OWN, SETTING_SET };
struct setting_origin {
    enum setting_from from;
    const char *file;
    unsigned line;
};
struct setting_origin setting_origin(const struct setting_view *view, size_t key);

/* "rate 50% of 20 in 10s", "connect 250ms", "enforce". False for a key inside such a form. */
bool setting_words(const struct sp_guards *guards, size_t key, char *out, size_t size);

/* The lines below a destination's name, as `match` shows them; `all`: unset words too. */
void setting_print(const struct setting_view *view, bool all);
/* The same of one key; false: nobody has set it. */
bool setting_where(const struct setting_view *view, size_t key, char *out, size_t size);
/* "policy.conf:7" and, for defaults, " (defaults)". */
void setting_place(const struct sp_policy *policy, unsigned file, unsigned line, char *out,
                   size_t size);
/* One line of those that a section may have several of; `title` "": it is not the first. */
void setting_line(const struct sp_policy *policy, const char *title, const char *text,
                  unsigned file, unsigned line);

/* --- the difference of two policies: setting_change.c --- */

/* Prints `payments.deadline.connect  250ms -> 300ms` for all that differs; returns how many. */
unsigned setting_differences(const struct sp_policy *before, const struct sp_policy *after);

#endif
