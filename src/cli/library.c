#include "cli/library.h"

#include <bsd/string.h>
#include <gnu/libc-version.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/elf_dynamic.h"
#include "cli/loader.h"
#include "cli/memory.h"
#include "cli/preload.h"
#include "cli/say.h"

#define LIBRARY_MOST 512 /* of one program */

/* --- the set --- */

void library_add(struct library_set *set, const char *path)
{
    for (size_t i = 0; i < set->count; i++) {
        if (strcmp(set->paths[i], path) == 0)
            return;
    }
    if (set->count == LIBRARY_MOST)
        return;
    set->paths = memory_got(reallocarray(set->paths, set->count + 1, sizeof *set->paths));
    set->paths[set->count++] = memory_got(strdup(path));
}

void library_free(struct library_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        free(set->paths[i]);
    free(set->paths);
    *set = (struct library_set){0};
}

struct library_walk {
    struct library_set *set;
    size_t at;           /* whose needs these are */
    char path[PATH_MAX]; /* its RUNPATH */
};

static void library_path(void *context, const char *path)
{
    strlcpy(((struct library_walk *)context)->path, path, PATH_MAX);
}

static void library_needs(void *context, const char *name)
{
    struct library_walk *walk = context;
    char found[PATH_MAX];
    if (loader_find(found, sizeof found, name, walk->path, walk->set->paths[walk->at]))
        library_add(walk->set, found);
}

void library_all(struct library_set *set, const char *program)
{
    static const struct elf_reader path = {.path = library_path}, needs = {.needs = library_needs};
    struct library_walk walk = {.set = set};
    *set = (struct library_set){0};
    library_add(set, program);
    for (; walk.at < set->count; walk.at++) {
        walk.path[0] = 0;
        elf_dynamic(set->paths[walk.at], &path, &walk);
        elf_dynamic(set->paths[walk.at], &needs, &walk);
    }
}

/* --- what is wrapped --- */

static void library_export(void *context, const char *name, bool defined)
{
    struct library_imports *imports = context;
    if (!defined || strlen(name) >= LIBRARY_NAME)
        return;
    imports->names =
        memory_got(reallocarray(imports->names, imports->count + 1, sizeof *imports->names));
    strlcpy(imports->names[imports->count++], name, LIBRARY_NAME);
}

bool library_imports(struct library_imports *imports)
{
    static const struct elf_reader reader = {.symbol = library_export};
    char library[PRELOAD_SIZE];
    *imports = (struct library_imports){0};
    if (!preload_find(library, sizeof library) ||
        elf_dynamic(library, &reader, imports) != ELF_FINE || imports->count == 0)
        return false;
    imports->found = memory_new(imports->count, sizeof *imports->found);
    return true;
}

void library_clear(struct library_imports *imports)
{
    if (imports->count > 0)
        memset(imports->found, 0, imports->count * sizeof *imports->found);
    imports->version[0] = imports->by[0] = 0;
    imports->uring = imports->dlmopen = false;
}

static void library_symbol(void *context, const char *name, bool defined)
{
    struct library_imports *imports = context;
    if (defined)
        return;
    imports->uring = imports->uring || strncmp(name, "io_uring_", 9) == 0;
    imports->dlmopen = imports->dlmopen || strcmp(name, "dlmopen") == 0;
    for (size_t i = 0; i < imports->count; i++)
        imports->found[i] = imports->found[i] || strcmp(imports->names[i], name) == 0;
}

bool library_newer(const char *a, const char *b)
{
    return strverscmp(a, b) > 0;
}

static void library_version(void *context, const char *version)
{
    struct library_imports *imports = context;
    if (strncmp(version, "GLIBC_2", 7) == 0 && library_newer(version + 6, imports->version))
        strlcpy(imports->version, version + 6, sizeof imports->version);
}

static void library_need(void *context, const char *name)
{
    struct library_imports *imports = context;
    imports->uring = imports->uring || strncmp(name, "liburing", 8) == 0;
}

bool library_uring(const char *path)
{
    static const struct elf_reader reader = {.needs = library_need};
    struct library_imports imports = {0};
    elf_dynamic(path, &reader, &imports);
    return imports.uring;
}

void library_look(struct library_imports *imports, const char *path)
{
    static const struct elf_reader reader = {.symbol = library_symbol, .version = library_version};
    elf_dynamic(path, &reader, imports);
}

bool library_connects(const struct library_imports *imports)
{
    for (size_t i = 0; i < imports->count; i++) {
        if (imports->found[i] && strcmp(imports->names[i], "connect") == 0)
            return true;
    }
    return false;
}

void library_beside(struct library_imports *imports, const char *path)
{
    static const struct elf_reader reader = {.symbol = library_symbol};
    const char *slash = strrchr(path, '/');
    bool before = library_connects(imports);
    elf_dynamic(path, &reader, imports);
    if (!before && library_connects(imports))
        strlcpy(imports->by, slash ? slash + 1 : path, sizeof imports->by);
}

const char *library_text(const struct library_imports *imports, bool all, char *out, size_t size)
{
    static const char *const telling[] = {
        "connect", "send",   "sendto", "sendmsg", "recv",       "recvfrom",    "recvmsg",
        "poll",    "select", "ppoll",  "pselect", "epoll_wait", "epoll_pwait", "getaddrinfo"};
    *out = 0;
    for (size_t t = 0; !all && t < sizeof telling / sizeof *telling; t++) {
        for (size_t i = 0; i < imports->count; i++) {
            if (imports->found[i] && strcmp(imports->names[i], telling[t]) == 0) {
                strlcat(out, *out ? " " : "", size);
                strlcat(out, telling[t], size);
            }
        }
    }
    for (size_t i = 0; all && i < imports->count; i++) {
        if (imports->found[i]) {
            strlcat(out, *out ? " " : "", size);
            strlcat(out, imports->names[i], size);
        }
    }
    return out;
}

/* --- versions --- */

const char *library_glibc(void)
{
    return gnu_get_libc_version();
}

void library_shim_needs(char *out, size_t size)
{
    static const struct elf_reader reader = {.version = library_version};
    struct library_imports imports = {0};
    char library[PRELOAD_SIZE];
    if (preload_find(library, sizeof library))
        elf_dynamic(library, &reader, &imports);
    strlcpy(out, imports.version, size);
}
