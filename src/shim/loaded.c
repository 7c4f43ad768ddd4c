#include "shim/loaded.h"

#include <stdbool.h>

#include "shim/object.h"

/* The loader's own. Weak, or else the loader would become something that we need. */
extern struct r_debug _r_debug __attribute__((weak));
extern ElfW(Dyn) _DYNAMIC[] __attribute__((visibility("hidden")));

/* --- in the order in which the loader looks --- */

static const struct link_map *loaded_last; /* of those that came with the program */

static const struct link_map *loaded_head(void)
{
    return &_r_debug ? _r_debug.r_map : NULL;
}

static const char *loaded_file(const struct link_map *map)
{
    const char *file = map->l_name ? map->l_name : "";
    for (const char *p = file; *p; p++) {
        if (*p == '/')
            file = p + 1;
    }
    return file;
}

/* We stand before libc, unless the program itself has opened us: then nobody is behind us. */
static const struct link_map *loaded_own(void)
{
    const struct link_map *map = loaded_head();
    for (; map && map->l_ld != _DYNAMIC; map = map->l_next) {
        if (sp_object_same(loaded_file(map), "libc.so.6"))
            return loaded_head();
    }
    return map;
}

/* How many of them this object has, and nobody before it had. */
static size_t loaded_in(const struct link_map *map, struct sp_sought *sought, size_t count)
{
    struct sp_object object;
    size_t found = 0;
    sp_object_open(&object, map);
    for (size_t i = 0; i < count; i++) {
        if (sought[i].found)
            continue;
        sought[i].found = sp_object_find(&object, sought[i].name, sought[i].hash);
        found += sought[i].found != NULL;
    }
    return found;
}

/* From `map` to the last one that stays. */
static void loaded_walk(const struct link_map *map, const struct link_map *last,
                        struct sp_sought *sought, size_t count)
{
    size_t left = 0;
    for (size_t i = 0; i < count; i++)
        left += !sought[i].found;
    for (; map && left > 0; map = map == last ? NULL : map->l_next) {
        if (map->l_ld != _DYNAMIC)
            left -= loaded_in(map, sought, count);
    }
}

void sp_loaded_start(void)
{
    for (const struct link_map *map = loaded_own(); map; map = map->l_next)
        loaded_last = map;
}

void sp_loaded_next(struct sp_sought *sought, size_t count)
{
    loaded_walk(loaded_own(), loaded_last, sought, count);
}

void *sp_loaded_any(const char *name)
{
    struct sp_sought one = {name, sp_object_hash(name), NULL};
    loaded_walk(loaded_head(), loaded_last, &one, 1);
    return one.found;
}

/* --- as another object would look --- */

/* An object and all that it needs, in the loader's order. */
#define FAMILY 64

struct look {
    const void *caller;
    struct sp_sought sought;
    size_t count;
    const struct link_map *family[FAMILY];
};

/* The loaded object that was meant by a name in another's list: nearly always its file's name. */
static const struct link_map *loaded_called(const char *name)
{
    for (const struct link_map *map = loaded_head(); map; map = map->l_next) {
        if (sp_object_same(loaded_file(map), name))
            return map;
    }
    for (const struct link_map *map = loaded_head(); map; map = map->l_next) {
        struct sp_object object;
        sp_object_open(&object, map);
        if ((object.name && sp_object_same(object.name, name)) ||
            (map->l_name && sp_object_same(map->l_name, name)))
            return map;
    }
    return NULL;
}

static void look_add(struct look *look, const struct link_map *map)
{
    for (size_t i = 0; i < look->count; i++) {
        if (look->family[i] == map)
            return;
    }
    if (map && look->count < FAMILY)
        look->family[look->count++] = map;
}

static void look_family(struct look *look)
{
    for (size_t i = 0; i < look->count && !look->sought.found; i++) {
        const struct link_map *map = look->family[i];
        struct sp_object object;
        loaded_walk(map, map, &look->sought, 1);
        sp_object_open(&object, map);
        for (const ElfW(Dyn) *d = map->l_ld; d->d_tag != DT_NULL && !look->sought.found; d++) {
            if (d->d_tag == DT_NEEDED && object.strings)
                look_add(look, loaded_called(object.strings + d->d_un.d_val));
        }
    }
}

/* Where the object's table stands, if `address` is in it. */
static const void *look_table(const struct dl_phdr_info *info, const void *address)
{
    const void *table = NULL;
    bool holds = false;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        uintptr_t at = info->dlpi_addr + part->p_vaddr;
        if (part->p_type == PT_DYNAMIC)
            table = (const void *)at;
        holds = holds || (part->p_type == PT_LOAD && (uintptr_t)address - at < part->p_memsz);
    }
    return holds ? table : NULL;
}

/* Called with the loader's lock. The program itself looks where all look, and so does who was
 * called from ourselves: by the last jump of a function that we had called. */
static int look_each(struct dl_phdr_info *info, size_t size, void *context)
{
    struct look *look = context;
    const struct link_map *map = loaded_head();
    const void *table = look_table(info, look->caller);
    (void)size;
    if (!table)
        return 0;
    while (map && map->l_ld != table)
        map = map->l_next;
    if (map && map != loaded_head() && map->l_ld != _DYNAMIC) {
        look_add(look, map);
        look_family(look);
    }
    loaded_walk(loaded_own(), NULL, &look->sought, 1);
    return 1;
}

void *sp_loaded_of(const void *caller, const char *name)
{
    struct look look = {caller, {name, sp_object_hash(name), NULL}, 0, {NULL}};
    if (dl_iterate_phdr(look_each, &look) == 0)
        sp_loaded_next(&look.sought, 1);
    return look.sought.found;
}
