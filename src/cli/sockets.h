/* sockets.h - the connections that a process made, as the kernel knows them. */
#ifndef SHEARPIN_CLI_SOCKETS_H
#define SHEARPIN_CLI_SOCKETS_H

#include <sys/types.h>

#include "shearpin/types.h"

struct sockets_entry {
    int fd;
    uint64_t inode;
    struct sp_addr peer;
};

struct sockets {
    struct sockets_entry *entries; /* one a socket: connected, by this side, TCP or unix stream */
    size_t count;
    uint32_t urings; /* fds of io_uring */
    bool elsewhere;  /* it is in another network namespace: its unix sockets are not known */
};

/* Returns 0, or an errno when /proc does not let us look. Free with sockets_free(). */
int sockets_of(struct sockets *sockets, pid_t pid);
void sockets_free(struct sockets *sockets);

#endif
