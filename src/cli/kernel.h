/* kernel.h - calls that libc has no name for before 2.34 and 2.36, so that the command can be built
 * on the hosts where the library runs. */
#ifndef CLI_KERNEL_H
#define CLI_KERNEL_H

#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_close_range /* nor do the headers of older kernels know its number */
#define SYS_close_range 436
#endif

static inline int kernel_pidfd(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

static inline void kernel_close_range(unsigned first, unsigned last)
{
    syscall(SYS_close_range, first, last, 0);
}

#endif
