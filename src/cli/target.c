/* target.c - names in the policy, looked up. */
#include "cli/target.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/clock.h"

#define TARGET_FRESH (60 * SP_SECOND) /* a look-up is not made again so soon */

size_t target_look_up(const char *text, struct sp_addr out[SP_TARGET_ADDRESSES], const char **why)
{
    char host[256];
    const char *colon = strchr(text, ':');
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    size_t count = 0;
    *why = "it is no HOST:PORT";
    if (!colon || (size_t)(colon - text) >= sizeof host)
        return 0;
    snprintf(host, sizeof host, "%.*s", (int)(colon - text), text);
    int result = getaddrinfo(host, colon + 1, &hints, &found);
    *why = result ? gai_strerror(result) : "it has no addresses";
    for (struct addrinfo *a = result ? NULL : found; a && count < SP_TARGET_ADDRESSES;
         a = a->ai_next)
        count += sp_addr_from_sockaddr(a->ai_addr, a->ai_addrlen, &out[count]);
    if (result == 0)
        freeaddrinfo(found);
    return count;
}

bool target_resolve(struct sp_segment *segment, const char *text, uint64_t hash, bool anew,
                    const char **why, bool *known)
{
    struct sp_addr addresses[SP_TARGET_ADDRESSES];
    uint64_t when = 0, now = sp_wall();
    *known = sp_target_get(segment, hash, addresses, &when) > 0;
    if (*known && !anew && when <= now && now - when < TARGET_FRESH)
        return true;
    size_t count = target_look_up(text, addresses, why);
    if (count)
        sp_target_put(segment, text, addresses, count);
    return count > 0;
}
