#include "cli/where.h"

#include <bsd/pwd.h>
#include <bsd/string.h>
#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/near.h"
#include "cli/memory.h"
#include "cli/private.h"
#include "cli/rules.h"
#include "cli/say.h"
#include "shearpin/guard.h"

/* Absolute where it exists: the helper of a private segment works from elsewhere. */
const char *where_directory(void)
{
    static char full[PATH_MAX];
    const char *directory = getenv("SHEARPIN_DIR");
    if (!directory || !*directory)
        return "/dev/shm";
    return realpath(directory, full) ? full : directory;
}

/* --- what the directory holds --- */

static void where_add(struct where_list *list, const char *directory, const char *file,
                      const char *name, const char *group)
{
    struct where_entry entry = {0};
    list->entries = memory_got(reallocarray(list->entries, list->count + 1, sizeof *list->entries));
    bool whole =
        strlcpy(entry.name, name, sizeof entry.name) < sizeof entry.name &&
        snprintf(entry.path, sizeof entry.path, "%s/%s", directory, file) < (int)sizeof entry.path;
    const struct group *gr = *group ? getgrgid((gid_t)strtoul(group, NULL, 10)) : NULL;
    snprintf(entry.shown, sizeof entry.shown, "%s%s%.32s", entry.name, *group ? "@" : "",
             gr ? gr->gr_name : group);
    if (whole)
        list->entries[list->count++] = entry;
}

/* A draft that its creator left behind carries more behind the name that its head says. */
static bool where_is_draft(const struct where_entry *entry)
{
    struct sp_head head;
    FILE *file = fopen(entry->path, "re");
    if (!file)
        return false;
    size_t got = fread(&head, sizeof head, 1, file);
    fclose(file);
    return got != 1 || strncmp(head.name, entry->name, sizeof head.name) != 0;
}

static void where_scan(struct where_list *list, const char *directory, const char *group)
{
    char prefix[32], sub[256];
    size_t own = (size_t)snprintf(prefix, sizeof prefix, "shearpin.v%u.", SP_LAYOUT);
    struct dirent *entry;
    DIR *dir = opendir(directory);
    while (dir && (entry = readdir(dir)) != NULL) {
        const char *file = entry->d_name, *uid = file + own;
        if (group) {
            if (file[0] != '.')
                where_add(list, directory, file, file, group);
        } else if (strncmp(file, prefix, own) == 0 && *uid == 'g') {
            if (snprintf(sub, sizeof sub, "%s/%s", directory, file) < (int)sizeof sub)
                where_scan(list, sub, uid + 1);
        } else if (strncmp(file, prefix, own) == 0) {
            const char *name = strchr(uid, '.');
            if (name && (geteuid() == 0 || strtoul(uid, NULL, 10) == geteuid()))
                where_add(list, directory, file, name + 1, "");
        }
    }
    if (dir)
        closedir(dir);
}

static int where_compare(const void *a, const void *b)
{
    const struct where_entry *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : strcmp(x->path, y->path);
}

void where_list(struct where_list *list)
{
    size_t kept = 0;
    *list = (struct where_list){0};
    where_scan(list, where_directory(), NULL);
    for (size_t i = 0; i < list->count; i++) {
        if (!where_is_draft(&list->entries[i]))
            list->entries[kept++] = list->entries[i];
    }
    list->count = kept;
    if (kept > 1)
        qsort(list->entries, kept, sizeof *list->entries, where_compare);
}

/* --- which one is meant --- */

int where_nothing(void)
{
    say_error("nothing is running under shearpin (looked in %s)", where_directory());
    say_more("wrap one command:  shearpin run --observe -- COMMAND");
    if (command_named("wrap"))
        say_more("wrap a service:    sudo shearpin wrap UNIT");
    return CLI_UNKNOWN;
}

static int where_several(const struct where_list *list)
{
    say_error("several segments are here; say which one with -s NAME:");
    for (size_t i = 0; i < list->count; i++)
        say_more("%s", list->entries[i].shown);
    return CLI_USAGE;
}

static int where_unknown(const struct cli *cli, const struct where_list *list, const char *name)
{
    struct sp_near near = sp_near_begin(name, strlen(name));
    char safe[256];
    if (list->count == 0)
        return where_nothing();
    for (size_t i = 0; i < list->count; i++)
        sp_near_try(&near, list->entries[i].shown);
    say_safe(safe, sizeof safe, name, SP_NAME_SIZE);
    if (near.best && name == cli->segment) {
        say_error("there is no segment '%s'; did you mean '%s'?", safe, near.best);
        say_corrected(cli, name, near.best);
    } else if (near.best) {
        say_error("there is no segment '%s'; did you mean '%s'?", safe, near.best);
    } else {
        say_error("there is no segment '%s' in %s; `shearpin segments` lists them", safe,
                  where_directory());
    }
    return CLI_UNKNOWN;
}

int where_policy_name(char *out, size_t size, const struct rules *rules, const char *path)
{
    struct sp_error error;
    char name[SP_NAME_SIZE];
    const struct sp_policy *policy = rules->policy;
    if (sp_place_name(name, sizeof name, policy, path, &error) != 0) {
        say_error("%s", error.text);
        return -1;
    }
    snprintf(out, size, "%s%s%.*s", name, policy->group[0] ? "@" : "",
             (int)sizeof policy->group - 1, policy->group);
    return 0;
}

/* NAME or NAME@GROUP; of several with one name ours comes first. */
static const struct where_entry *where_entry(const struct where_list *list, const char *name)
{
    char own[256];
    const struct where_entry *found = NULL;
    bool exact = strchr(name, '@') != NULL;
    if (sp_place_path(own, sizeof own, where_directory(), name, NULL, NULL) != 0)
        own[0] = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct where_entry *entry = &list->entries[i];
        bool it = strcmp(entry->path, own) == 0;
        if (it || (!exact && !found && strcmp(entry->name, name) == 0))
            found = entry;
    }
    return found;
}

/* The name that the policy gives. A policy that nobody asked for here may be broken: then the only
 * segment is meant. */
static int where_derived(struct cli *cli, char *name, size_t size)
{
    struct rules rules;
    const char *path = rules_path(cli, NULL);
    *name = 0;
    if (!rules_named(cli))
        return CLI_OK;
    rules_read(&rules, path, stderr, cli->policy ? RULES_ERRORS : RULES_SILENT);
    bool found = rules.policy && where_policy_name(name, size, &rules, path) == 0;
    return found || !cli->policy ? CLI_OK : CLI_NO;
}

/* The one that is meant when nobody says which. A private one is its own programs' affair, and they
 * say which, as long as there is another. */
static const struct where_entry *where_only(const struct where_list *list)
{
    const struct where_entry *only = NULL;
    size_t shared = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (private_is(list->entries[i].name))
            continue;
        only = &list->entries[i];
        shared++;
    }
    if (shared == 0 && list->count == 1)
        only = &list->entries[0];
    return shared > 1 ? NULL : only;
}

static int where_find(struct cli *cli, const struct where_list *list,
                      const struct where_entry **entry)
{
    char derived[WHERE_NAME_SIZE];
    const char *name = cli->segment, *inherited = getenv("SHEARPIN_SEGMENT");
    *entry = NULL;
    if (!name && inherited && *inherited)
        name = inherited;
    if (!name) {
        int status = where_derived(cli, derived, sizeof derived);
        if (status != CLI_OK)
            return status;
        name = *derived ? derived : NULL;
    }
    if (name)
        *entry = where_entry(list, name);
    /* the default policy is nobody's word: where its segment is not, another may be meant */
    bool told = name && (name != derived || strcmp(rules_path(cli, NULL), RULES_DEFAULT) != 0);
    if (*entry || told)
        return *entry ? CLI_OK : where_unknown(cli, list, name);
    *entry = where_only(list);
    return *entry ? CLI_OK : list->count == 0 ? where_nothing() : where_several(list);
}

/* Events name who wrote them; a command takes no slot. */
static void where_self(struct sp_segment *segment)
{
    segment->self.pid = (uint32_t)getpid();
    strlcpy(segment->self.command, "shearpin", sizeof segment->self.command);
}

/* Root does not believe what another user wrote; that user's own eyes do. */
static void where_denied(const struct cli *cli, const char *path, const struct sp_error *error)
{
    struct stat st;
    char become[128];
    say_error("%s", error->text);
    if (error->code != EPERM || geteuid() != 0 || lstat(path, &st) != 0 || st.st_uid == 0)
        return;
    const char *user = user_from_uid(st.st_uid, 1);
    if (user)
        snprintf(become, sizeof become, "runuser -u %s --", user);
    else
        snprintf(become, sizeof become, "setpriv --reuid %u --regid %u --clear-groups",
                 (unsigned)st.st_uid, (unsigned)st.st_gid);
    say_behind(cli, become);
}

int where_attach(struct cli *cli, struct sp_segment *segment)
{
    struct where_list list;
    const struct where_entry *entry;
    struct sp_error error;
    where_list(&list);
    int status = where_find(cli, &list, &entry);
    memset(segment, 0, sizeof *segment);
    if (status == CLI_OK && entry && sp_segment_attach(segment, entry->path, &error) != 0) {
        where_denied(cli, entry->path, &error);
        status = say_status(error.code);
    }
    free(list.entries);
    if (status == CLI_OK)
        where_self(segment);
    return status;
}

bool where_try(struct cli *cli, struct sp_segment *segment)
{
    struct where_list list;
    const char *inherited = getenv("SHEARPIN_SEGMENT");
    const char *name = cli->segment ? cli->segment : inherited && *inherited ? inherited : NULL;
    const struct where_entry *entry = NULL;
    where_list(&list);
    entry = name ? where_entry(&list, name) : where_only(&list);
    memset(segment, 0, sizeof *segment);
    bool found = entry && sp_segment_attach(segment, entry->path, NULL) == 0;
    free(list.entries);
    if (found)
        where_self(segment);
    return found;
}

const char *where_name(const struct sp_segment *segment)
{
    static char safe[4 * SP_NAME_SIZE + 1];
    return say_safe(safe, sizeof safe, segment->head->name, SP_NAME_SIZE);
}

/* --- destinations --- */

int where_dest(const struct cli *cli, const struct sp_segment *segment, const char *name,
               uint32_t *index)
{
    struct sp_near near = sp_near_begin(name, strlen(name));
    char names[SP_NAME_SIZE], best[SP_NAME_SIZE] = "", safe[4 * SP_NAME_SIZE + 1];
    if (sp_segment_dest_named(segment, name, index))
        return CLI_OK;
    for (uint32_t i = 0; i < segment->dest_max; i++) {
        memcpy(names, segment->dests[i].name, sizeof names);
        names[sizeof names - 1] = 0;
        near.best = NULL;
        if (*names)
            sp_near_try(&near, names);
        if (near.best)
            memcpy(best, names, sizeof best);
    }
    say_safe(safe, sizeof safe, name, 2 * SP_NAME_SIZE);
    if (!*best) {
        say_error("segment %s has no destination '%s'; `shearpin status` lists them",
                  where_name(segment), safe);
        return CLI_UNKNOWN;
    }
    say_error("segment %s has no destination '%s'; did you mean '%s'?", where_name(segment), safe,
              best);
    say_corrected(cli, name, best);
    return CLI_UNKNOWN;
}

void where_call(struct sp_call *call, struct sp_segment *segment, uint32_t index,
                struct sp_guards *guards)
{
    sp_segment_guards(segment, index, guards);
    *call = (struct sp_call){.segment = segment,
                             .dest = sp_segment_dest(segment, index),
                             .index = index,
                             .guards = guards,
                             .now = sp_now(),
                             .conn = 0};
}
