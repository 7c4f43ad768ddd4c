/* divert.c - where a connect can go instead: the lines `fallback` of its destination, one address
 * after the other. The socket stays what it is, so an address must be one of its kind. */
#include "shim/divert.h"

#include <errno.h>
#include <netinet/in.h>

#include "base/addr.h"

_Static_assert(SP_REPLY_ADDRESSES <= SP_TARGET_ADDRESSES, "an answer is had at few addresses");

/* What a line means by now: the address itself, or what its name was looked up as. */
static size_t divert_addresses(struct sp_divert *divert, const struct sp_call *call)
{
    switch (divert->line.kind) {
    case SP_FALLBACK_ADDRESS:
        divert->addresses[0] = divert->line.address;
        return 1;
    case SP_FALLBACK_NAME:
        return sp_target_get(call->segment, divert->line.hash, divert->addresses, NULL);
    case SP_FALLBACK_RESPOND:
        return sp_reply_get(call->segment, call->index, divert->addresses);
    default:
        return 0;
    }
}

static int divert_option(int fd, int level, int option)
{
    int value = 0, error = errno;
    socklen_t length = sizeof value;
    if (REAL(getsockopt)(fd, level, option, &value, &length) != 0)
        value = -1;
    errno = error;
    return value;
}

socklen_t sp_divert_address(int fd, int family, const struct sp_addr *address,
                            struct sockaddr_storage *out)
{
    bool mapped = family == AF_INET6 && address->family == SP_FAMILY_IPV4;
    socklen_t length = sp_addr_to_family(address, family, out);
    return mapped && divert_option(fd, IPPROTO_IPV6, IPV6_V6ONLY) != 0 ? 0 : length;
}

/* As the socket takes it. False: such a socket cannot go there. */
static bool divert_fits(struct sp_divert *divert, int fd, const struct sp_addr *address)
{
    int family = divert_option(fd, SOL_SOCKET, SO_DOMAIN);
    divert->length = sp_divert_address(fd, family, address, &divert->to);
    return divert->length > 0;
}

bool sp_divert_next(struct sp_divert *divert, int fd, const struct sp_call *call, enum sp_when when)
{
    for (;;) {
        while (divert->at < divert->count) {
            if (divert_fits(divert, fd, &divert->addresses[divert->at++]))
                return true;
        }
        if (!sp_fallback_next(call, when, &divert->nth, &divert->line))
            return false;
        divert->at = 0;
        divert->count = (uint32_t)divert_addresses(divert, call);
    }
}

bool sp_divert_behind(struct sp_divert *divert, uint32_t skip, int fd, const struct sp_call *call,
                      enum sp_when when)
{
    for (uint32_t i = 0; i < skip; i++) {
        if (!sp_divert_next(divert, fd, call, when))
            return false;
    }
    return sp_divert_next(divert, fd, call, when);
}
