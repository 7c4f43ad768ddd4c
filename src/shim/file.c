/* file.c - stdio on sockets: libc reads and writes where nobody sees it. The kernel's own timers
 * bound it, and what became of it is asked once, when the FILE is closed. */
#include "shim/kind.h"
#include "shim/wrapper.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdarg.h>

#include "base/clock.h"

/* States of tcp_info; the header that names them fights with the one that has its newer fields. */
#define FILE_TCP_CLOSE      7
#define FILE_TCP_CLOSE_WAIT 8

/* Behind a FILE the kernel's own timers must do: the full limit, less precise. */
SP_EXPORT FILE *fdopen(int fd, const char *mode)
{
    FILE *file = REAL(fdopen)(fd, mode);
    uint64_t entry = file ? sp_conn_entry(fd) : 0;
    sp_kind_forget(fd); /* it may be connected later */
    if (SP_UNLIKELY(entry != 0))
        sp_stay_over(fd, entry);
    if (SP_UNLIKELY(entry != 0) && sp_shim_on())
        sp_alarm_stdio(fd, sp_conn_at(entry));
    return file;
}

/* ABANDONED: nothing was asked, or nothing can be told of it. */
static enum sp_outcome file_outcome(FILE *file, int fd, const struct sp_conn *conn)
{
    struct tcp_info info;
    if ((sp_conn_flags(conn) & SP_CONN_UNIX) || !sp_socket_info(fd, &info))
        return ferror_unlocked(file) ? SP_OUTCOME_RESPONSE_TIMEOUT : SP_OUTCOME_ABANDONED;
    if (info.tcpi_bytes_received > 0 && !ferror_unlocked(file))
        return SP_OUTCOME_OK;
    if (info.tcpi_state == FILE_TCP_CLOSE)
        return SP_OUTCOME_RESET;
    if (ferror_unlocked(file))
        return SP_OUTCOME_RESPONSE_TIMEOUT;
    return info.tcpi_state == FILE_TCP_CLOSE_WAIT && info.tcpi_bytes_acked > 1
               ? SP_OUTCOME_EOF
               : SP_OUTCOME_ABANDONED;
}

/* What has failed is for the last flush to find: SO_ERROR would take it away. */
static struct sp_conn *file_leave(FILE *file, int fd, uint64_t entry)
{
    struct sp_conn *conn = sp_conn_at(entry);
    int error = errno;
    if (sp_turn_of(atomic_load(&conn->word)) == SP_TURN_CONNECTING && sp_socket_connected(fd))
        sp_connect_learnt(fd, entry, 0);
    if ((sp_conn_flags(conn) & SP_CONN_STDIO) && sp_socket_is(fd, conn)) {
        enum sp_outcome outcome = file_outcome(file, fd, conn);
        if (outcome != SP_OUTCOME_ABANDONED)
            sp_turn_unseen(conn, outcome, sp_now());
    }
    errno = error;
    return sp_conn_remove(fd, entry) ? conn : NULL;
}

SP_EXPORT int fclose(FILE *file)
{
    int error = errno, fd = sp_here_has(0) ? fileno_unlocked(file) : -1;
    errno = error; /* a FILE need not have one */
    uint64_t entry = sp_conn_entry(fd);
    if (SP_LIKELY(entry == 0) || sp_process_foreign())
        return REAL(fclose)(file);
    struct sp_conn *conn = file_leave(file, fd, entry);
    int result = REAL(fclose)(file);
    if (conn)
        sp_fd_left(conn);
    return result;
}

/* --- a FILE of one call --- */

static int file_print(int fd, const char *format, va_list args)
{
    SP_SENDING(fd, 0, result, REAL(vdprintf)(fd, format, args));
}

static int file_print_checked(int fd, int flag, const char *format, va_list args)
{
    SP_SENDING(fd, 0, result, REAL(__vdprintf_chk)(fd, flag, format, args));
}

SP_EXPORT int vdprintf(int fd, const char *format, va_list args)
{
    return file_print(fd, format, args);
}

SP_EXPORT int __vdprintf_chk(int fd, int flag, const char *format, va_list args)
{
    return file_print_checked(fd, flag, format, args);
}

SP_EXPORT int dprintf(int fd, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int result = file_print(fd, format, args);
    va_end(args);
    return result;
}

SP_EXPORT int __dprintf_chk(int fd, int flag, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int result = file_print_checked(fd, flag, format, args);
    va_end(args);
    return result;
}
