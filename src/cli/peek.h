/* peek.h - what another process of ours knows of its connections: read out of its memory, where it
 * says they are, so that it costs that process nothing. */
#ifndef SHEARPIN_CLI_PEEK_H
#define SHEARPIN_CLI_PEEK_H

#include "shearpin/segment.h"

struct peek_conn {
    int fd;         /* one of its fds; -1: between two of its calls */
    uint32_t index; /* of the connection in that process, as leases carry it */
    uint32_t dest;
    uint32_t flags;  /* SP_CONN_... */
    uint64_t word;   /* sp_turn_of(), sp_turn_since() */
    uint64_t cookie; /* SO_COOKIE; 0: not asked yet */
    uint64_t limit;  /* ns: how long the turn may last; 0: as long as it likes */
    uint64_t hold;   /* ns: injected, the answer is not to be seen earlier */
};

struct peek_sleeper { /* a thread asleep in one of our wrappers */
    uint32_t tid, why, dest;
    int fd;
    uint64_t since;
};

struct peek {
    struct peek_conn *conns;
    size_t count;
    struct peek_sleeper sleepers[64];
    size_t sleeper_count;
};

/* Looks into the process of this slot. Returns 0, or an errno: EPERM when the kernel does not let
 * us, ESRCH when it is gone or in another pid namespace, ENOENT when it says nothing of itself,
 * EPROTO when what it says cannot be. Free with peek_free() after 0. */
int peek_take(struct peek *peek, const struct sp_segment *segment, uint32_t slot);
void peek_free(struct peek *peek);

#endif
