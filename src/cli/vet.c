#include "cli/vet.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/addr.h"
#include "cli/say.h"

static size_t vet_addresses(const struct arms *arms, uint32_t arm,
                            struct sp_addr out[SP_TARGET_ADDRESSES])
{
    const struct sp_arm_policy *line = &arms->lines[arm];
    if (line->kind == SP_FALLBACK_NAME)
        return sp_target_get(&arms->segment, line->hash, out, NULL);
    out[0] = line->address;
    return 1;
}

const char *vet_address(const struct arms *arms, uint32_t arm, char *out, size_t size)
{
    struct sp_addr addresses[SP_TARGET_ADDRESSES];
    *out = 0;
    if (vet_addresses(arms, arm, addresses) > 0)
        sp_addr_format(&addresses[0], out, size);
    return out;
}

/* --- in the child --- */

static int vet_connect_to(const struct sp_addr *address, uint64_t limit)
{
    struct sockaddr_storage to;
    struct timeval time = {(time_t)(limit / SP_SECOND), (suseconds_t)(limit % SP_SECOND / SP_US)};
    socklen_t length = sp_addr_to_sockaddr(address, &to);
    int fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
    int error = connect(fd, (struct sockaddr *)&to, length) == 0 ? 0 : errno;
    close(fd);
    return error == EINPROGRESS || error == EAGAIN ? ETIMEDOUT : error;
}

/* The exit status is an errno; as for programs, the first address that answers will do. */
static _Noreturn void vet_connect(const struct vet *vet)
{
    struct sp_addr addresses[SP_TARGET_ADDRESSES];
    size_t count = vet_addresses(vet->arms, vet->arm, addresses);
    int error = EADDRNOTAVAIL;
    for (size_t i = 0; i < count && error != 0; i++)
        error = vet_connect_to(&addresses[i], vet->limit);
    _exit(error > 0 && error < 128 ? error : error ? EIO : 0);
}

static _Noreturn void vet_command(const struct vet *vet)
{
    char address[SP_ADDR_TEXT_SIZE];
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        _exit(CLI_NO_FILE);
    dup2(null, STDIN_FILENO);
    dup2(vet->heard ? STDERR_FILENO : null, STDOUT_FILENO);
    if (!vet->heard)
        dup2(null, STDERR_FILENO);
    setenv("SHEARPIN", "off", 1); /* it asks that arm, and is not to be sent to another */
    setenv("SHEARPIN_ARM", vet->arms->lines[vet->arm].name, 1);
    setenv("SHEARPIN_ARM_ADDRESS", vet_address(vet->arms, vet->arm, address, sizeof address), 1);
    execl("/bin/sh", "sh", "-c", vet->command, (char *)NULL);
    _exit(CLI_NO_FILE);
}

static _Noreturn void vet_child(const struct vet *vet)
{
    sigset_t none;
    setpgid(0, 0);
    sigemptyset(&none);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (vet->command)
        vet_command(vet);
    vet_connect(vet);
}

/* --- for who asks --- */

void vet_begin(struct vet *vet, uint64_t now)
{
    fflush(NULL);
    vet->began = now;
    vet->why[0] = 0;
    vet->child = fork();
    if (vet->child == 0)
        vet_child(vet);
    if (vet->child < 0)
        snprintf(vet->why, sizeof vet->why, "it cannot be asked: %s", strerror(errno));
    else
        setpgid(vet->child, vet->child); /* in both, so that it holds whoever is first */
}

static enum vet_answer vet_said(struct vet *vet, int status)
{
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    if (WIFEXITED(status) && code == 0)
        return VET_HEALTHY;
    if (WIFSIGNALED(status))
        snprintf(vet->why, sizeof vet->why, "the check ended with signal %d", WTERMSIG(status));
    else if (vet->command)
        snprintf(vet->why, sizeof vet->why, "the probe ended with status %d", code);
    else if (code == EADDRNOTAVAIL)
        snprintf(vet->why, sizeof vet->why, "its name has not been looked up");
    else
        snprintf(vet->why, sizeof vet->why, "connect: %s", strerror(code));
    return VET_SICK;
}

enum vet_answer vet_end(struct vet *vet, uint64_t now)
{
    int status = 0;
    if (vet->child < 0) {
        vet->child = 0;
        return VET_SICK;
    }
    pid_t ended = waitpid(vet->child, &status, WNOHANG);
    if (ended == vet->child) {
        vet->child = 0;
        return vet_said(vet, status);
    }
    if (now - vet->began < vet->limit + SP_SECOND / 2)
        return VET_WAIT;
    vet_stop(vet);
    snprintf(vet->why, sizeof vet->why, "no answer within %s", SAY_TIME(vet->limit));
    return VET_SICK;
}

void vet_stop(struct vet *vet)
{
    if (vet->child <= 0)
        return;
    kill(-vet->child, SIGKILL);
    while (waitpid(vet->child, NULL, 0) < 0 && errno == EINTR)
        ;
    vet->child = 0;
}
