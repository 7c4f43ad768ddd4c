/* examine_unit.c - a systemd unit: what it starts, what keeps the library or its segment from it,
 * and whether its processes are wrapped. */
#include "cli/examine.h"

#include <bsd/string.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/judge.h"
#include "cli/preload.h"
#include "cli/unit.h"
#include "cli/unit_live.h"

#define UNIT_SEARCH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* --- what it starts --- */

void examine_user(struct examine *e, const struct unit *unit)
{
    const char *user = unit_last(unit, "User"), *group = unit_last(unit, "Group");
    const struct passwd *pw = user ? getpwnam(user) : NULL;
    const struct group *gr = group ? getgrnam(group) : NULL;
    e->uid = pw ? pw->pw_uid : unit_yes(unit, "DynamicUser") ? 65534 : 0;
    e->gid = gr ? gr->gr_gid : pw ? pw->pw_gid : e->uid;
    if (user && !pw && strspn(user, "0123456789") == strlen(user))
        e->uid = (uid_t)strtoul(user, NULL, 10);
}

/* systemd looks for a bare name in directories of its own. */
static void unit_search(char *out, size_t size, const char *name)
{
    char *path = strdup(UNIT_SEARCH), *rest = path, *directory;
    strlcpy(out, name, size);
    while (path && *name != '/' && (directory = strsep(&rest, ":")) != NULL) {
        if (snprintf(out, size, "%s/%s", directory, name) < (int)size && access(out, X_OK) == 0)
            break;
    }
    free(path);
}

static void unit_command(struct examine *e, const struct unit *unit, const char *line)
{
    char word[PATH_MAX], plain[PATH_MAX], path[PATH_MAX];
    const char *rest = line + strspn(line, "@-:+!|");
    if (!unit_word(&rest, word, sizeof word))
        return;
    unit_specify(unit, word, plain, sizeof plain);
    unit_search(path, sizeof path, plain);
    if (examine_program(e, path, path, REPORT_BAD))
        return;
    report_add(e->report, REPORT_NOTE, "missing", path, "it is not there, or cannot be run");
    report_cure(e->report, "install it first", "ExecStart= of the unit names it");
}

/* --- what it hides, and what it takes away --- */

static bool unit_hides(const struct unit *unit, const char *key, const char *path)
{
    const char *value;
    char word[PATH_MAX];
    for (size_t at = 0; (value = unit_next(unit, key, &at)) != NULL;) {
        while (unit_word(&value, word, sizeof word)) {
            const char *name = word + strspn(word, "-+");
            size_t length = strcspn(name, ":");
            if (length > 1 && name[length - 1] == '/')
                length--;
            if (length > 1 && strncmp(path, name, length) == 0 &&
                (path[length] == '/' || path[length] == 0))
                return true;
        }
    }
    return false;
}

static bool unit_reaches(const struct unit *unit, const char *path)
{
    bool home = strncmp(path, "/home/", 6) == 0 || strncmp(path, "/root/", 6) == 0;
    bool tmp = strncmp(path, "/tmp/", 5) == 0 || strncmp(path, "/var/tmp/", 9) == 0;
    const char *protect = unit_last(unit, "ProtectHome");
    if (home && protect && strcmp(protect, "no") != 0 && strcmp(protect, "read-only") != 0)
        return false;
    if (tmp && unit_yes(unit, "PrivateTmp"))
        return false;
    return !unit_hides(unit, "InaccessiblePaths", path) &&
           !unit_hides(unit, "TemporaryFileSystem", path);
}

static bool unit_mode(const struct examine *e, const struct stat *st, mode_t bit)
{
    mode_t mode = st->st_uid == e->uid ? st->st_mode >> 6 : st->st_mode;
    return (mode & bit) || (st->st_gid == e->gid && (st->st_mode >> 3 & bit));
}

bool examine_readable(const struct examine *e, const char *path)
{
    char part[PATH_MAX];
    struct stat st;
    strlcpy(part, path, sizeof part);
    for (char *slash = part + 1; e->uid != 0 && (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = 0;
        if (stat(part, &st) == 0 && !unit_mode(e, &st, 1))
            return false;
        *slash = '/';
    }
    return e->uid == 0 || stat(path, &st) != 0 || unit_mode(e, &st, 4);
}

static void unit_library(struct examine *e, const struct unit *unit)
{
    char library[PRELOAD_SIZE];
    if (!preload_find(library, sizeof library))
        return;
    if (!unit_reaches(unit, library)) {
        report_add(e->report, REPORT_BAD, "hidden", library,
                   "the unit hides it from its processes");
        report_cure(e->report, "install shearpin", "make install puts it below /usr/local");
    }
    if (!examine_readable(e, library)) {
        report_add(e->report, REPORT_BAD, "unreadable", library,
                   "the user of the unit cannot read it");
        report_cure(e->report, "install shearpin", "make install puts it below /usr/local");
    }
    if (unit_last(unit, "RootDirectory") || unit_last(unit, "RootImage")) {
        report_add(e->report, REPORT_NOTE, "root", "RootDirectory=",
                   "libshearpin.so, the policy and /dev/shm must be inside of it");
        report_cure(e->report, "bind them into it", "BindPaths=/dev/shm, BindReadOnlyPaths=");
    }
}

static void unit_segment(struct examine *e, const struct unit *unit)
{
    char where[PATH_MAX];
    if (!unit_environment(unit, "SHEARPIN_DIR", where, sizeof where))
        strlcpy(where, "/dev/shm", sizeof where);
    if (!unit_reaches(unit, where)) {
        report_add(
            e->report, REPORT_NOTE, "segment", where,
            "the unit hides it: its breakers would be its own, and status sees none of them");
        report_cure(e->report, "give it a directory of its own",
                    "RuntimeDirectory= and Environment=SHEARPIN_DIR=, for status too");
    }
    if (unit_yes(unit, "DynamicUser") || unit_yes(unit, "RemoveIPC")) {
        report_add(e->report, REPORT_NOTE, "removed", "DynamicUser= or RemoveIPC=",
                   "systemd removes its segment from /dev/shm when it stops");
        report_cure(e->report, "set SHEARPIN_DIR", "a RuntimeDirectory= that is preserved");
    }
}

static bool unit_file_sets(const char *path, const char *name)
{
    char line[4096];
    size_t length = strlen(name);
    bool found = false;
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file)) {
        const char *at = line + strspn(line, " \t");
        found = found || (strncmp(at, name, length) == 0 && at[length] == '=');
    }
    if (file)
        fclose(file);
    return found;
}

static void unit_variables(struct examine *e, const struct unit *unit)
{
    const char *value;
    char path[PATH_MAX];
    for (size_t at = 0; (value = unit_next(unit, "EnvironmentFile", &at)) != NULL;) {
        snprintf(path, sizeof path, "%s%s", unit->root, value + strspn(value, "-"));
        if (!unit_file_sets(path, "LD_PRELOAD"))
            continue;
        report_add(e->report, REPORT_BAD, "environment", path,
                   "it sets LD_PRELOAD, and such a file overrides the drop-in");
        report_cure(e->report, "add libshearpin.so there", "first in its LD_PRELOAD");
    }
    for (size_t at = 0; (value = unit_next(unit, "UnsetEnvironment", &at)) != NULL;) {
        if (!strstr(value, "LD_PRELOAD"))
            continue;
        report_add(e->report, REPORT_BAD, "environment",
                   "UnsetEnvironment=", "it takes LD_PRELOAD away again");
        report_cure(e->report, "take LD_PRELOAD out of it", "systemctl edit, UnsetEnvironment=");
    }
}

/* --- its processes --- */

static void unit_written(struct examine *e, const struct unit *unit)
{
    char preload[8192];
    bool ours = unit_environment(unit, "LD_PRELOAD", preload, sizeof preload) &&
                strstr(preload, "libshearpin.so");
    if (ours)
        report_add(e->report, REPORT_GOOD, "drop-in", "wrapped",
                   "its environment preloads "
                   "libshearpin.so");
}

static void unit_processes(struct examine *e, const struct unit *unit)
{
    struct proc_list list;
    size_t wrapped = 0;
    unit_live_processes(unit, &list);
    for (size_t i = 0; i < list.count; i++)
        wrapped += examine_maps(list.pids[i]) > 0;
    if (wrapped > 0) {
        report_add(e->report, wrapped < list.count ? REPORT_NOTE : REPORT_GOOD, "attached",
                   "wrapped and attached", "%zu of %zu processes of the unit map libshearpin.so",
                   wrapped, list.count);
        for (size_t i = 0; i < list.count; i++)
            examine_child(e, list.pids[i], true);
    } else if (list.count > 0) {
        report_add(e->report, REPORT_NOTE, "bare", "not wrapped",
                   "none of its %zu processes maps libshearpin.so", list.count);
        report_cure(e->report, "wrap it", "shearpin wrap UNIT, then systemctl restart UNIT");
    }
    free(list.pids);
}

bool examine_unit(struct examine *e, const struct cli *cli, const char *name)
{
    struct unit unit;
    const char *line;
    if (!unit_read(&unit, cli->root ? cli->root : "", name)) {
        unit_free(&unit);
        return false;
    }
    examine_user(e, &unit);
    if (!unit_last(&unit, "ExecStart")) {
        report_add(e->report, REPORT_BAD, "unit", "", "starts nothing itself: no ExecStart=");
        report_cure(e->report, "ask about the service", "the one that it starts");
    }
    for (size_t at = 0; (line = unit_next(&unit, "ExecStart", &at)) != NULL;)
        unit_command(e, &unit, line);
    unit_library(e, &unit);
    unit_segment(e, &unit);
    unit_variables(e, &unit);
    unit_written(e, &unit);
    if (!cli->root && unit_live())
        unit_processes(e, &unit);
    unit_free(&unit);
    return true;
}
