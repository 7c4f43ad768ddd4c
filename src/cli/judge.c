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

/* What `run` says of it. */
static const char *const judge_whys[] = {
    [JUDGE_SETUID] = "is setuid, so ld.so drops LD_PRELOAD there",
    [JUDGE_SETGID] = "is setgid, so ld.so drops LD_PRELOAD there",
    [JUDGE_CAPABILITIES] = "has file capabilities, so ld.so drops LD_PRELOAD there",
    [JUDGE_MACHINE] = "is for another machine than libshearpin.so",
    [JUDGE_GO] = "is a Go program, which makes its own system calls",
    [JUDGE_STATIC] = "is statically linked",
    [JUDGE_MUSL] = "is linked with musl, and libshearpin.so with glibc",
};

/* Does execve raise privileges, so that ld.so drops LD_PRELOAD? Never where the file system or the
 * process says no, and for root neither a file of root's nor file capabilities are a raise. */
static enum judge_reason judge_secure(const char *path, uid_t uid, gid_t gid)
{
    struct stat st;
    struct statvfs fs;
    if (stat(path, &st) != 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ||
        (statvfs(path, &fs) == 0 && (fs.f_flag & ST_NOSUID)))
        return JUDGE_NO_REASON;
    if ((st.st_mode & S_ISUID) && st.st_uid != uid)
        return JUDGE_SETUID;
    if ((st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && st.st_gid != gid)
        return JUDGE_SETGID;
    if (uid != 0 && getxattr(path, "security.capability", NULL, 0) > 0)
        return JUDGE_CAPABILITIES;
    return JUDGE_NO_REASON;
}

static enum judge_reason judge_elf(const struct elf *elf)
{
    struct elf own;
    if (elf_read("/proc/self/exe", &own) == ELF_FINE &&
        (own.bits != elf->bits || own.machine != elf->machine))
        return JUDGE_MACHINE;
    if (elf->go)
        return JUDGE_GO;
    if (!elf->interpreter[0])
        return JUDGE_STATIC;
    const char *base = strrchr(elf->interpreter, '/');
    if (strncmp(base ? base + 1 : elf->interpreter, "ld-musl-", 8) == 0)
        return JUDGE_MUSL;
    return JUDGE_NO_REASON;
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

/* From a script to what the kernel runs in the end. */
static enum elf_kind judge_follow(struct judge *judge, struct elf *elf)
{
    enum elf_kind kind = ELF_NONE;
    strlcpy(judge->program, judge->path, sizeof judge->program);
    for (int depth = 0; depth <= SCRIPT_DEPTH; depth++) {
        char next[PATH_MAX];
        kind = elf_read(judge->program, elf);
        if (kind != ELF_NONE || !judge_script(judge->program, next, sizeof next))
            break;
        strlcpy(judge->program, next, sizeof judge->program);
        if (judge_access(judge->program) != 0) {
            judge_say(judge, JUDGE_NO_FILE, "needs an interpreter that is missing");
            return ELF_NONE;
        }
    }
    return kind;
}

static void judge_program(struct judge *judge, uid_t uid, gid_t gid)
{
    struct elf elf;
    if (judge_follow(judge, &elf) != ELF_FINE)
        return; /* unreadable to us, or odd: execve has the last word */
    judge->reason = judge_secure(judge->program, uid, gid);
    if (judge->reason == JUDGE_NO_REASON)
        judge->reason = judge_elf(&elf);
    if (judge->reason != JUDGE_NO_REASON)
        judge_say(judge, JUDGE_UNPROTECTED, judge_whys[judge->reason]);
}

void judge_command_as(struct judge *judge, const char *command, uid_t uid, gid_t gid)
{
    memset(judge, 0, sizeof *judge);
    judge_find(judge, command);
    if (judge->verdict == JUDGE_FINE)
        judge_program(judge, uid, gid);
}

void judge_command(struct judge *judge, const char *command)
{
    judge_command_as(judge, command, getuid(), getgid());
}
