/* names.h - see the last part of shearpin/conn.h. */
#ifndef SHEARPIN_CONN_NAMES_H
#define SHEARPIN_CONN_NAMES_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

size_t sp_names_size(void);      /* of the table */
void sp_names_start(void *room); /* so much, of zeros */

/* What this thread would be told of any address: another value, perhaps another answer. */
extern __attribute__((visibility("hidden"))) _Atomic uint64_t sp_names_changes;
extern __attribute__((visibility("hidden"))) _Thread_local uint64_t sp_names_last;
static inline uint64_t sp_names_state(void)
{
    uint64_t changes = atomic_load_explicit(&sp_names_changes, memory_order_acquire);
    return changes * UINT64_C(0x9e3779b97f4a7c15) + sp_names_last;
}
static inline void sp_names_changed(void)
{
    atomic_fetch_add_explicit(&sp_names_changes, 1, memory_order_release);
}

#endif
