#include "shim/object.h"

#include <stddef.h>
#include <sys/auxv.h>

#define HIDDEN_VERSION 0x8000

/* Most loaders have put these addresses right in place; those of the kernel's vdso nobody has. */
static const void *object_at(const struct sp_object *object, uintptr_t value)
{
    return (const void *)(value < object->base ? object->base + value : value);
}

void sp_object_open(struct sp_object *object, const struct link_map *map)
{
    const ElfW(Dyn) *soname = NULL;
    *object = (struct sp_object){.base = map->l_addr};
    for (const ElfW(Dyn) *d = map->l_ld; d && d->d_tag != DT_NULL; d++) {
        const void *at = object_at(object, d->d_un.d_ptr);
        if (d->d_tag == DT_SYMTAB)
            object->symbols = at;
        else if (d->d_tag == DT_STRTAB)
            object->strings = at;
        else if (d->d_tag == DT_VERSYM)
            object->versions = at;
        else if (d->d_tag == DT_GNU_HASH)
            object->gnu = at;
        else if (d->d_tag == DT_HASH)
            object->sysv = at;
        else if (d->d_tag == DT_SONAME)
            soname = d;
    }
    if (soname && object->strings)
        object->name = object->strings + soname->d_un.d_val;
}

/* The version that programs are linked to today; older ones of the name are hidden. */
static bool object_defines(const struct sp_object *object, uint32_t index, const char *name)
{
    const ElfW(Sym) *symbol = &object->symbols[index];
    return symbol->st_shndx != SHN_UNDEF && symbol->st_value != 0 &&
           ELF64_ST_BIND(symbol->st_info) != STB_LOCAL &&
           ELF64_ST_TYPE(symbol->st_info) != STT_TLS &&
           !(object->versions && (object->versions[index] & HIDDEN_VERSION)) &&
           sp_object_same(object->strings + symbol->st_name, name);
}

/* Index of the symbol, 0: it defines none of that name. */
static uint32_t object_gnu(const struct sp_object *object, const char *name, uint32_t hash)
{
    const uint32_t buckets = object->gnu[0], first = object->gnu[1], words = object->gnu[2];
    const uint64_t *bloom = (const uint64_t *)(const void *)(object->gnu + 4);
    const uint32_t *bucket = (const uint32_t *)(bloom + words), *chain = bucket + buckets;
    uint64_t word = words ? bloom[(hash / 64) & (words - 1)] : 0;
    if (buckets == 0 || !(word >> (hash % 64) & word >> (hash >> object->gnu[3]) % 64 & 1))
        return 0;
    for (uint32_t i = bucket[hash % buckets]; i >= first && i != 0; i++) {
        if ((chain[i - first] | 1) == (hash | 1) && object_defines(object, i, name))
            return i;
        if (chain[i - first] & 1)
            break;
    }
    return 0;
}

static uint32_t object_sysv(const struct sp_object *object, const char *name)
{
    const uint32_t buckets = object->sysv[0], *bucket = object->sysv + 2;
    const uint32_t *chain = bucket + buckets;
    uint32_t hash = 0;
    for (const char *p = name; *p; p++) {
        hash = (hash << 4) + (unsigned char)*p;
        hash = (hash ^ (hash & 0xf0000000) >> 24) & 0x0fffffff;
    }
    for (uint32_t i = buckets ? bucket[hash % buckets] : 0; i != 0; i = chain[i]) {
        if (object_defines(object, i, name))
            return i;
    }
    return 0;
}

/* A symbol may be a function that says which function it is, by what the processor can do. */
static void *object_chosen(uintptr_t at)
{
#ifdef __aarch64__
    struct {
        unsigned long size, hwcap, hwcap2;
    } can = {sizeof can, getauxval(AT_HWCAP), getauxval(AT_HWCAP2)};
    return ((void *(*)(uint64_t, const void *))at)(can.hwcap | UINT64_C(1) << 62, &can);
#else
    return ((void *(*)(void))at)();
#endif
}

void *sp_object_find(const struct sp_object *object, const char *name, uint32_t hash)
{
    uint32_t index = 0;
    if (!object->symbols || !object->strings)
        return NULL;
    if (object->gnu)
        index = object_gnu(object, name, hash);
    else if (object->sysv)
        index = object_sysv(object, name);
    if (index == 0)
        return NULL;
    const ElfW(Sym) *symbol = &object->symbols[index];
    uintptr_t at = object->base + symbol->st_value;
    return ELF64_ST_TYPE(symbol->st_info) == STT_GNU_IFUNC ? object_chosen(at) : (void *)at;
}

uint32_t sp_object_hash(const char *name)
{
    uint32_t hash = 5381;
    for (const char *p = name; *p; p++)
        hash = hash * 33 + (unsigned char)*p;
    return hash;
}
