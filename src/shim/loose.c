/* loose.c - faults on calls that belong to no destination: on new fds and on waits. */
#include "shim/shim.h"

#include <errno.h>

bool sp_loose_strikes(uint8_t stage)
{
    int saved = errno;
    int error = sp_shim_on() ? sp_here_fault_loose(stage) : 0;
    errno = error ? error : saved;
    return error != 0;
}
