#include "cli/private.h"

#include <bsd/stdlib.h>
#include <bsd/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/kernel.h"
#include "cli/look.h"
#include "state/process.h"

#define PRIVATE_GRACE                                                          \
    (200 * SP_MS) /* a child between fork and its first call holds no lock yet \
                   */

void private_name(char *out, size_t size)
{
    snprintf(out, size, "private-%d-%08x", (int)getpid(), arc4random());
}

bool private_is(const char *name)
{
    int end = 0;
    return sscanf(name, "private-%*d-%*8[0-9a-f]%n", &end) == 0 && end > 0 && !name[end];
}

static bool private_same(const struct sp_segment *segment, int fd)
{
    struct stat file, place;
    return fstat(fd, &file) == 0 && lstat(segment->path, &place) == 0 &&
           file.st_dev == place.st_dev && file.st_ino == place.st_ino;
}

/* All fds but two are closed: a pipe held open here would keep its reader waiting. */
static void private_close_others(int a, int b)
{
    unsigned low = (unsigned)(a < b ? a : b), high = (unsigned)(a < b ? b : a);
    if (low > 0)
        kernel_close_range(0, low - 1);
    if (high > low + 1)
        kernel_close_range(low + 1, high - 1);
    kernel_close_range(high + 1, ~0u);
}

static void private_help(const struct cli *cli, const struct sp_segment *segment, int command,
                         int lock)
{
    struct pollfd gone = {.fd = command, .events = POLLIN};
    private_close_others(command, lock);
    setproctitle_init(cli->typed_count, cli->typed, environ);
    setproctitle("-shearpin: removes %s when unused", segment->path);
    if (chdir("/") != 0)
        _exit(1);
    while (poll(&gone, 1, -1) < 0 && errno == EINTR)
        continue;
    do {
        if (sp_process_lock(lock, SP_LOCK_LIFE, SP_PROCESSES, true) != 0 && errno != EINTR)
            _exit(1);
        struct flock unlock = {.l_type = F_UNLCK,
                               .l_whence = SEEK_SET,
                               .l_start = SP_LOCK_LIFE,
                               .l_len = SP_PROCESSES};
        fcntl(lock, F_OFD_SETLK, &unlock);
        look_sleep(PRIVATE_GRACE);
    } while (sp_process_lock(lock, SP_LOCK_LIFE, SP_PROCESSES, false) != 0);
    if (private_same(segment, lock))
        unlink(segment->path);
    _exit(0);
}

int private_watch(const struct cli *cli, struct sp_segment *segment, struct sp_error *error)
{
    int command = kernel_pidfd(getpid()), lock = sp_process_reopen(segment);
    pid_t child = command < 0 || lock < 0 ? -1 : fork();
    if (child == 0) {
        setsid();
        pid_t helper = fork();
        if (helper == 0)
            private_help(cli, segment, command, lock);
        _exit(helper < 0);
    }
    int status = 0, code = errno;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    if (command >= 0)
        close(command);
    if (lock >= 0)
        close(lock);
    if (child > 0 && status == 0)
        return 0;
    unlink(segment->path);
    return sp_error_set(error, code, "no helper for a private segment: %s", strerror(code));
}
