/* stay.c - the timer of a connect is put back. */
#include "shim/stay.h"

#include <errno.h>
#include <limits.h>
#include <sys/time.h>

SP_HOT_DATA _Atomic bool sp_stay_used;

/* A connect that goes on still needs it. In a child of vfork the socket is the parent's as well,
 * and so is the memory: there it is put back twice. So it is by two threads that send at once:
 * nobody may find that it is gone before it is. */
void sp_stay_end(int fd, struct sp_conn *conn)
{
    const struct timeval none = {0, 0};
    int error = errno;
    if (sp_turn_of(atomic_load(&conn->word)) == SP_TURN_CONNECTING)
        return;
    REAL(setsockopt)(fd, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof none);
    if (!sp_process_foreign())
        sp_conn_mark(conn, SP_CONN_STAYS, false);
    errno = error;
}

void sp_stay_replaced(uint64_t entry)
{
    if (!sp_process_foreign())
        sp_conn_mark(sp_conn_at(entry), SP_CONN_STAYS, false);
}

void sp_stay_walk(void)
{
    sp_fd_each(0, UINT_MAX, sp_stay_over);
}
