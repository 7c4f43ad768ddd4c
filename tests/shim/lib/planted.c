/*
 * planted.c - a library with one mistake, PLANTED=errno|eintr|flag|timer, for the random walk to
 * find: some receives fail with another errno, others go on after signals and then give up,
 * MSG_PEEK is forgotten, the send timer of a connect stays on the socket.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

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
    for (int i = 0; i < 3 && result < 0 && errno == EINTR && planted("eintr"); i++)
        result = real(fd, buffer, length, flags);
    if (result < 0 && errno == EINTR && planted("eintr"))
        errno = EAGAIN;
    if (result < 0 && errno == EAGAIN && planted("errno"))
        errno = ETIMEDOUT;
    return result;
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
    __typeof__(setsockopt) *real = (__typeof__(setsockopt) *)dlsym(RTLD_NEXT, "setsockopt");
    const struct timeval *time = value;

    if (planted("timer") && level == SOL_SOCKET && name == SO_SNDTIMEO && length == sizeof *time &&
        time->tv_sec == 0 && time->tv_usec == 0)
        return 0;
    return real(fd, level, name, value, length);
}
