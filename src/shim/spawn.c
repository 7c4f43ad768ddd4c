/* spawn.c - programs that are started from here. They inherit fds, and know nothing of our timers:
 * what a connect has left is put back before, and with exec, after which nobody of us is here any
 * more, the alarms of receives as well. A child's exec leaves those to its parent, who needs them.
 */
#include "shim/io.h"

#include <limits.h>
#include <stdarg.h>

static void spawn_alarm(int fd, uint64_t entry)
{
    if (!(sp_conn_flags(sp_conn_at(entry)) & SP_CONN_INHERITED))
        sp_alarm_lift(fd, sp_conn_at(entry));
}

static void spawn_instead(void)
{
    sp_stay_end_all();
    if (SP_UNLIKELY(atomic_load_explicit(&sp_alarm_used, memory_order_relaxed)) &&
        !sp_process_foreign())
        sp_fd_each(0, UINT_MAX, spawn_alarm);
}

SP_EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
    spawn_instead();
    return REAL(execve)(path, argv, envp);
}

SP_EXPORT int execv(const char *path, char *const argv[])
{
    spawn_instead();
    return REAL(execv)(path, argv);
}

SP_EXPORT int execvp(const char *file, char *const argv[])
{
    spawn_instead();
    return REAL(execvp)(file, argv);
}

SP_EXPORT int execvpe(const char *file, char *const argv[], char *const envp[])
{
    spawn_instead();
    return REAL(execvpe)(file, argv, envp);
}

SP_EXPORT int fexecve(int fd, char *const argv[], char *const envp[])
{
    spawn_instead();
    return REAL(fexecve)(fd, argv, envp);
}

SP_EXPORT int execveat(int at, const char *path, char *const argv[], char *const envp[], int flags)
{
    spawn_instead();
    return REAL(execveat)(at, path, argv, envp, flags);
}

/* The arguments that follow `first`, up to NULL, and behind it whatever is left in `rest`. */
#define SPAWN_LIST(first, argv, rest)     \
    va_list rest;                         \
    size_t count = 1;                     \
    va_start(rest, first);                \
    while (va_arg(rest, char *))          \
        count++;                          \
    va_end(rest);                         \
    char *argv[count + 1];                \
    argv[0] = (char *)(uintptr_t)(first); \
    va_start(rest, first);                \
    for (size_t i = 1; i <= count; i++)   \
    argv[i] = va_arg(rest, char *)

SP_EXPORT int execl(const char *path, const char *first, ...)
{
    SPAWN_LIST(first, argv, rest);
    va_end(rest);
    spawn_instead();
    return REAL(execv)(path, argv);
}

SP_EXPORT int execlp(const char *file, const char *first, ...)
{
    SPAWN_LIST(first, argv, rest);
    va_end(rest);
    spawn_instead();
    return REAL(execvp)(file, argv);
}

SP_EXPORT int execle(const char *path, const char *first, ...)
{
    SPAWN_LIST(first, argv, rest);
    char *const *envp = va_arg(rest, char *const *);
    va_end(rest);
    spawn_instead();
    return REAL(execve)(path, argv, envp);
}

/* All four take the same, but for what they call the child by. */
#define SPAWN(name, id)                                                                        \
    SP_EXPORT int name(id *child, const char *what, const posix_spawn_file_actions_t *actions, \
                       const posix_spawnattr_t *attributes, char *const argv[],                \
                       char *const envp[])                                                     \
    {                                                                                          \
        sp_stay_end_all();                                                                     \
        return REAL(name)(child, what, actions, attributes, argv, envp);                       \
    }
SPAWN(posix_spawn, pid_t)
SPAWN(posix_spawnp, pid_t)
SPAWN(pidfd_spawn, int)
SPAWN(pidfd_spawnp, int)

SP_EXPORT int system(const char *command)
{
    sp_stay_end_all();
    return REAL(system)(command);
}

SP_EXPORT FILE *popen(const char *command, const char *mode)
{
    sp_stay_end_all();
    return REAL(popen)(command, mode);
}

/* --- what comes after may be forbidden to put it back --- */

SP_EXPORT int prctl(int option, ...)
{
    unsigned long rest[4];
    va_list args;
    va_start(args, option);
    for (int i = 0; i < 4; i++) /* as libc's own does, whatever was given */
        rest[i] = va_arg(args, unsigned long);
    va_end(args);
    if (option == PR_SET_SECCOMP)
        sp_stay_end_all();
    return REAL(prctl)(option, rest[0], rest[1], rest[2], rest[3]);
}
