/* answer_start.c - starting the process that gives canned answers. The program that is run must not
 * find a child of its own that it never made, nor an fd that is held open elsewhere: so it is
 * nobody's child, a new image, and has nothing of ours but a pipe to say that it is ready. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/answer.h"
#include "cli/kernel.h"
#include "cli/look.h"
#include "state/process.h"

#define START_READY 3               /* its end of the pipe */
#define START_STAY  (2 * SP_SECOND) /* the program that is run next has joined by then */
#define START_WAIT  3000            /* ms until it should be ready */

static bool start_wanted(struct sp_segment *segment)
{
    uint64_t generation;
    const struct sp_fallback *line;
    struct sp_policy *policy = look_policy(segment, &generation);
    bool wanted = false;
    for (size_t i = 0; policy && (line = sp_policy_fallback(policy, i)) != NULL; i++)
        wanted = wanted || line->kind == SP_FALLBACK_RESPOND;
    free(policy);
    return wanted;
}

static _Noreturn void start_become(const struct sp_segment *segment, const char *self,
                                   const char *command, int ready)
{
    char *const arguments[] = {(char *)(uintptr_t) "shearpin", (char *)(uintptr_t) "answers",
                               (char *)(uintptr_t)segment->path, (char *)(uintptr_t)command, NULL};
    char *const environment[] = {NULL};
    int high = fcntl(ready, F_DUPFD, 10); /* the pipe may stand on one of the first numbers */
    if (high < 0 || dup2(high, START_READY) < 0)
        _exit(1);
    kernel_close_range(START_READY + 1, ~0u);
    int fresh = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; fd++) {
        if (fresh < 0 || dup2(fresh, fd) < 0)
            _exit(1);
    }
    close(fresh);
    if (chdir("/") != 0)
        _exit(1);
    execve(self, arguments, environment);
    _exit(1);
}

static void start_ready(int fd)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};
    while (poll(&one, 1, START_WAIT) < 0 && errno == EINTR)
        continue;
}

static int start_fork(const struct sp_segment *segment)
{
    char self[PATH_MAX], command[24];
    int ready[2];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length <= 0 || pipe2(ready, O_CLOEXEC) != 0)
        return -1;
    self[length] = 0;
    snprintf(command, sizeof command, "%d", (int)getpid());
    pid_t child = fork();
    if (child == 0) {
        setsid();
        pid_t helper = fork();
        if (helper == 0)
            start_become(segment, self, command, ready[1]);
        _exit(helper < 0);
    }
    int status = 1;
    close(ready[1]);
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    if (child > 0 && status == 0)
        start_ready(ready[0]);
    close(ready[0]);
    return child > 0 && status == 0 ? 0 : -1;
}

/* Somebody is at it: another `run` has started one in the same moment. */
static bool start_taken(const struct sp_segment *segment)
{
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = SP_LOCK_REPLY, .l_len = 1};
    int fd = sp_process_reopen(segment);
    bool taken = fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    if (fd >= 0)
        close(fd);
    return taken;
}

int answer_start(struct sp_segment *segment, struct sp_error *error)
{
    if (!start_wanted(segment))
        return 0;
    atomic_store(&segment->head->reply_until, sp_now() + START_STAY);
    if (sp_reply_lives(segment))
        return 0;
    if (!start_taken(segment))
        start_fork(segment);
    for (uint64_t end = sp_now() + START_STAY; sp_now() < end && start_taken(segment);) {
        if (sp_reply_lives(segment))
            return 0;
        look_sleep(5 * SP_MS);
    }
    return sp_error_set(error, errno,
                        "nobody gives the answers of `fallback respond`: the process"
                        " for that did not start");
}
