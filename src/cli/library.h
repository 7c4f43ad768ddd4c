/* library.h - the libraries of a program, found as ld.so finds them, and what they import of what
 * libshearpin.so wraps. */
#ifndef SHEARPIN_CLI_LIBRARY_H
#define SHEARPIN_CLI_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

#define LIBRARY_NAME 32 /* of a symbol that is wrapped */

struct library_set {
    char **paths; /* the program first */
    size_t count;
};
/* The program and all libraries that it is linked with. Free with library_free(). */
void library_all(struct library_set *set, const char *program);
void library_add(struct library_set *set, const char *path); /* once */
void library_free(struct library_set *set);

/* What libshearpin.so wraps, in the order of its exports, and which of it was found imported. */
struct library_imports {
    char (*names)[LIBRARY_NAME];
    bool *found;
    size_t count;
    char version[16]; /* newest glibc that was asked for, "2.34"; "" none */
    char by[64];      /* the library that imports connect where the program does not; "" */
    bool uring;       /* io_uring by liburing */
    bool dlmopen;     /* loads libraries where nothing is interposed */
};
/* False: there is no libshearpin.so to ask. */
bool library_imports(struct library_imports *imports);
void library_look(struct library_imports *imports, const char *path);
/* The same of a library beside what was looked at first. */
void library_beside(struct library_imports *imports, const char *path);
/* Is it linked with liburing? Quicker than a look at all symbols. */
bool library_uring(const char *path);
bool library_connects(const struct library_imports *imports);
void library_clear(struct library_imports *imports); /* nothing was found yet */
/* "connect recv send": those found that move or wait for bytes; all of them with `all`. */
const char *library_text(const struct library_imports *imports, bool all, char *out, size_t size);

/* The newest version that this glibc provides, or libshearpin.so needs: "2.36". */
const char *library_glibc(void);
void library_shim_needs(char *out, size_t size);
/* Is version a newer than b? */
bool library_newer(const char *a, const char *b);

#endif
