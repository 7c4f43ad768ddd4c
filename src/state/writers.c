/* writers.c - one at a time puts a policy, shares or an experiment in force. The lock is the
 * file's, so whoever dies has unlocked. */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "state/process.h"

#define WRITERS_PAUSE    (2 * SP_MS)
#define WRITERS_PATIENCE (5 * SP_SECOND)

static int writers_wait(int fd)
{
    const struct timespec pause = {.tv_nsec = WRITERS_PAUSE};
    uint64_t until = sp_now() + WRITERS_PATIENCE;
    int result;
    while ((result = sp_process_lock(fd, SP_LOCK_APPLY, 1, false)) != 0 &&
           (errno == EAGAIN || errno == EACCES) && sp_now() < until)
        nanosleep(&pause, NULL);
    return result;
}

int sp_process_lock_writers(const struct sp_segment *segment, struct sp_error *error)
{
    int fd = sp_process_reopen(segment);
    if (fd < 0)
        return sp_error_set(error, errno,
                            "%s is gone or another file stands in its place; "
                            "programs that use it go on under their last policy",
                            segment->path);
    if (writers_wait(fd) == 0)
        return fd;
    int code = errno;
    close(fd);
    if (code != EAGAIN && code != EACCES)
        return sp_error_set(error, code, "%s cannot be locked: %s", segment->path, strerror(code));
    return sp_error_set(
        error, EAGAIN,
        "%s has been locked by another reload, shift or chaos start for 5s; if it "
        "was stopped (STAT T in `ps -C shearpin -o pid,stat,args`), let it go on or "
        "kill it",
        segment->path);
}
