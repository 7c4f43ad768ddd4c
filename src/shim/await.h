/* await.h - one caller that waits for its turn (await.c). */
#ifndef SHEARPIN_SHIM_AWAIT_H
#define SHEARPIN_SHIM_AWAIT_H

#include <signal.h>

#include "shim/shim.h"

struct sp_await {
    bool masked;
    sigset_t mask; /* the program's own */
    struct sp_sleeper *noted;
};
void sp_await_begin(struct sp_await *sleep, uint32_t dest, int fd, struct sp_wait *wait);
/* Sleeps as the guards say. False: a signal came whose handler wants EINTR. */
bool sp_await(const struct sp_await *sleep, const struct sp_wait *wait);
void sp_await_end(const struct sp_await *sleep);

/* sp_socket_sleep(), and it can be seen why. */
bool sp_await_pause(enum sp_asleep why, uint32_t dest, int fd, uint64_t until);

#endif
