/* lookup.c - the program's own look-ups tell which names its addresses have. libc's resolver talks
 * to its servers without us, so a deadline can only be asked of it: in whole seconds, for this
 * thread. */
#include "shim/answer.h"

#include <errno.h>
#include <netinet/in.h>
#include <resolv.h>
#include <string.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/digits.h"

static bool lookup_is_name(const char *name)
{
    uint8_t ip[16];
    bool mapped;
    return name && *name && sp_addr_parse_ip(name, strlen(name), ip, &mapped) == SP_FAMILY_NONE;
}

/* --- one look-up: within its deadline, counted --- */

struct lookup {
    int dest; /* -1: not guarded */
    uint64_t began;
    uint64_t limit;        /* ns; 0: none */
    int retrans, attempts; /* of the resolver, as the program had them */
    bool retries;
    struct sp_retry retry;
    struct sp_fault_act act; /* of the last try */
};

static uint16_t lookup_port(const char *service)
{
    uint64_t port;
    return service && sp_digits(service, &port) && port <= UINT16_MAX ? (uint16_t)port : 0;
}

/* The resolver counts whole seconds, and shares them among its servers. */
static void lookup_bound(struct lookup *l)
{
    if (!(_res.options & RES_INIT) && res_init() != 0) {
        l->limit = 0;
        return;
    }
    int servers = _res.nscount > 0 ? _res.nscount : 1;
    uint64_t seconds = l->limit / SP_SECOND / (uint64_t)servers;
    l->retrans = _res.retrans;
    l->attempts = _res.retry;
    _res.retrans = seconds > 1 ? seconds < 30 ? (int)seconds : 30 : 1;
    _res.retry = 1;
}

static void lookup_until(struct lookup *l, uint64_t end)
{
    if (end < l->retry.until)
        l->retry.until = end;
    if (sp_here.deadline < l->retry.until)
        l->retry.until = sp_here.deadline;
}

static bool lookup_retries(const struct sp_guards *guards)
{
    bool named = false;
    for (size_t i = 0; i < SP_RETRY_LINES; i++)
        named = named || (guards->retry[i].tries && (guards->retry[i].on >> SP_OUTCOME_LOOKUP & 1));
    return named && guards->mode == SP_MODE_ENFORCE;
}

static bool lookup_guarded(const char *name)
{
    return sp_shim_on() && lookup_is_name(name) && sp_shim_ready();
}

static void lookup_begin(struct lookup *l, const char *name, uint16_t port)
{
    struct sp_guards room;
    struct sp_call call;
    int error = errno;
    *l = (struct lookup){.dest = -1};
    if (!lookup_guarded(name))
        return;
    l->dest = sp_here_route_name(name, port);
    l->began = sp_now();
    if (l->dest >= 0 && sp_here_call(&call, (uint32_t)l->dest, SP_NO_CONN, l->began, &room) &&
        call.guards->mode == SP_MODE_ENFORCE) {
        l->limit = call.guards->deadline[SP_DEADLINE_LOOKUP];
        l->retries = lookup_retries(call.guards);
    }
    if (l->retries) {
        sp_retry_call(&call);
        sp_retry_begin(&call, &l->retry, l->began);
        lookup_until(l, l->limit ? l->began + l->limit : SP_NEVER);
    }
    if (l->limit)
        lookup_bound(l);
    errno = error;
}

/* A failed look-up is an outcome of the destination that it was for. */
static void lookup_failed(const struct lookup *l, uint64_t now)
{
    struct sp_guards room;
    struct sp_call call;
    sp_here_call(&call, (uint32_t)l->dest, SP_NO_CONN, now, &room);
    if (!call.dest)
        return;
    struct sp_permit permit = {
        .kind = SP_PERMIT_CALL,
        .epoch = sp_breaker_unpack(atomic_load(&call.dest->cell.word)).epoch,
    };
    sp_order_settle(&call, &permit, true, SP_OUTCOME_LOOKUP, now - l->began);
    if (l->limit && now - l->began >= l->limit)
        sp_count(&sp_segment_shard(&sp_here.segment, call.dest)->expired[SP_DEADLINE_LOOKUP], 1);
}

/* Sleeps until the next try, which has what is left of the time. The call blocks anyway. */
static bool lookup_pauses(struct lookup *l, bool failed)
{
    struct sp_guards room;
    struct sp_call call;
    uint64_t at;
    if (!sp_here_awake() || !sp_here_call(&call, (uint32_t)l->dest, SP_NO_CONN, sp_now(), &room))
        return false;
    if (!failed)
        sp_retry_succeeded(&call, &l->retry);
    if (!failed || !sp_retry_next(&call, &l->retry, SP_OUTCOME_LOOKUP, &at) || !sp_socket_sleep(at))
        return false;
    uint64_t now = sp_now(), end = l->began + l->limit;
    if (l->limit)
        l->limit = end > now ? end - now : 1;
    l->began = now;
    if (l->limit)
        lookup_bound(l);
    return true;
}

/* True: what `may_pass` is looked up once more. */
static bool lookup_end(struct lookup *l, bool failed, bool may_pass)
{
    int error = errno, failure = h_errno;
    if (l->limit) {
        _res.retrans = l->retrans;
        _res.retry = l->attempts;
    }
    if (failed && l->dest >= 0)
        lookup_failed(l, sp_now());
    bool again = l->retries && (may_pass || !failed) && lookup_pauses(l, failed);
    h_errno = failure;
    errno = error;
    return again;
}

static void lookup_learn(const char *name, const struct addrinfo *found)
{
    int error = errno;
    for (const struct addrinfo *one = found; one; one = one->ai_next) {
        struct sp_addr address;
        if (sp_addr_from_sockaddr(one->ai_addr, one->ai_addrlen, &address))
            sp_names_learn(name, &address);
    }
    errno = error;
}

SP_EXPORT int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                          struct addrinfo **found)
{
    struct lookup lookup;
    lookup_begin(&lookup, name, lookup_port(service));
    int result;
    do {
        result = sp_lookup_fault(lookup.dest, lookup.limit, &lookup.act);
        if (SP_LIKELY(result == 0))
            result = REAL(getaddrinfo)(name, service, hints, found);
    } while (lookup_end(&lookup, result != 0, result == EAI_AGAIN));
    if (!lookup_guarded(name))
        return result;
    if (result == 0 && SP_UNLIKELY(lookup.act.wrong))
        sp_lookup_wrong_list(&lookup.act, *found);
    else if (result == 0)
        sp_stale_keep(lookup.dest, name, hints ? hints->ai_family : AF_UNSPEC, *found);
    else
        result = sp_stale_list(lookup.dest, name, service, hints, found, result);
    if (result == 0) {
        lookup_learn(name, *found);
        sp_rank_list(lookup.dest, found);
    }
    return result;
}

/* --- the older calls --- */

bool sp_lookup_address(const struct hostent *host, const char *at, struct sp_addr *address)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (host->h_addrtype == AF_INET) {
        memcpy(&v4.sin_addr, at, sizeof v4.sin_addr);
        return sp_addr_from_sockaddr((const struct sockaddr *)(const void *)&v4, sizeof v4,
                                     address);
    }
    memcpy(&v6.sin6_addr, at, sizeof v6.sin6_addr);
    return sp_addr_from_sockaddr((const struct sockaddr *)(const void *)&v6, sizeof v6, address);
}

/* `fresh`: it is an answer, and not one of earlier that serves instead. */
static void lookup_host(const struct lookup *l, const char *name, struct hostent *host, bool fresh)
{
    int error = errno;
    struct sp_addr address;
    if (host && fresh && SP_UNLIKELY(l->act.wrong))
        sp_lookup_wrong_host(&l->act, host);
    if (!host || !lookup_guarded(name))
        return;
    for (char **at = host->h_addr_list; at && *at; at++) {
        if (sp_lookup_address(host, *at, &address))
            sp_names_learn(name, &address);
    }
    if (fresh && !l->act.wrong)
        sp_stale_keep_host(l->dest, name, host);
    sp_rank_host(l->dest, host);
    errno = error;
}

/* What libc's own buffer for these calls is; like it, one for all threads. */
static struct hostent lookup_static;
static char lookup_buffer[1024];

static bool lookup_silent(int failure)
{
    return failure == TRY_AGAIN || failure == NO_RECOVERY;
}

/* Does this try fail by an injected fault? Then it says so as libc does. */
static bool lookup_struck(struct lookup *l, int *failure)
{
    int error = sp_lookup_fault(l->dest, l->limit, &l->act);
    if (SP_UNLIKELY(error != 0))
        *failure = sp_lookup_failure(error);
    return error != 0;
}

/* The name as libc's static answer, or NULL. */
static struct hostent *lookup_again(const struct lookup *l, const char *name, int family)
{
    int failure = h_errno, error = errno;
    struct hostent *host = NULL;
    if (lookup_silent(failure) && l->dest >= 0 &&
        sp_stale_host(l->dest, name, family, &lookup_static, lookup_buffer, sizeof lookup_buffer) ==
            0)
        host = &lookup_static;
    h_errno = failure;
    errno = error;
    return host;
}

/* The same in a caller's buffer: what the call returns. */
static int lookup_again_r(const struct lookup *l, const char *name, int family,
                          struct hostent *host, char *buffer, size_t size, struct hostent **found,
                          int *failure, int result)
{
    if (*found || result == ERANGE || !lookup_silent(*failure) || l->dest < 0)
        return result;
    int filled = sp_stale_host(l->dest, name, family, host, buffer, size);
    if (filled == 0)
        *found = host;
    if (filled == ERANGE)
        *failure = NETDB_INTERNAL;
    return filled < 0 ? result : filled;
}

SP_EXPORT struct hostent *gethostbyname(const char *name)
{
    struct lookup lookup;
    lookup_begin(&lookup, name, 0);
    struct hostent *host;
    do {
        host = lookup_struck(&lookup, &h_errno) ? NULL : REAL(gethostbyname)(name);
    } while (lookup_end(&lookup, !host, h_errno == TRY_AGAIN));
    bool fresh = host != NULL;
    if (!fresh)
        host = lookup_again(&lookup, name, AF_INET);
    lookup_host(&lookup, name, host, fresh);
    return host;
}

SP_EXPORT struct hostent *gethostbyname2(const char *name, int family)
{
    struct lookup lookup;
    lookup_begin(&lookup, name, 0);
    struct hostent *host;
    do {
        host = lookup_struck(&lookup, &h_errno) ? NULL : REAL(gethostbyname2)(name, family);
    } while (lookup_end(&lookup, !host, h_errno == TRY_AGAIN));
    bool fresh = host != NULL;
    if (!fresh)
        host = lookup_again(&lookup, name, family);
    lookup_host(&lookup, name, host, fresh);
    return host;
}

SP_EXPORT int gethostbyname_r(const char *name, struct hostent *host, char *buffer, size_t size,
                              struct hostent **found, int *failure)
{
    struct lookup lookup;
    lookup_begin(&lookup, name, 0);
    int result;
    bool failed;
    do {
        *found = NULL;
        result = lookup_struck(&lookup, failure)
                     ? 0
                     : REAL(gethostbyname_r)(name, host, buffer, size, found, failure);
        failed = result != ERANGE && (result != 0 || !*found);
    } while (lookup_end(&lookup, failed, *failure == TRY_AGAIN));
    bool fresh = *found != NULL;
    result = lookup_again_r(&lookup, name, AF_INET, host, buffer, size, found, failure, result);
    if (result == 0)
        lookup_host(&lookup, name, *found, fresh);
    return result;
}

SP_EXPORT int gethostbyname2_r(const char *name, int family, struct hostent *host, char *buffer,
                               size_t size, struct hostent **found, int *failure)
{
    struct lookup lookup;
    lookup_begin(&lookup, name, 0);
    int result;
    bool failed;
    do {
        *found = NULL;
        result = lookup_struck(&lookup, failure)
                     ? 0
                     : REAL(gethostbyname2_r)(name, family, host, buffer, size, found, failure);
        failed = result != ERANGE && (result != 0 || !*found);
    } while (lookup_end(&lookup, failed, *failure == TRY_AGAIN));
    bool fresh = *found != NULL;
    result = lookup_again_r(&lookup, name, family, host, buffer, size, found, failure, result);
    if (result == 0)
        lookup_host(&lookup, name, *found, fresh);
    return result;
}
