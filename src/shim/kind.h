/* kind.h - what is known of a socket without asking: socket() said it, and everything that changes
 * it goes through us. A number that came any other way, or that was copied, is not known. */
#ifndef SHEARPIN_SHIM_KIND_H
#define SHEARPIN_SHIM_KIND_H

#include "shim/shim.h"

enum {
    SP_KIND_KNOWN = 1,
    SP_KIND_STREAM = 2,
    SP_KIND_NONBLOCK = 4,
    SP_KIND_TIMED = 8 /* the program has set SO_SNDTIMEO, or how much room its sends have */
};

static inline uint8_t sp_kind_of(int fd)
{
    return sp_here_has(fd) ? __atomic_load_n(&sp_here.kinds[fd], __ATOMIC_RELAXED) : 0;
}
/* Not in a child of vfork: the numbers are its own, the memory is not. */
static inline void sp_kind_set(int fd, uint8_t kind)
{
    if (!sp_here_has(fd) || sp_process_foreign())
        return;
    sp_table_raise(&sp_here.kind_high, (uint32_t)fd + 1);
    __atomic_store_n(&sp_here.kinds[fd], kind, __ATOMIC_RELAXED);
}
static inline void sp_kind_forget(int fd)
{
    if (SP_UNLIKELY(sp_kind_of(fd) != 0))
        sp_kind_set(fd, 0);
}
/* Of a number that the table has. */
static inline void sp_kind_clear(int fd)
{
    __atomic_store_n(&sp_here.kinds[fd], 0, __ATOMIC_RELAXED);
}
static inline void sp_kind_mode(int fd, bool nonblocking)
{
    uint8_t kind = sp_kind_of(fd);
    if (kind)
        sp_kind_set(fd,
                    (uint8_t)((kind & ~SP_KIND_NONBLOCK) | (nonblocking ? SP_KIND_NONBLOCK : 0)));
}

static inline void sp_kind_timed(int fd)
{
    uint8_t kind = sp_kind_of(fd);
    if (kind)
        sp_kind_set(fd, kind | SP_KIND_TIMED);
}

/* The same, asked where it is not known. 0: no socket, or the kernel does not say. */
uint8_t sp_kind_ask(int fd);

#endif
