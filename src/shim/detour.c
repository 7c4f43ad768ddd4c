/* detour.c - a connect to an address that is out goes to another one of the same name. The kernel
 * is given that address, and getpeername() names it: nothing is pretended. */
#include "shim/shim.h"

#include <netinet/in.h>
#include <string.h>

#include "base/addr.h"

/* A program that has chosen where it connects from has chosen its peer, too. */
static bool detour_bound(int fd)
{
    struct sockaddr_storage own;
    struct sp_addr address;
    static const uint8_t none[16];
    socklen_t length = sizeof own;
    if (getsockname(fd, (struct sockaddr *)(void *)&own, &length) != 0 ||
        !sp_addr_from_sockaddr((const struct sockaddr *)(const void *)&own, length, &address))
        return true;
    return memcmp(address.ip, none, sizeof none) != 0;
}

const struct sockaddr *sp_detour(int fd, struct sp_conn *conn, struct sp_call *call,
                                 const struct sockaddr *address, socklen_t *length,
                                 struct sockaddr_storage *room)
{
    struct sp_addr to;
    if (!sp_addr_from_sockaddr(address, *length, &to))
        return address;
    sp_aim(conn, call, &to);
    bool moves = call->guards->mode == SP_MODE_ENFORCE && !call->guards->pass && call->endpoint;
    if (!moves || !sp_scope_out(call) || detour_bound(fd) || !sp_aim_other(conn, call, &to))
        return address;
    *length = sp_addr_to_family(&to, address->sa_family, room);
    sp_count(&sp_segment_shard(call->segment, call->dest)->detours, 1);
    return (const struct sockaddr *)(const void *)room;
}
