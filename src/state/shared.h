/* shared.h - copying what others may be writing meanwhile, word by word. Each word is read with
 * acquire and written with release, so that a sequence looked at before and after such a copy tells
 * whether it is torn; without a fence, which thread sanitizers do not know. */
#ifndef SHEARPIN_STATE_SHARED_H
#define SHEARPIN_STATE_SHARED_H

#include <stddef.h>
#include <stdint.h>

typedef uint64_t __attribute__((may_alias)) sp_shared_word;

/* Both ends 8-aligned, `size` a multiple of 8. */
static inline void sp_shared_load(void *to, const void *from, size_t size)
{
    for (size_t i = 0; i < size / 8; i++)
        ((sp_shared_word *)to)[i] =
            __atomic_load_n((const sp_shared_word *)from + i, __ATOMIC_ACQUIRE);
}

static inline void sp_shared_store(void *to, const void *from, size_t size)
{
    for (size_t i = 0; i < size / 8; i++)
        __atomic_store_n((sp_shared_word *)to + i, ((const sp_shared_word *)from)[i],
                         __ATOMIC_RELEASE);
}

#endif
