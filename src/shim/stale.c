/* stale.c - `lookup stale`: the last good addresses of a name serve while its look-ups fail. "No
 * such name" is an answer, and never replaced by an older one. */
#include "shim/answer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/addr.h"
#include "base/clock.h"

static uint8_t stale_family(int family)
{
    return family == AF_INET    ? SP_FAMILY_IPV4
           : family == AF_INET6 ? SP_FAMILY_IPV6
                                : SP_FAMILY_NONE;
}

/* --- keeping --- */

/* An endpoint's siblings are the other addresses of an answer, so `scope endpoint` wants it too. */
static bool stale_wants(int dest)
{
    struct sp_guards room;
    struct sp_call call;
    return dest >= 0 && sp_here_call(&call, (uint32_t)dest, SP_NO_CONN, sp_now(), &room) &&
           (call.guards->lookup_stale || call.guards->breaker.scope == SP_SCOPE_ENDPOINT);
}

/* Each address once, in its order. An address of one link only means nothing without the link. */
static void stale_add(struct sp_answer *answer, const struct sp_addr *address)
{
    bool link = address->family == SP_FAMILY_IPV6 && address->ip[0] == 0xfe &&
                (address->ip[1] & 0xc0) == 0x80;
    if (link || answer->count == SP_ANSWER_MAX)
        return;
    for (uint8_t i = 0; i < answer->count; i++) {
        if (answer->families[i] == address->family &&
            memcmp(answer->ip[i], address->ip, sizeof address->ip) == 0)
            return;
    }
    answer->families[answer->count] = address->family;
    memcpy(answer->ip[answer->count++], address->ip, sizeof address->ip);
}

void sp_stale_keep(int dest, const char *name, int family, const struct addrinfo *list)
{
    struct sp_answer answer;
    struct sp_addr address;
    int error = errno;
    memset(&answer, 0, sizeof answer);
    answer.family = stale_family(family);
    for (const struct addrinfo *one = list; one; one = one->ai_next) {
        if (!sp_addr_from_sockaddr(one->ai_addr, one->ai_addrlen, &address))
            continue;
        if (one == list && !stale_wants(dest) && !stale_wants(sp_here_destination(&address)))
            break;
        stale_add(&answer, &address);
    }
    sp_answer_put(&sp_here.segment, name, &answer, sp_now());
    errno = error;
}

void sp_stale_keep_host(int dest, const char *name, const struct hostent *host)
{
    struct sp_answer answer;
    struct sp_addr address;
    int error = errno;
    memset(&answer, 0, sizeof answer);
    answer.family = stale_family(host->h_addrtype);
    for (char **at = host->h_addr_list; stale_wants(dest) && *at; at++) {
        if (sp_lookup_address(host, *at, &address))
            stale_add(&answer, &address);
    }
    sp_answer_put(&sp_here.segment, name, &answer, sp_now());
    errno = error;
}

/* --- serving --- */

static void stale_event(const struct sp_call *call, const char *name, uint64_t age)
{
    struct sp_event event = {.kind = SP_EVENT_STALE, .a = age};
    memcpy(event.destination, call->dest->name, sizeof event.destination);
    strncpy(event.text, name, sizeof event.text - 1);
    sp_event_write(call->segment, &event);
}

/* The addresses that may serve, those of `family` only; it is counted that they did. */
static bool stale_take(int dest, const char *name, uint8_t family, struct sp_answer *answer)
{
    struct sp_guards room;
    struct sp_call call;
    uint64_t now = sp_now();
    if (dest < 0 || !sp_here_call(&call, (uint32_t)dest, SP_NO_CONN, now, &room) ||
        call.guards->mode != SP_MODE_ENFORCE || call.guards->lookup_stale == 0)
        return false;
    int place = sp_answer_get(call.segment, name, family, answer);
    uint64_t age = place < 0 || now < answer->time ? 0 : now - answer->time;
    if (place < 0 || age > call.guards->lookup_stale)
        return false;
    sp_count(&sp_segment_shard(call.segment, call.dest)->stale, 1);
    if (sp_answer_served(call.segment, place, now))
        stale_event(&call, name, age);
    return true;
}

/* As the resolver writes it for such a hint: IPv4 on IPv6 is mapped. */
static bool stale_text(const struct sp_answer *answer, uint8_t i, bool mapped, char *out,
                       size_t size)
{
    bool four = answer->families[i] == SP_FAMILY_IPV4;
    size_t prefix = four && mapped ? 7 : 0;
    memcpy(out, "::ffff:", prefix);
    return inet_ntop(four ? AF_INET : AF_INET6, answer->ip[i], out + prefix,
                     (socklen_t)(size - prefix)) != NULL;
}

/* One block a node, as libc makes it, and so as freeaddrinfo() gives it back. */
static struct addrinfo **stale_append(struct addrinfo **end, const char *text, const char *service,
                                      const struct addrinfo *like)
{
    struct addrinfo *more = NULL;
    if (REAL(getaddrinfo)(text, service, like, &more) != 0)
        return end;
    *end = more;
    while (*end)
        end = &(*end)->ai_next;
    return end;
}

/* IPv4 is mapped where there is no IPv6, or all is asked for. */
static void stale_unmapped(struct sp_answer *answer, int flags)
{
    uint8_t six = 0;
    if (flags & AI_ALL)
        return;
    for (uint8_t i = 0; i < answer->count; i++) {
        if (answer->families[i] != SP_FAMILY_IPV6)
            continue;
        answer->families[six] = SP_FAMILY_IPV6;
        memmove(answer->ip[six++], answer->ip[i], sizeof *answer->ip);
    }
    if (six > 0)
        answer->count = six;
}

int sp_stale_list(int dest, const char *name, const char *service, const struct addrinfo *hints,
                  struct addrinfo **list, int failure)
{
    struct addrinfo like = {.ai_family = AF_UNSPEC}, *first = NULL, **end = &first;
    struct sp_answer answer;
    char text[INET6_ADDRSTRLEN + 8];
    bool silent = failure == EAI_AGAIN || failure == EAI_FAIL || failure == EAI_SYSTEM;
    int error = errno;
    if (hints)
        like = *hints;
    bool mapped = like.ai_family == AF_INET6 && (like.ai_flags & AI_V4MAPPED);
    if (!silent ||
        !stale_take(dest, name, mapped ? SP_FAMILY_NONE : stale_family(like.ai_family), &answer)) {
        errno = error;
        return failure;
    }
    if (mapped)
        stale_unmapped(&answer, like.ai_flags);
    bool named = like.ai_flags & AI_CANONNAME;
    like.ai_flags = (like.ai_flags & AI_NUMERICSERV) | AI_NUMERICHOST;
    for (uint8_t i = 0; i < answer.count; i++) {
        if (stale_text(&answer, i, mapped, text, sizeof text))
            end = stale_append(end, text, service, &like);
    }
    errno = error;
    if (!first)
        return failure;
    if (named)
        first->ai_canonname = strdup(name);
    *list = first;
    return 0;
}

int sp_stale_host(int dest, const char *name, int family, struct hostent *host, char *buffer,
                  size_t size)
{
    struct sp_answer answer;
    size_t length = strlen(name) + 1, each = family == AF_INET6 ? 16 : 4;
    if (!stale_take(dest, name, stale_family(family), &answer))
        return -1;
    size_t gap = (size_t)(-(uintptr_t)buffer % sizeof(char *));
    size_t pointers = (answer.count + 2u) * sizeof(char *);
    if (size < gap + pointers + answer.count * each + length)
        return ERANGE;
    char **at = (char **)(void *)(buffer + gap), *bytes = buffer + gap + pointers;
    *host = (struct hostent){.h_addrtype = family, .h_length = (int)each, .h_addr_list = at};
    for (uint8_t i = 0; i < answer.count; i++, bytes += each)
        at[i] = memcpy(bytes, answer.ip[i], each);
    at[answer.count] = at[answer.count + 1] = NULL;
    host->h_aliases = &at[answer.count + 1];
    host->h_name = memcpy(bytes, name, length);
    return 0;
}
