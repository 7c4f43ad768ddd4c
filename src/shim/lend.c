/* lend.c - sockets that another program gets by a message (SCM_RIGHTS). It knows nothing of our
 * timers, which would end its receives and sends: so they go before it comes, and none comes back;
 * our own receives wait in poll() instead. */
#include "shim/io.h"

#include <errno.h>
#include <string.h>

#define LEND_MOST 8192 /* bytes: 253 fds, the most that the kernel takes, are 1,028 */

_Atomic bool sp_alarm_used;

void sp_rights_each(const void *control, size_t left, void (*what)(int fd))
{
    const char *at = control;
    while (left >= sizeof(struct cmsghdr)) {
        struct cmsghdr c;
        memcpy(&c, at, sizeof c);
        if (c.cmsg_len < sizeof c || c.cmsg_len > left)
            return;
        bool rights = c.cmsg_level == SOL_SOCKET && c.cmsg_type == SCM_RIGHTS;
        for (size_t i = CMSG_LEN(0); rights && i + sizeof(int) <= c.cmsg_len; i += sizeof(int)) {
            int fd;
            memcpy(&fd, at + i, sizeof fd);
            what(fd);
        }
        size_t step = CMSG_ALIGN(c.cmsg_len);
        step = step < left ? step : left;
        at += step;
        left -= step;
    }
}

static void lend_fd(int fd)
{
    uint64_t entry = sp_conn_entry(fd);
    if (entry == 0)
        return;
    sp_conn_mark(sp_conn_at(entry), SP_CONN_LENT, true);
    sp_alarm_lift(fd, sp_conn_at(entry));
    sp_stay_over(fd, entry);
}

/* What the kernel will refuse is left to it. */
static void lend_header(const struct msghdr *message)
{
    size_t length = message->msg_controllen;
    if (length >= sizeof(struct cmsghdr) && length <= LEND_MOST &&
        sp_socket_readable(message->msg_control, length))
        sp_rights_each(message->msg_control, length, lend_fd);
}

void sp_lend(const void *messages, unsigned count, size_t size)
{
    int error = errno;
    if (sp_process_foreign())
        return;
    for (unsigned i = 0; i < count && i < 1024; i++) {
        const char *at = (const char *)messages + i * size;
        struct msghdr header;
        if (!sp_socket_readable(at, sizeof header))
            break;
        memcpy(&header, at, sizeof header);
        if (header.msg_controllen)
            lend_header(&header);
    }
    errno = error;
}
