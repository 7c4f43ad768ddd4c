/* pin.c - counts the duplicates that stand, so that a close() can wait for them. */
#include "shim/pin.h"

#include <sched.h>

/* Connections share a counter only where their numbers are as far apart. */
#define PINS 64u

static sp_half pins[PINS];

static sp_half *pin_count(const struct sp_conn *conn)
{
    return &pins[sp_conn_index(conn) % PINS];
}

int sp_pin(struct sp_conn *conn, int fd)
{
    sp_conn_mark(conn, SP_CONN_PINNED, true);
    atomic_fetch_add(pin_count(conn), 1);
    uint64_t entry = sp_conn_entry(fd); /* gone: somebody closes it, and has looked at the pins */
    bool stands = entry && sp_conn_at(entry) == conn;
    int pinned = stands ? REAL(fcntl)(fd, F_DUPFD_CLOEXEC, 3) : -1;
    if (pinned >= 0 && sp_socket_is(pinned, conn))
        return pinned;
    if (pinned >= 0)
        REAL(close)(pinned);
    atomic_fetch_sub(pin_count(conn), 1);
    return -1;
}

void sp_unpin(const struct sp_conn *conn, int pinned)
{
    REAL(close)(pinned);
    atomic_fetch_sub(pin_count(conn), 1);
}

/* Not for ever: it may be a signal handler that has interrupted who holds the duplicate. */
void sp_pin_wait(const struct sp_conn *conn)
{
    for (int i = 0; i < 10000 && atomic_load(pin_count(conn)) != 0; i++)
        sched_yield();
}

void sp_pin_forked(void)
{
    for (size_t i = 0; i < PINS; i++)
        atomic_store(&pins[i], 0);
}
