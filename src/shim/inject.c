/* inject.c - what injected faults make of a connect. */
#include "shim/harm.h"
#include "shim/hold.h"
#include "shim/lowat.h"

#include <errno.h>

/* The full backlog of a unix socket is an error to who does not wait. */
void sp_inject(struct attempt *a, const struct sp_call *call)
{
    struct sp_fault_act act;
    sp_lowat_prepare();
    sp_here_faults(call, SP_FAULT_ON_CONNECT | SP_FAULT_ON_CONNECTION, &act);
    a->delay = act.delay;
    a->fault = act.error;
    a->swallowed = act.swallowed;
    if (act.swallowed && a->local && !a->blocking && !a->fault)
        a->fault = EAGAIN;
    sp_harm_connect(a->conn, &act);
}

static int inject_kernel(const struct attempt *a)
{
    if (a->blocking)
        return sp_connect_blocking(a);
    if (a->fault == 0)
        return REAL(connect)(a->fd, a->address, a->length);
    errno = a->fault;
    return -1;
}

int sp_inject_connect(struct attempt *a)
{
    const struct sockaddr *own = a->address;
    socklen_t length = a->length;
    sp_harm_afresh(a->fd);
    if (a->swallowed && a->local)
        return sp_harm_wait(a);
    if (a->swallowed)
        a->address = sp_harm_nowhere(a->fd, a->address, &a->length);
    int result = inject_kernel(a);
    a->address = own;
    a->length = length;
    return result;
}
