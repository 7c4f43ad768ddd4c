/* divert.h - the addresses that a connect may go to instead (divert.c). */
#ifndef SHEARPIN_SHIM_DIVERT_H
#define SHEARPIN_SHIM_DIVERT_H

#include "shim/shim.h"

/* Zero-initialise; then each sp_divert_next() fills in the next address, in the family of the
 * socket. False: there is none left that such a socket can be connected to. */
struct sp_divert {
    uint32_t nth; /* the line behind the one that is used */
    uint32_t at;  /* of its addresses, the one behind the one that is used */
    uint32_t count;
    struct sp_fallback line;
    struct sp_addr addresses[SP_TARGET_ADDRESSES];
    struct sockaddr_storage to;
    socklen_t length;
};
/* One address as a socket of this family takes it; 0: it cannot go there. */
socklen_t sp_divert_address(int fd, int family, const struct sp_addr *address,
                            struct sockaddr_storage *out);
bool sp_divert_next(struct sp_divert *divert, int fd, const struct sp_call *call,
                    enum sp_when when);
/* The address behind the first `skip`. */
bool sp_divert_behind(struct sp_divert *divert, uint32_t skip, int fd, const struct sp_call *call,
                      enum sp_when when);

#endif
