/* lookup.c - the program's own look-ups tell which names its addresses have. */
#include "shim/shim.h"

#include <errno.h>
#include <string.h>

#include "base/addr.h"

static bool lookup_is_name(const char *name)
{
    uint8_t ip[16];
    bool mapped;
    return name && *name && sp_addr_parse_ip(name, strlen(name), ip, &mapped) == SP_FAMILY_NONE;
}

SP_EXPORT int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                          struct addrinfo **found)
{
    int result = REAL(getaddrinfo)(name, service, hints, found);
    if (result != 0 || !sp_here_awake() || !lookup_is_name(name) || sp_process_foreign())
        return result;
    int error = errno;
    for (const struct addrinfo *one = *found; one; one = one->ai_next) {
        struct sp_addr address;
        if (sp_addr_from_sockaddr(one->ai_addr, one->ai_addrlen, &address))
            sp_names_learn(name, &address);
    }
    errno = error;
    return result;
}

static void lookup_host(const char *name, const struct hostent *host)
{
    int error = errno;
    if (!host || !sp_here_awake() || !lookup_is_name(name) || sp_process_foreign())
        return;
    for (char **at = host->h_addr_list; at && *at; at++) {
        struct sockaddr_in v4 = {.sin_family = AF_INET};
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
        bool four = host->h_addrtype == AF_INET;
        struct sp_addr address;
        if (four)
            memcpy(&v4.sin_addr, *at, sizeof v4.sin_addr);
        else
            memcpy(&v6.sin6_addr, *at, sizeof v6.sin6_addr);
        const struct sockaddr *one = four ? (const struct sockaddr *)(const void *)&v4
                                          : (const struct sockaddr *)(const void *)&v6;
        if (sp_addr_from_sockaddr(one, four ? sizeof v4 : sizeof v6, &address))
            sp_names_learn(name, &address);
    }
    errno = error;
}

SP_EXPORT struct hostent *gethostbyname(const char *name)
{
    struct hostent *host = REAL(gethostbyname)(name);
    lookup_host(name, host);
    return host;
}

SP_EXPORT struct hostent *gethostbyname2(const char *name, int family)
{
    struct hostent *host = REAL(gethostbyname2)(name, family);
    lookup_host(name, host);
    return host;
}

SP_EXPORT int gethostbyname_r(const char *name, struct hostent *host, char *buffer, size_t size,
                              struct hostent **found, int *failure)
{
    int result = REAL(gethostbyname_r)(name, host, buffer, size, found, failure);
    if (result == 0)
        lookup_host(name, *found);
    return result;
}

SP_EXPORT int gethostbyname2_r(const char *name, int family, struct hostent *host, char *buffer,
                               size_t size, struct hostent **found, int *failure)
{
    int result = REAL(gethostbyname2_r)(name, family, host, buffer, size, found, failure);
    if (result == 0)
        lookup_host(name, *found);
    return result;
}
