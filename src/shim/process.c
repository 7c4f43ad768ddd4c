/* process.c - fork, vfork and raw system calls. */
#include "shim/pin.h"

#include <errno.h>
#include <limits.h>
#include <sys/syscall.h>

#include "shim/loaded.h"
#include "shim/stay.h"

_Thread_local union sp_thread sp_thread;

/* The flag may be the parent's own: it stays up in the parent until somebody asks. Before there are
 * tables nobody notes a fork, but a child of vfork has a parent that waits for it. */
bool sp_process_vforked(void)
{
    if ((uint32_t)getpid() != sp_here.pid && (sp_here_has(0) || (uint32_t)getppid() == sp_here.pid))
        return true;
    sp_thread.vforked = 0;
    return false;
}

const char *sp_process_told;

/* The program may have a copy of the variable, which then is the one that counts. */
const char *sp_process_tell(void)
{
    static const char never;
    const char *told = sp_loaded_any("__libc_single_threaded");
    if (!told)
        told = &never;
    __atomic_store_n(&sp_process_told, told, __ATOMIC_RELAXED);
    return told;
}

SP_EXPORT pid_t fork(void)
{
    sp_stay_end_all();
    pid_t pid = REAL(fork)();
    if (pid != 0)
        return pid;
    sp_thread.vforked = 0;
    if (!sp_here_has(0)) {
        sp_here.pid = (uint32_t)getpid();
    } else if (sp_here_forked()) {
        int error = errno;
        sp_pin_forked();
        sp_rest_forked();
        sp_here_after_fork();
        errno = error;
    }
    return pid;
}

/* --- called by the stubs in assembly --- */

void sp_stub_error(int error);
void sp_stub_error(int error)
{
    errno = error;
}

void sp_stub_vfork(void);
void sp_stub_vfork(void)
{
    sp_stay_end_all();
}

/* A system call by the program's own hand, on an fd, or one that makes a process. */
void sp_stub_stay(long number, long first);
void sp_stub_stay(long number, long first)
{
    switch (number) {
    case SYS_clone:
    case SYS_execve:
    case SYS_execveat:
    case SYS_seccomp: /* afterwards it may be forbidden */
#ifdef SYS_clone3
    case SYS_clone3:
#endif
#ifdef SYS_fork
    case SYS_fork:
    case SYS_vfork:
#endif
        sp_stay_end_all();
        break;
    default:
        if (first >= 0 && first <= INT_MAX && sp_conn_entry((int)first))
            sp_stay_over((int)first, sp_conn_entry((int)first));
    }
}

long sp_stub_close(long number, int fd);
long sp_stub_close(long number, int fd)
{
    uint64_t entry = sp_conn_entry(fd);
    struct sp_conn *conn = entry && !sp_process_foreign() ? sp_fd_leave(fd, entry) : NULL;
    long result = REAL(syscall)(number, fd);
    if (conn)
        sp_fd_left(conn);
    return result;
}
