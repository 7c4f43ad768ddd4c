#include "cli/judge.h"

#include <bsd/string.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cli/elf.h"

#define SCRIPT_DEPTH 4 /* as deep as the kernel goes */

static void judge_say(struct judge *judge, enum judge_verdict verdict, const char *why)
{
    judge->verdict = verdict;
    strlcpy(judge->why, why, sizeof judge->why);
}

/* --- finding it, as execvp does --- */

static int judge_access(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return errno;
    if (S_ISDIR(st.st_mode))
        return EISDIR;
    return access(path, X_OK) == 0 ? 0 : errno;
}

static void judge_search(struct judge *judge, const char *command)
{
    const char *from = getenv("PATH");
    char *path = strdup(from ? from : "/bin:/usr/bin"), *rest = path, *directory;
    int seen = ENOENT;
    while (path && (directory = strsep(&rest, ":")) != NULL) {
        snprintf(judge->path, sizeof judge->path, "%s%s%s", directory, *directory ? "/" : "",
                 command);
        int code = judge_access(judge->path);
        if (code == 0) {
            free(path);
            return;
        }
        if (code == EACCES)
            seen = code;
    }
    free(path);
    strlcpy(judge->path, command, sizeof judge->path);
    if (seen == EACCES)
        judge_say(judge, JUDGE_NO_EXEC, "is not executable");
    else
        judge_say(judge, JUDGE_NO_FILE, "is not in PATH");
}

static void judge_find(struct judge *judge, const char *command)
{
    if (!strchr(command, '/') && *command) {
        judge_search(judge, command);
        return;
    }
    strlcpy(judge->path, command, sizeof judge->path);
    int code = judge_access(command);
    if (code == EISDIR) {
        judge_say(judge, JUDGE_NO_EXEC, "is a directory");
    } else if (code == EACCES) {
        judge_say(judge, JUDGE_NO_EXEC, "is not executable");
    } else if (code == ENOENT || code == ENOTDIR) {
        judge_say(judge, JUDGE_NO_FILE, "does not exist");
    } else if (code != 0) {
        judge_say(judge, JUDGE_NO_EXEC, "cannot be run: ");
        strlcat(judge->why, strerror(code), sizeof judge->why);
    }
}

/* --- what ld.so and the kernel will do with it --- */

/* Does execve raise privileges, so that ld.so drops LD_PRELOAD? Never where the file system or the
 * process says no, and for root neither a file of root's nor file capabilities are a raise. */
static const char *judge_secure(const char *path)
{
    struct stat st;
    struct statvfs fs;
    if (stat(path, &st) != 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ||
        (statvfs(path, &fs) == 0 && (fs.f_flag & ST_NOSUID)))
        return NULL;
    if ((st.st_mode & S_ISUID) && st.st_uid != getuid())
        return "is setuid, so ld.so drops LD_PRELOAD there";
    if ((st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && st.st_gid != getgid())
        return "is setgid, so ld.so drops LD_PRELOAD there";
    if (getuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0)
        return "has file capabilities, so ld.so drops LD_PRELOAD there";
    return NULL;
}

static const char *judge_elf(const struct elf *elf)
{
    struct elf own;
    if (elf_read("/proc/self/exe", &own) == ELF_FINE &&
        (own.bits != elf->bits || own.machine != elf->machine))
        return "is for another machine than libshearpin.so";
    if (elf->go)
        return "is a Go program, which makes its own system calls";
    if (!elf->interpreter[0])
        return "is statically linked";
    const char *base = strrchr(elf->interpreter, '/');
    if (strncmp(base ? base + 1 : elf->interpreter, "ld-musl-", 8) == 0)
        return "is linked with musl, and libshearpin.so with glibc";
    return NULL;
}

/* The interpreter of a script: what follows #!, or the shell that execvp falls back to. */
static bool judge_script(const char *path, char *out, size_t size)
{
    char line[256] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
    if (fd >= 0)
        close(fd);
    if (n < 2 || line[0] != '#' || line[1] != '!') {
        strlcpy(out, "/bin/sh", size);
        return n >= 0;
    }
    line[strcspn(line, "\n")] = 0;
    char *word = line + 2 + strspn(line + 2, " \t");
    word[strcspn(word, " \t")] = 0;
    strlcpy(out, word, size);
    return *word != 0;
}

static void judge_program(struct judge *judge)
{
    struct elf elf;
    enum elf_kind kind = ELF_NONE;
    strlcpy(judge->program, judge->path, sizeof judge->program);
    for (int depth = 0; depth <= SCRIPT_DEPTH; depth++) {
        kind = elf_read(judge->program, &elf);
        if (kind != ELF_NONE)
            break;
        char next[PATH_MAX];
        if (!judge_script(judge->program, next, sizeof next))
            break;
        strlcpy(judge->program, next, sizeof judge->program);
        if (judge_access(judge->program) != 0) {
            judge_say(judge, JUDGE_NO_FILE, "needs an interpreter that is missing");
            return;
        }
    }
    if (kind != ELF_FINE)
        return; /* unreadable to us, or odd: execve has the last word */
    const char *why = judge_secure(judge->program);
    if (!why)
        why = judge_elf(&elf);
    if (why)
        judge_say(judge, JUDGE_UNPROTECTED, why);
}

void judge_command(struct judge *judge, const char *command)
{
    memset(judge, 0, sizeof *judge);
    judge_find(judge, command);
    if (judge->verdict == JUDGE_FINE)
        judge_program(judge);
}
