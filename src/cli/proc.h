/* proc.h - /proc: what the kernel says of a process. */
#ifndef SHEARPIN_CLI_PROC_H
#define SHEARPIN_CLI_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

bool proc_exe(pid_t pid, char *out, size_t size); /* false: no such process, or a kernel thread */
bool proc_command(pid_t pid, char *out, size_t size);
uid_t proc_uid(pid_t pid); /* the real ones: what ld.so compares with */
gid_t proc_gid(pid_t pid);
uint64_t proc_namespace(pid_t pid, const char *kind); /* 0: not known */
uint64_t proc_socket(pid_t pid, int fd);              /* its inode; 0: it is no socket */
/* A variable as it was at exec. */
bool proc_environment(pid_t pid, const char *name, char *out, size_t size);

struct proc_list {
    pid_t *pids;
    size_t count;
};
/* Where there is no memory the list stays as it is. Free list->pids. */
void proc_add(struct proc_list *list, pid_t pid);
/* Children, and theirs. */
void proc_descendants(struct proc_list *list, pid_t pid);

#endif
