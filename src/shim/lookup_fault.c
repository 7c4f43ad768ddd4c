/* lookup_fault.c - injected faults on the look-ups of a destination's names. */
#include "shim/answer.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/clock.h"

/* A look-up blocks anyway, and knows no EINTR. */
static void lookup_sleep(uint64_t until)
{
    while (!sp_socket_sleep(until))
        ;
}

int sp_lookup_fault(int dest, uint64_t limit, struct sp_fault_act *act)
{
    struct sp_guards room;
    struct sp_call call;
    int error = errno;
    memset(act, 0, sizeof *act);
    if (dest < 0 || !sp_here_awake() ||
        !sp_here_call(&call, (uint32_t)dest, SP_NO_CONN, sp_now(), &room) ||
        !sp_here_injects(&call))
        return 0;
    sp_here_faults(&call, SP_FAULT_ON_LOOKUP, act);
    bool late = limit && act->delay >= limit;
    if (act->delay)
        lookup_sleep(call.now + (late ? limit : act->delay));
    errno = error;
    return late ? EAI_AGAIN : act->error;
}

int sp_lookup_failure(int error)
{
    return error == EAI_NONAME ? HOST_NOT_FOUND : TRY_AGAIN;
}

/* An IPv4 address is told to who asks for IPv6 as such ones are; not the other way round. */
static void lookup_write(const struct sp_fault_act *act, int family, void *to)
{
    static const uint8_t mapped[12] = {[10] = 0xff, 0xff};
    if (family == AF_INET && act->family == SP_FAMILY_IPV4) {
        memcpy(to, act->ip, 4);
    } else if (family == AF_INET6 && act->family == SP_FAMILY_IPV4) {
        memcpy(to, mapped, sizeof mapped);
        memcpy((uint8_t *)to + sizeof mapped, act->ip, 4);
    } else if (family == AF_INET6) {
        memcpy(to, act->ip, 16);
    }
}

void sp_lookup_wrong_list(const struct sp_fault_act *act, struct addrinfo *list)
{
    for (struct addrinfo *one = list; act->wrong && one; one = one->ai_next) {
        struct sockaddr_in *four = (struct sockaddr_in *)(void *)one->ai_addr;
        struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)one->ai_addr;
        if (one->ai_family == AF_INET)
            lookup_write(act, AF_INET, &four->sin_addr);
        else if (one->ai_family == AF_INET6)
            lookup_write(act, AF_INET6, &six->sin6_addr);
    }
}

void sp_lookup_wrong_host(const struct sp_fault_act *act, const struct hostent *host)
{
    for (char **at = host->h_addr_list; act->wrong && at && *at; at++)
        lookup_write(act, host->h_addrtype, *at);
}
