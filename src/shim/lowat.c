/* lowat.c - SO_RCVLOWAT raised beyond what can come: the kernel itself says that there is no input,
 * to whatever kind of wait; and put back it wakes edge-triggered waiters too. Unless the process
 * dies first, only a wait of ours puts it back, so it is raised where there is one. */
#include "shim/lowat.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/clock.h"

#define LOWAT_BEYOND (1 << 30)
#define LOWAT_LOOKS  (20 * SP_MS) /* how often a wait of a process with threads looks */

sp_half sp_lowat_ready;
static sp_half lowat_left;                  /* something could not be held by the kernel */
static sp_word lowat_waited;                /* when a wait of ours last looked */
static _Thread_local bool lowat_waits_here; /* this thread has waited so */

bool sp_lowat_watched(void)
{
    return lowat_waits_here ||
           sp_now() < atomic_load(&lowat_waited) + LOWAT_LOOKS + LOWAT_LOOKS / 4;
}

static void lowat_set(int fd, int least)
{
    int error = errno;
    REAL(setsockopt)(fd, SOL_SOCKET, SO_RCVLOWAT, &least, sizeof least);
    errno = error;
}

void sp_lowat_raise(const struct sp_conn *conn, struct sp_held *h, int fd)
{
    const uint32_t not = SP_CONN_UNIX | SP_CONN_STDIO;
    int least = 1, error = errno;
    socklen_t length = sizeof least;
    if (atomic_load(&h->raised) || (sp_conn_flags(conn) & not ) ||
        !(sp_conn_flags(conn) & SP_CONN_NONBLOCK))
        return;
    if (!sp_lowat_watched()) {
        atomic_store(&lowat_left, 1);
        return;
    }
    if (REAL(getsockopt)(fd, SOL_SOCKET, SO_RCVLOWAT, &least, &length) == 0) {
        atomic_store(&h->own, (uint32_t)least);
        atomic_store(&h->raised, 1);
        lowat_set(fd, LOWAT_BEYOND);
    }
    errno = error;
}

void sp_lowat_lower(struct sp_held *h, int fd)
{
    if (atomic_exchange(&h->raised, 0))
        lowat_set(fd, (int)atomic_load(&h->own));
}

/* --- waits --- */

static void lowat_again(struct sp_conn *conn)
{
    struct sp_held *h = sp_held_of(conn);
    sp_held_lock(&h->busy);
    if (atomic_load(&h->in) != 0)
        sp_lowat_raise(conn, h, (int)atomic_load(&conn->fd));
    sp_held_unlock(&h->busy);
}

/* What was held before anybody waited is held by the kernel from now on. */
static void lowat_all(void)
{
    uint32_t high = atomic_load(&sp_here.conn_high);
    for (uint32_t i = 0; i < high; i++) {
        struct sp_conn *conn = &sp_here.conns[i];
        if (!(sp_conn_flags(conn) & SP_CONN_HELD) || !sp_conn_hold(conn, sp_conn_generation(conn)))
            continue;
        lowat_again(conn);
        sp_fd_left(conn);
    }
}

void sp_lowat_waits(uint64_t now)
{
    lowat_waits_here = true;
    atomic_store_explicit(&lowat_waited, now, memory_order_relaxed);
    if (atomic_load_explicit(&lowat_left, memory_order_relaxed) && atomic_exchange(&lowat_left, 0))
        lowat_all();
}

void sp_lowat_prepare(void)
{
    atomic_store(&sp_lowat_ready, 1);
    sp_due_arm(SP_DUE_WATCH, LOWAT_LOOKS);
}

/* --- the program's own view --- */

void sp_lowat_chosen(struct sp_conn *conn, int fd, int least)
{
    struct sp_held *h = sp_held_of(conn);
    if (!(sp_conn_flags(conn) & SP_CONN_HELD) || !atomic_load(&h->raised))
        return;
    atomic_store(&h->own, (uint32_t)least);
    lowat_set(fd, LOWAT_BEYOND);
}

void sp_lowat_own(const struct sp_conn *conn, int *least)
{
    if ((sp_conn_flags(conn) & SP_CONN_HELD) && atomic_load(&sp_held_of(conn)->raised))
        *least = (int)atomic_load(&sp_held_of(conn)->own);
}

void sp_lowat_mode(struct sp_conn *conn, int fd, bool nonblocking)
{
    if (!nonblocking && (sp_conn_flags(conn) & SP_CONN_HELD))
        sp_lowat_lower(sp_held_of(conn), fd);
}

#define LOWAT_INHERITED 256       /* numbers of fds that are asked */
#define LOWAT_NOBODYS   (1 << 20) /* no program waits for so many bytes: this is ours */

/* Another process that has the socket too hides what then shows. */
void sp_lowat_inherited(void)
{
    for (int fd = 3; fd < LOWAT_INHERITED; fd++) {
        int least = 0;
        socklen_t length = sizeof least;
        if (REAL(getsockopt)(fd, SOL_SOCKET, SO_RCVLOWAT, &least, &length) == 0 &&
            least >= LOWAT_NOBODYS)
            lowat_set(fd, 1);
    }
}
