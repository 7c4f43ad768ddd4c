#include "shim/kind.h"

#include <errno.h>

uint8_t sp_kind_ask(int fd)
{
    uint8_t kind = sp_kind_of(fd);
    int type = 0, error = errno;
    socklen_t length = sizeof type;
    if (kind)
        return kind;
    int flags = REAL(fcntl)(fd, F_GETFL);
    if (flags >= 0 && REAL(getsockopt)(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0)
        kind = SP_KIND_KNOWN;
    if (kind && type == SOCK_STREAM)
        kind |= SP_KIND_STREAM;
    if (kind && (flags & O_NONBLOCK))
        kind |= SP_KIND_NONBLOCK;
    errno = error;
    return kind;
}

/* Behind the first three numbers are FILEs from the start: what they send is not seen (stay.h). Of
 * protocols other than the usual ones nothing is taken for known. */
SP_EXPORT SP_HOT int socket(int domain, int type, int protocol)
{
    if ((domain == AF_INET || domain == AF_INET6 || domain == AF_UNIX) && sp_loose(SP_FAULT_ON_FD))
        return -1;
    int fd = sp_fd_fresh(REAL(socket)(domain, type, protocol));
    bool stream = (type & 0xf) == SOCK_STREAM;
    bool usual = protocol == 0 || protocol == IPPROTO_TCP;
    if (fd > STDERR_FILENO && usual && sp_here_awake() && (sp_here_has(0) || stream) &&
        !sp_process_foreign() && sp_shim_ready())
        sp_kind_set(fd, SP_KIND_KNOWN | (stream ? SP_KIND_STREAM : 0) |
                            (type & SOCK_NONBLOCK ? SP_KIND_NONBLOCK : 0));
    return fd;
}
