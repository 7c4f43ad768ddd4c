/* spawn.c - programs that are started from here. They inherit fds, and know nothing of our timers:
 * what a connect has left is put back before. */
#include "shim/stay.h"

#include <stdarg.h>

SP_EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
    sp_stay_end_all();
    return REAL(execve)(path, argv, envp);
}

SP_EXPORT int execv(const char *path, char *const argv[])
{
    sp_stay_end_all();
    return REAL(execv)(path, argv);
}

SP_EXPORT int execvp(const char *file, char *const argv[])
{
    sp_stay_end_all();
    return REAL(execvp)(file, argv);
}

SP_EXPORT int execvpe(const char *file, char *const argv[], char *const envp[])
{
    sp_stay_end_all();
    return REAL(execvpe)(file, argv, envp);
}

SP_EXPORT int fexecve(int fd, char *const argv[], char *const envp[])
{
    sp_stay_end_all();
    return REAL(fexecve)(fd, argv, envp);
}

SP_EXPORT int execveat(int at, const char *path, char *const argv[], char *const envp[], int flags)
{
    sp_stay_end_all();
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
    sp_stay_end_all();
    return REAL(execv)(path, argv);
}

SP_EXPORT int execlp(const char *file, const char *first, ...)
{
    SPAWN_LIST(first, argv, rest);
    va_end(rest);
    sp_stay_end_all();
    return REAL(execvp)(file, argv);
}

SP_EXPORT int execle(const char *path, const char *first, ...)
{
    SPAWN_LIST(first, argv, rest);
    char *const *envp = va_arg(rest, char *const *);
    va_end(rest);
    sp_stay_end_all();
    return REAL(execve)(path, argv, envp);
}

SP_EXPORT int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                          const posix_spawnattr_t *attributes, char *const argv[],
                          char *const envp[])
{
    sp_stay_end_all();
    return REAL(posix_spawn)(pid, path, actions, attributes, argv, envp);
}

SP_EXPORT int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                           const posix_spawnattr_t *attributes, char *const argv[],
                           char *const envp[])
{
    sp_stay_end_all();
    return REAL(posix_spawnp)(pid, file, actions, attributes, argv, envp);
}

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
