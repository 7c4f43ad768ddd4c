/* unit.h - a systemd unit, read from its files as systemd reads them: the unit, then its drop-ins.
 */
#ifndef SHEARPIN_CLI_UNIT_H
#define SHEARPIN_CLI_UNIT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define UNIT_NAME 256
#define UNIT_OWN  "50-shearpin.conf" /* the drop-in that `wrap` writes */

struct unit_value {
    char *key, *value;
    char *file;
};

struct unit {
    char name[UNIT_NAME];      /* with its suffix */
    char root[PATH_MAX];       /* before every path of systemd's; "" */
    char file[PATH_MAX];       /* of the unit itself */
    struct unit_value *values; /* of [Service], in order; what an empty value reset is gone */
    size_t count;
};

/* `payments` means payments.service. False: it is no name of a unit. */
bool unit_name(char out[UNIT_NAME], const char *name);
/* False: there is no such unit below `root`. Free with unit_free(). */
bool unit_read(struct unit *unit, const char *root, const char *name);
void unit_free(struct unit *unit);

/* The last value of a key; NULL: none. */
const char *unit_last(const struct unit *unit, const char *key);
bool unit_yes(const struct unit *unit, const char *key);
/* Each value of a key in order; `at` begins with 0. NULL: no more. */
const char *unit_next(const struct unit *unit, const char *key, size_t *at);

/* Takes the next word off `*rest`, quotes and backslashes as systemd's; NULL: no more. */
const char *unit_word(const char **rest, char *out, size_t size);
/* %i, %I, %n, %N, %p and %% are replaced; other specifiers stay. */
void unit_specify(const struct unit *unit, const char *text, char *out, size_t size);

/* The value that Environment= gives a variable; false: none. */
bool unit_environment(const struct unit *unit, const char *name, char *out, size_t size);
/* The directory of its drop-ins below etc: where `wrap` writes. */
void unit_directory(const struct unit *unit, char *out, size_t size);

#endif
