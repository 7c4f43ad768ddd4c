#include "cli/proc.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *proc_path(char out[64], pid_t pid, const char *file)
{
    snprintf(out, 64, "/proc/%d/%s", (int)pid, file);
    return out;
}

bool proc_exe(pid_t pid, char *out, size_t size)
{
    char path[64];
    ssize_t length = readlink(proc_path(path, pid, "exe"), out, size - 1);
    if (length <= 0)
        return false;
    out[length] = 0;
    return true;
}

bool proc_command(pid_t pid, char *out, size_t size)
{
    char path[64];
    FILE *file = fopen(proc_path(path, pid, "comm"), "re");
    bool got = file && fgets(out, (int)size, file);
    if (file)
        fclose(file);
    if (got)
        out[strcspn(out, "\n")] = 0;
    return got;
}

/* The first number behind `key` in /proc/PID/status. */
static unsigned proc_status(pid_t pid, const char *key, unsigned otherwise)
{
    char path[64], line[256];
    unsigned value = otherwise;
    size_t length = strlen(key);
    FILE *file = fopen(proc_path(path, pid, "status"), "re");
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, key, length) == 0)
            value = (unsigned)strtoul(line + length, NULL, 10);
    }
    if (file)
        fclose(file);
    return value;
}

uid_t proc_uid(pid_t pid)
{
    return proc_status(pid, "Uid:", getuid());
}

gid_t proc_gid(pid_t pid)
{
    return proc_status(pid, "Gid:", getgid());
}

uint64_t proc_namespace(pid_t pid, const char *kind)
{
    char path[64], file[16];
    struct stat st;
    snprintf(file, sizeof file, "ns/%s", kind);
    return stat(proc_path(path, pid, file), &st) == 0 ? st.st_ino : 0;
}

uint64_t proc_socket(pid_t pid, int fd)
{
    char path[64], file[24];
    struct stat st;
    snprintf(file, sizeof file, "fd/%d", fd);
    return stat(proc_path(path, pid, file), &st) == 0 && S_ISSOCK(st.st_mode) ? st.st_ino : 0;
}

bool proc_environment(pid_t pid, const char *name, char *out, size_t size)
{
    char path[64], *line = NULL;
    size_t room = 0, length = strlen(name);
    bool found = false;
    FILE *file = fopen(proc_path(path, pid, "environ"), "re");
    while (file && !found && getdelim(&line, &room, 0, file) > 0) {
        found = strncmp(line, name, length) == 0 && line[length] == '=';
        if (found)
            snprintf(out, size, "%s", line + length + 1);
    }
    free(line);
    if (file)
        fclose(file);
    return found;
}

/* --- the tree --- */

void proc_add(struct proc_list *list, pid_t pid)
{
    pid_t *more = reallocarray(list->pids, list->count + 1, sizeof *more);
    if (!more)
        return;
    list->pids = more;
    list->pids[list->count++] = pid;
}

/* One look at /proc: which process has which parent. */
struct proc_parent {
    pid_t pid, parent;
};

static struct proc_parent *proc_parents(size_t *count)
{
    struct proc_parent *all = NULL;
    struct dirent *entry;
    DIR *dir = opendir("/proc");
    *count = 0;
    while (dir && (entry = readdir(dir)) != NULL) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        struct proc_parent *more = pid > 0 ? reallocarray(all, *count + 1, sizeof *more) : NULL;
        if (!more)
            continue;
        all = more;
        all[(*count)++] = (struct proc_parent){pid, (pid_t)proc_status(pid, "PPid:", 0)};
    }
    if (dir)
        closedir(dir);
    return all;
}

void proc_descendants(struct proc_list *list, pid_t pid)
{
    size_t count;
    struct proc_parent *all = proc_parents(&count);
    *list = (struct proc_list){0};
    for (size_t done = 0;; pid = list->pids[done++]) {
        for (size_t i = 0; i < count; i++) {
            if (all[i].parent == pid)
                proc_add(list, all[i].pid);
        }
        if (done == list->count)
            break;
    }
    free(all);
}
