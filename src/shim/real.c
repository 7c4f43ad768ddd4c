#include "shim/real.h"

#include <stddef.h>

#include "shim/absent.h"
#include "shim/loaded.h"
#include "shim/object.h"

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

static void **real_place(enum sp_symbol symbol)
{
    return (void **)(void *)&sp_real + symbol;
}

void *sp_real_find(enum sp_symbol symbol)
{
    void **place = real_place(symbol);
    void *found = __atomic_load_n(place, __ATOMIC_ACQUIRE);
    if (found)
        return found;
    struct sp_sought one = {real_name(symbol), sp_object_hash(real_name(symbol)), NULL};
    sp_loaded_next(&one, 1);
    found = one.found ? one.found : sp_absent(symbol);
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

#define EARLY (sizeof real_early)

/* All of them at once: each object is opened once only. */
void sp_real_start(void)
{
    _Static_assert(sizeof(struct sp_real) == SP_SYMBOL_COUNT * sizeof(void *), "one pointer each");
    struct sp_sought sought[EARLY];
    sp_loaded_start();
    for (size_t i = 0; i < EARLY; i++) {
        const char *name = real_name((enum sp_symbol)real_early[i]);
        sought[i] = (struct sp_sought){name, sp_object_hash(name), NULL};
    }
    sp_loaded_next(sought, EARLY);
    for (size_t i = 0; i < EARLY; i++) {
        enum sp_symbol symbol = (enum sp_symbol)real_early[i];
        void *found = sought[i].found ? sought[i].found : sp_absent(symbol);
        __atomic_store_n(real_place(symbol), found, __ATOMIC_RELEASE);
    }
}
