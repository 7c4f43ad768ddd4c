/* object.h - one loaded object, and what it defines. No lock, no memory: safe wherever a call may
 * come from. */
#ifndef SHEARPIN_SHIM_OBJECT_H
#define SHEARPIN_SHIM_OBJECT_H

#include <link.h>
#include <stdbool.h>
#include <stdint.h>

struct sp_object {
    uintptr_t base;
    const ElfW(Sym) * symbols;
    const char *strings;
    const ElfW(Half) * versions; /* NULL: none of its symbols has any */
    const uint32_t *gnu;         /* its tables of hashes: it has one of them, or both */
    const uint32_t *sysv;
    const char *name; /* the one that others need it by, NULL: none */
};

/* Not strcmp(): somebody may stand in its place who is not ready yet. */
static inline bool sp_object_same(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

uint32_t sp_object_hash(const char *name);
void sp_object_open(struct sp_object *object, const struct link_map *map);
/* The function or variable that it defines for others, in its default version; NULL: none. */
void *sp_object_find(const struct sp_object *object, const char *name, uint32_t hash);

#endif
