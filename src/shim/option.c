/* option.c - getsockopt and setsockopt: a pending connect is heard of by SO_ERROR. */
#include "shim/hold.h"
#include "shim/kind.h"
#include "shim/lowat.h"
#include "shim/redial.h"
#include "shim/stay.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/time.h>

/* What a cut left behind is reported once, as the kernel does with its own errors; then nothing,
 * whatever the kernel has noted of the blow itself (hiredis asks after connect() has told it). */
static bool option_cut(int fd, uint64_t entry, void *value, socklen_t *length)
{
    struct sp_conn *conn = sp_conn_at(entry);
    if (sp_turn_of(atomic_load(&conn->word)) == SP_TURN_RESTING && sp_socket_is(fd, conn))
        sp_pending_end(conn); /* 0 would be taken for a connect that stands */
    uint64_t word = atomic_load(&conn->word);
    if (sp_turn_of(word) != SP_TURN_CUT || !sp_socket_is(fd, conn))
        return false;
    int error = sp_conn_flags(conn) & SP_CONN_REPORTED ? 0 : sp_turn_error(word);
    memcpy(value, &error, *length < sizeof error ? *length : sizeof error);
    if (*length > sizeof error)
        *length = sizeof error;
    sp_conn_mark(conn, SP_CONN_REPORTED, true);
    return true;
}

static void option_error(int fd, uint64_t entry, int failed)
{
    struct sp_conn *conn = sp_conn_at(entry);
    int error = errno;
    /* 0 is also what a connect says that has not ended yet. */
    if (sp_turn_of(atomic_load(&conn->word)) == SP_TURN_CONNECTING && sp_socket_is(fd, conn) &&
        (failed || sp_socket_connected(fd)))
        sp_connect_learnt(fd, entry, failed);
    errno = error;
}

/* With 64-bit times the options have other numbers where time_t is 32 bits, and may be set by them
 * anywhere. */
static bool option_receives(int name)
{
    return name == SO_RCVTIMEO || name == SO_RCVTIMEO_OLD || name == SO_RCVTIMEO_NEW;
}

static bool option_sends(int name)
{
    return name == SO_SNDTIMEO || name == SO_SNDTIMEO_OLD || name == SO_SNDTIMEO_NEW;
}

/* With little room, or where it has to connect, a first send may wait, however small it is. */
static bool option_first(int level, int name)
{
    if (level == IPPROTO_TCP)
        return name == TCP_FASTOPEN_CONNECT;
    return level == SOL_SOCKET && (name == SO_SNDBUF || name == SO_SNDBUFFORCE);
}

/* The program sees and sets its own receive timeout, never our alarm. The kernel rounds it first.
 */
static bool option_alarmed(uint64_t entry, int level, int name)
{
    struct sp_conn *conn = sp_conn_at(entry);
    return level == SOL_SOCKET && option_receives(name) &&
           (atomic_load(&conn->alarm) != 0 || (sp_conn_flags(conn) & SP_CONN_STDIO));
}

static void option_own(uint64_t entry, void *value, const socklen_t *length)
{
    uint32_t ms = atomic_load(&sp_conn_at(entry)->own_receive);
    struct timeval own = {ms / 1000, (suseconds_t)(ms % 1000 * 1000)};
    memcpy(value, &own, *length < sizeof own ? *length : sizeof own);
}

SP_EXPORT int getsockopt(int fd, int level, int name, void *value, socklen_t *length)
{
    uint64_t entry = sp_conn_entry(fd);
    if (SP_UNLIKELY(entry != 0) && level == SOL_SOCKET && option_sends(name))
        sp_stay_over(fd, entry);
    if (SP_LIKELY(entry == 0) || level != SOL_SOCKET || !sp_shim_on())
        return REAL(getsockopt)(fd, level, name, value, length);
    /* A connect that has not come out yet, for all that we show: the error must stay where it is,
     * so something else is asked that is 0. */
    if (name == SO_ERROR && (sp_hold_hides(sp_conn_at(entry)) & SP_HOLD_OUT))
        return REAL(getsockopt)(fd, level, SO_ACCEPTCONN, value, length);
    /* The kernel reads and writes first: only then are the program's pointers known to be good. */
    int result = REAL(getsockopt)(fd, level, name, value, length);
    if (result != 0)
        return result;
    if (option_alarmed(entry, level, name) && sp_socket_is(fd, sp_conn_at(entry)))
        option_own(entry, value, length);
    if (name == SO_RCVLOWAT && *length >= sizeof(int))
        sp_lowat_own(sp_conn_at(entry), value);
    if (name == SO_ERROR && *length >= sizeof(int) && !option_cut(fd, entry, value, length))
        option_error(fd, entry, *(const int *)value);
    return result;
}

/* The program has said how its sends wait. */
static void option_sending(int fd, uint64_t entry, int name)
{
    sp_kind_timed(fd);
    if (entry && option_sends(name))
        sp_stay_replaced(entry);
    else if (entry)
        sp_stay_over(fd, entry);
}

SP_EXPORT int setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
    int result = REAL(setsockopt)(fd, level, name, value, length);
    uint64_t entry = sp_conn_entry(fd);
    if (result == 0 && (option_first(level, name) || (level == SOL_SOCKET && option_sends(name))))
        option_sending(fd, entry, name);
    if (SP_LIKELY(entry == 0) || result != 0 || level != SOL_SOCKET || !sp_shim_on())
        return result;
    struct sp_conn *conn = sp_conn_at(entry);
    if (option_receives(name)) { /* the alarm is set anew, and theirs kept, when it is needed */
        atomic_store(&conn->alarm, 0);
        sp_conn_mark(conn, SP_CONN_STDIO, false);
    }
    if (name == SO_RCVLOWAT) {
        sp_conn_mark(conn, SP_CONN_LOWAT, *(const int *)value > 1);
        sp_lowat_chosen(conn, fd, *(const int *)value);
        sp_alarm_lift(fd, conn);
    }
    return result;
}
