/* preload.h - libshearpin.so: where it is, and how it comes into a program. */
#ifndef SHEARPIN_CLI_PRELOAD_H
#define SHEARPIN_CLI_PRELOAD_H

#include <stdbool.h>
#include <stddef.h>

#define PRELOAD_SIZE 4096

/* Beside this program, in ../lib/shearpin from there, or where `make install` puts it. False: `out`
 * says where it was looked for. */
bool preload_find(char *out, size_t size);

/* "library:a:b" from the LD_PRELOAD of before, with us in it once. NULL: no memory; else free it.
 */
char *preload_joined(const char *library, const char *before);

/* Puts it first in LD_PRELOAD, keeps what was there, never twice. False when that cannot work:
 * `why` says so. */
bool preload_set(const char *library, const char **why);

#endif
