/*
 * behind.c - a library that stands behind us and counts sends, as another interposer would. It is
 * linked with the older table of hashes, and says which of its functions is meant only when asked.
 */
#include <stddef.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int calls;

int behind_calls(void);
int behind_calls(void)
{
    return calls;
}

static ssize_t send_counted(int fd, const void *buffer, size_t length, int flags)
{
    calls++;
    return syscall(SYS_sendto, fd, buffer, length, flags, NULL, 0);
}

static __attribute__((used)) __typeof__(send) *send_chosen(void)
{
    return send_counted;
}

ssize_t send(int fd, const void *buffer, size_t length, int flags)
    __attribute__((ifunc("send_chosen")));
