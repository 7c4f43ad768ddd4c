/*
 * planted.c - a library with one mistake, PLANTED=errno|eintr|flag, for the random walk to find:
 * some receives fail with another errno, receives and waits go on after a signal, MSG_PEEK is
 * forgotten.
 */
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static int planted(const char *which)
{
    const char *mistake = getenv("PLANTED");

    return mistake && strcmp(mistake, which) == 0;
}

ssize_t recv(int fd, void *buffer, size_t length, int flags)
{
    __typeof__(recv) *real = (__typeof__(recv) *)dlsym(RTLD_NEXT, "recv");

    if (planted("flag"))
        flags &= ~MSG_PEEK;
    ssize_t result = real(fd, buffer, length, flags);
    if (result < 0 && errno == EINTR && planted("eintr")) /* once */
        result = real(fd, buffer, length, flags);
    if (result < 0 && errno == EAGAIN && planted("errno"))
        errno = ETIMEDOUT;
    return result;
}

int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    __typeof__(poll) *real = (__typeof__(poll) *)dlsym(RTLD_NEXT, "poll");
    int result;

    do
        result = real(fds, count, timeout);
    while (result < 0 && errno == EINTR && timeout > 0 && planted("eintr"));
    return result;
}
