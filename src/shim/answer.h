/* answer.h - what becomes of the answer to a look-up, and what serves instead of one. `dest` is the
 * destination of the name, -1: none. */
#ifndef SHEARPIN_SHIM_ANSWER_H
#define SHEARPIN_SHIM_ANSWER_H

#include "shim/shim.h"

/* One of a host's addresses. (lookup.c) */
bool sp_lookup_address(const struct hostent *host, const char *at, struct sp_addr *address);

/* What injected faults make of one try, which may take at most `limit` (0: any time): 0, or the
 * EAI_* that it fails with; the same as an h_errno. (lookup_fault.c) */
int sp_lookup_fault(int dest, uint64_t limit, struct sp_fault_act *act);
int sp_lookup_failure(int error);
/* And of its answer. */
void sp_lookup_wrong_list(const struct sp_fault_act *act, struct addrinfo *list);
void sp_lookup_wrong_host(const struct sp_fault_act *act, const struct hostent *host);

/* Addresses that are out stand behind all others. (rank.c) */
void sp_rank_list(int dest, struct addrinfo **list);
void sp_rank_host(int dest, struct hostent *host);

/* Keeps a good answer to a look-up for `family`, where the policy has a use for it. (stale.c) */
void sp_stale_keep(int dest, const char *name, int family, const struct addrinfo *list);
void sp_stale_keep_host(int dest, const char *name, const struct hostent *host);

/* A look-up has failed, for a reason that is no answer: the last good addresses serve, if the
 * policy says so and they are not too old. Returns 0, or the failure as it was. */
int sp_stale_list(int dest, const char *name, const char *service, const struct addrinfo *hints,
                  struct addrinfo **list, int failure);
/* The same into a caller's buffer. ERANGE: it is too small. -1: there is nothing. */
int sp_stale_host(int dest, const char *name, int family, struct hostent *host, char *buffer,
                  size_t size);

#endif
