/*
 * early.c - a library whose constructor uses sockets before anybody else's has run, and whose
 * destructor does so after everybody else's. What the constructor saw is in EARLY_SAID.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int dial_early(void)
{
    const char *port = getenv("EARLY_PORT");
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(port ? port : "1")),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    char byte = '?';

    int error = connect(fd, (struct sockaddr *)&to, sizeof to) ? errno : 0;
    if (!error && (send(fd, &byte, 1, 0) != 1 || recv(fd, &byte, 1, 0) != 1))
        error = errno;
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    close(copy);
    syscall(SYS_close, dup(fd));
    close_range((unsigned)fd, (unsigned)fd, 0);
    return error;
}

static int child_early(void)
{
    pid_t child = vfork();
    int status = -1;

    if (child == 0)
        _exit(0);
    waitpid(child, &status, 0);
    return status;
}

__attribute__((constructor)) static void early(void)
{
    int error = dial_early();

    setenv("EARLY_SAID", child_early() ? "vfork failed" : error ? strerrorname_np(error) : "ok", 1);
}

__attribute__((destructor)) static void late(void)
{
    if (dial_early() && getenv("EARLY_MUST"))
        _exit(42);
}
