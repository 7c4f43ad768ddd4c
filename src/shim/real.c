#include "shim/real.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

struct sp_real sp_real;

/* Found by their places: pointers would have to be put right at every start. */
static const struct names {
#define X(name) char name[sizeof #name];
    SP_SYMBOLS(X)
#undef X
} real_names = {
#define X(name) #name,
    SP_SYMBOLS(X)
#undef X
};

static const char *real_name(enum sp_symbol symbol)
{
    static const uint16_t at[SP_SYMBOL_COUNT] = {
#define X(name) [SP_SYMBOL_##name] = offsetof(struct names, name),
        SP_SYMBOLS(X)
#undef X
    };
    return (const char *)&real_names + at[symbol];
}

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
    void *found = dlsym(RTLD_NEXT, real_name(symbol));
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

/* What is called in signal handlers and between fork and exec is found at the start; all else when
 * it is called first, since a look-up costs a microsecond of every start. */
static const uint8_t real_early[] = {
#define E(name) SP_SYMBOL_##name
    E(connect),  E(send),     E(sendto), E(sendmsg), E(write),  E(writev),  E(recv),
    E(recvfrom), E(recvmsg),  E(read),   E(readv),   E(poll),   E(ppoll),   E(select),
    E(close),    E(shutdown), E(dup),    E(dup2),    E(fcntl),  E(fcntl64), E(open),
    E(open64),   E(pipe),     E(fork),   E(socket),  E(accept), E(syscall),
#undef E
};

void sp_real_start(void)
{
    _Static_assert(sizeof(struct sp_real) == SP_SYMBOL_COUNT * sizeof(void *), "one pointer each");
    for (size_t i = 0; i < sizeof real_early; i++)
        sp_real_find((enum sp_symbol)real_early[i]);
}
