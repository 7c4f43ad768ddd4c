#include "cli/loader.h"

#include <bsd/string.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/elf.h"

/* What ld.so would take: an ELF file for the same machine as we are. */
static bool loader_fits(const char *path)
{
    struct elf own, elf;
    return elf_read(path, &elf) == ELF_FINE && elf_read("/proc/self/exe", &own) == ELF_FINE &&
           elf.bits == own.bits && elf.machine == own.machine;
}

static bool loader_try(char *out, size_t size, const char *directory, const char *name)
{
    return snprintf(out, size, "%s/%s", directory, name) < (int)size && loader_fits(out);
}

/* One directory of a RUNPATH, with $ORIGIN as where the asking object is. */
static bool loader_directory(char *out, size_t size, const char *directory, const char *name,
                             const char *origin)
{
    char full[PATH_MAX];
    const char *rest = NULL;
    const char *slash = strrchr(origin, '/');
    if (strncmp(directory, "$ORIGIN", 7) == 0)
        rest = directory + 7;
    else if (strncmp(directory, "${ORIGIN}", 9) == 0)
        rest = directory + 9;
    if (!rest)
        return *directory && loader_try(out, size, directory, name);
    return slash &&
           snprintf(full, sizeof full, "%.*s%s", (int)(slash - origin), origin, rest) <
               (int)sizeof full &&
           loader_try(out, size, full, name);
}

static bool loader_runpath(char *out, size_t size, const char *name, const char *runpath,
                           const char *origin)
{
    char *path = strdup(runpath), *rest = path, *directory;
    bool found = false;
    while (path && !found && (directory = strsep(&rest, ":")) != NULL)
        found = loader_directory(out, size, directory, name, origin);
    free(path);
    return found;
}

/* --- /etc/ld.so.cache: a head, then entries whose texts stand somewhere behind --- */

#define CACHE_PATH  "/etc/ld.so.cache"
#define CACHE_MAGIC "glibc-ld.so.cache1.1"

struct cache_head {
    char magic[20];
    uint32_t count;
    uint32_t spare[6];
};
struct cache_entry {
    int32_t flags;
    uint32_t name, path; /* from the start of the file */
    uint32_t spare;
    uint64_t hwcap;
};

static const char *cache_text(const char *at, size_t size, uint32_t offset)
{
    return offset < size && memchr(at + offset, 0, size - offset) ? at + offset : "";
}

static bool cache_find(char *out, size_t size, const char *at, size_t length, const char *name)
{
    struct cache_head head;
    struct cache_entry entry;
    if (length < sizeof head || memcmp(at, CACHE_MAGIC, sizeof head.magic) != 0)
        return false;
    memcpy(&head, at, sizeof head);
    size_t room = (length - sizeof head) / sizeof entry;
    for (size_t i = 0; i < head.count && i < room; i++) {
        memcpy(&entry, at + sizeof head + i * sizeof entry, sizeof entry);
        if (strcmp(cache_text(at, length, entry.name), name) == 0 &&
            strlcpy(out, cache_text(at, length, entry.path), size) < size && loader_fits(out))
            return true;
    }
    return false;
}

static bool loader_cache(char *out, size_t size, const char *name)
{
    static const char *at;
    static size_t length;
    struct stat st;
    int fd = at ? -1 : open(CACHE_PATH, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0) {
        void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map != MAP_FAILED) {
            at = map;
            length = (size_t)st.st_size;
        }
    }
    if (fd >= 0)
        close(fd);
    return at && cache_find(out, size, at, length, name);
}

bool loader_find(char *out, size_t size, const char *name, const char *runpath, const char *origin)
{
    static const char *const own[] = {"/lib64", "/usr/lib64", "/lib", "/usr/lib"};
    if (strchr(name, '/'))
        return strlcpy(out, name, size) < size && loader_fits(out);
    if (loader_runpath(out, size, name, runpath, origin) || loader_cache(out, size, name))
        return true;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        if (loader_try(out, size, own[i], name))
            return true;
    }
    return false;
}
