/* rank.c - programs try the addresses of a name from the first on: what is out goes to the end. The
 * nodes stay, only their links change: glibc's freeaddrinfo() gives back one by one. */
#include "shim/answer.h"

#include <string.h>

#include "base/addr.h"
#include "base/clock.h"

/* Addresses of one answer, most of them of one destination. */
struct rank {
    int named; /* the destination of the name */
    int dest;
    bool scoped; /* it has a breaker for each address, and is enforced */
    struct sp_call call;
    struct sp_guards room;
    struct sp_addr last; /* each comes several times, once a type of socket */
    bool out;
};

static void rank_dest(struct rank *rank, int dest)
{
    const struct sp_guards *g;
    if (dest == rank->dest)
        return;
    rank->dest = dest;
    rank->scoped = dest >= 0 &&
                   sp_here_call(&rank->call, (uint32_t)dest, SP_NO_CONN, sp_now(), &rank->room) &&
                   (g = rank->call.guards)->breaker.scope == SP_SCOPE_ENDPOINT &&
                   g->mode == SP_MODE_ENFORCE && g->share == 0 && !g->pass;
}

/* A port that is not known yet says nothing about rules with ports: then the name decides. */
static bool rank_out(struct rank *rank, const struct sp_addr *address)
{
    if (sp_addr_equal(address, &rank->last))
        return rank->out;
    rank->last = *address;
    rank_dest(rank, address->port ? sp_here_destination(address) : rank->named);
    rank->out = rank->scoped && sp_aim_out(&rank->call, address);
    return rank->out;
}

void sp_rank_list(int dest, struct addrinfo **list)
{
    struct rank rank = {.named = dest, .dest = -1};
    struct addrinfo *in = NULL, *out = NULL, **in_end = &in, **out_end = &out, *first = *list;
    for (struct addrinfo *one = first; one; one = one->ai_next) {
        struct sp_addr address;
        struct addrinfo ***end = sp_addr_from_sockaddr(one->ai_addr, one->ai_addrlen, &address) &&
                                         rank_out(&rank, &address)
                                     ? &out_end
                                     : &in_end;
        **end = one;
        *end = &one->ai_next;
    }
    *out_end = NULL;
    *in_end = out;
    *list = in;
    if (in != first) { /* the name stands in the first node */
        char *name = first->ai_canonname;
        first->ai_canonname = in->ai_canonname;
        in->ai_canonname = name;
    }
}

/* The addresses themselves stay where they are. */
void sp_rank_host(int dest, struct hostent *host)
{
    struct rank rank = {.named = dest, .dest = -1};
    size_t in = 0;
    for (size_t i = 0; host->h_addr_list[i]; i++) {
        struct sp_addr address;
        char *at = host->h_addr_list[i];
        if (sp_lookup_address(host, at, &address) && rank_out(&rank, &address))
            continue;
        memmove(&host->h_addr_list[in + 1], &host->h_addr_list[in],
                (i - in) * sizeof *host->h_addr_list);
        host->h_addr_list[in++] = at;
    }
}
