/* sockets_unix.h - the peers of unix stream sockets, which /proc does not tell. */
#ifndef SHEARPIN_CLI_SOCKETS_UNIX_H
#define SHEARPIN_CLI_SOCKETS_UNIX_H

#include "shearpin/types.h"

/* Every connected stream socket of our network namespace whose peer has a name and which has none
 * itself: that is what connect() makes. */
typedef void sockets_unix_fn(void *context, uint64_t inode, const struct sp_addr *peer);
void sockets_unix(sockets_unix_fn *each, void *context);

#endif
