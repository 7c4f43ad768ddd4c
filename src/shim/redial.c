/* redial.c - what comes after a try that failed. The program sees one connect. */
#include "shim/redial.h"

#include <errno.h>

#include "base/clock.h"

/* The guards as they are by now. An observed connection of `enforce N%` is never tried again. */
static bool dial_call(const struct sp_dial *dial, struct sp_call *call, struct sp_guards *room)
{
    if (!sp_here_call(call, dial->dest, SP_NO_CONN, sp_now(), room))
        return false;
    uint32_t share = call->guards->share;
    if (share != 0 && dial->drawn && !sp_share_enforces(dial->drawn - 1, share)) {
        sp_here_own(call, room);
        room->mode = SP_MODE_OBSERVE;
    }
    return true;
}

void sp_dial_begin(struct sp_dial *dial, uint64_t began, uint64_t own)
{
    struct sp_guards room;
    struct sp_call call;
    dial_call(dial, &call, &room);
    sp_retry_begin(&call, &dial->retry, began);
    if (own < dial->retry.until)
        dial->retry.until = own;
    if (sp_here.deadline < dial->retry.until)
        dial->retry.until = sp_here.deadline;
}

enum sp_next sp_dial_next(struct sp_dial *dial, int error, uint64_t *at)
{
    struct sp_guards room;
    struct sp_call call;
    dial->error = error;
    if (!dial_call(dial, &call, &room))
        return SP_NEXT_NONE;
    return sp_retry_next(&call, &dial->retry, sp_socket_outcome(error, true), at) ? SP_NEXT_AGAIN
                                                                                  : SP_NEXT_NONE;
}

void sp_dial_refused(struct sp_dial *dial)
{
    struct sp_guards room;
    struct sp_call call;
    if (dial_call(dial, &call, &room))
        sp_retry_refused(&call, &dial->retry);
}

void sp_dial_succeeded(const struct sp_dial *dial)
{
    struct sp_guards room;
    struct sp_call call;
    if (dial->retry.tries > 0 && dial_call(dial, &call, &room))
        sp_retry_succeeded(&call, &dial->retry);
}

bool sp_dial_clear(const struct sp_dial *dial, int fd)
{
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    int error;
    socklen_t length = sizeof error;
    if (dial->cookie == 0 || sp_socket_cookie(fd) != dial->cookie)
        return false;
    if (dial->local)
        return true;
    if (REAL(connect)(fd, &none, sizeof none) != 0)
        return false;
    REAL(getsockopt)(fd, SOL_SOCKET, SO_ERROR, &error, &length); /* what the blow has left there */
    return true;
}
