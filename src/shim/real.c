#include "shim/real.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>

struct sp_real sp_real;

static const char *const real_names[SP_SYMBOL_COUNT] = {
#define X(name) [SP_SYMBOL_##name] = #name,
    SP_SYMBOLS(X)
#undef X
};

/* What an older libc lacks ends as it would without us: the call is not implemented. */
static long real_missing(void)
{
    errno = ENOSYS;
    return -1;
}

static void **real_place(enum sp_symbol symbol)
{
    return (void **)(void *)&sp_real + symbol;
}

void *sp_real_try(enum sp_symbol symbol)
{
    int error = errno;
    void *found = dlsym(RTLD_NEXT, real_names[symbol]);
    errno = error;
    return found;
}

void *sp_real_find(enum sp_symbol symbol)
{
    void **place = real_place(symbol);
    void *found = __atomic_load_n(place, __ATOMIC_ACQUIRE);
    if (found)
        return found;
    found = sp_real_try(symbol);
    if (!found)
        found = (void *)real_missing;
    __atomic_store_n(place, found, __ATOMIC_RELEASE);
    return found;
}

/* A library that may come later, by dlopen: it must not be taken for missing now. */
static bool real_later(enum sp_symbol symbol)
{
    return symbol >= SP_SYMBOL_SSL_read && symbol <= SP_SYMBOL_gnutls_handshake;
}

void sp_real_start(void)
{
    _Static_assert(sizeof(struct sp_real) == SP_SYMBOL_COUNT * sizeof(void *), "one pointer each");
    for (int i = 0; i < SP_SYMBOL_COUNT; i++) {
        if (!real_later((enum sp_symbol)i))
            sp_real_find((enum sp_symbol)i);
    }
}
