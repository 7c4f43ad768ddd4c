#include "cli/group.h"

#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/memory.h"
#include "cli/say.h"

static struct group_seat *group_more(struct group *group)
{
    size_t one = sizeof *group->seats; /* NOLINT(bugprone-sizeof-expression): pointers are meant */
    group->seats = memory_got(reallocarray(group->seats, group->count + 1, one));
    struct group_seat *seat = memory_new(1, sizeof *seat);
    group->seats[group->count++] = seat;
    return seat;
}

static void group_drop(struct group *group, size_t i)
{
    struct group_seat *seat = group->seats[i];
    if (seat->looked)
        look_free(&seat->look);
    look_unmark(&seat->mark);
    if (seat->segment.head)
        sp_segment_detach(&seat->segment);
    free(seat->past);
    free(seat);
    memmove(&group->seats[i], &group->seats[i + 1], (--group->count - i) * sizeof(void *));
}

void group_free(struct group *group)
{
    while (group->count > 0)
        group_drop(group, group->count - 1);
    free(group->seats);
    *group = (struct group){0};
}

/* One is meant: by SHEARPIN_SEGMENT, -p, or the only -s. */
static bool group_is_one(const struct cli *cli)
{
    const char *inherited = getenv("SHEARPIN_SEGMENT");
    return cli->segment_count == 0 && (cli->policy || (inherited && *inherited));
}

static int group_one(struct cli *cli, struct group *group)
{
    struct group_seat *seat = group_more(group);
    int status = where_attach(cli, &seat->segment);
    if (status != CLI_OK)
        group_drop(group, group->count - 1);
    else
        strlcpy(seat->name, cli->segment ? cli->segment : where_name(&seat->segment),
                sizeof seat->name);
    return status;
}

/* Root sees the segments of others but believes only their owners; that is no error here. */
static void group_add(struct group *group, const struct where_entry *entry, bool aloud)
{
    struct sp_error error = {0};
    struct group_seat *seat = group_more(group);
    if (sp_segment_attach(&seat->segment, entry->path, &error) != 0) {
        group_drop(group, group->count - 1);
        if (aloud)
            say_error("%s is left out: %s", entry->shown, error.text);
        return;
    }
    strlcpy(seat->name, entry->shown, sizeof seat->name);
}

static int group_all(struct group *group)
{
    struct where_list list;
    where_list(&list);
    for (size_t i = 0; i < list.count; i++)
        group_add(group, &list.entries[i], true);
    free(list.entries);
    if (group->count > 0)
        return CLI_OK;
    return list.count > 0 ? CLI_DENIED : where_nothing();
}

int group_attach(struct cli *cli, struct group *group)
{
    int status = CLI_OK;
    if (group_is_one(cli))
        return group_one(cli, group);
    if (cli->segment_count == 0)
        return group_all(group);
    for (int i = 0; i < cli->segment_count && status == CLI_OK; i++) {
        cli->segment = cli->segments[i];
        status = group_one(cli, group);
    }
    return status;
}

/* --- again and again --- */

static bool group_same(const struct group_seat *seat, const struct where_entry *entry)
{
    struct stat st;
    return strcmp(seat->segment.path, entry->path) == 0 && stat(entry->path, &st) == 0 &&
           st.st_dev == seat->segment.device && st.st_ino == seat->segment.inode;
}

static bool group_wanted(const struct cli *cli, const struct where_entry *entry)
{
    const char *inherited = getenv("SHEARPIN_SEGMENT");
    if (cli->segment_count == 0)
        return !inherited || !*inherited || strcmp(inherited, entry->shown) == 0 ||
               strcmp(inherited, entry->name) == 0;
    for (int i = 0; i < cli->segment_count; i++) {
        if (strcmp(cli->segments[i], entry->shown) == 0)
            return true;
    }
    return false;
}

static void group_follow(struct cli *cli, struct group *group)
{
    struct where_list list;
    where_list(&list);
    for (size_t i = 0; i < group->count; i++)
        group->seats[i]->gone = true;
    for (size_t e = 0; e < list.count; e++) {
        size_t i = 0;
        while (i < group->count && !group_same(group->seats[i], &list.entries[e]))
            i++;
        if (i < group->count)
            group->seats[i]->gone = false;
        else if (group_wanted(cli, &list.entries[e]))
            group_add(group, &list.entries[e], false);
    }
    free(list.entries);
    for (size_t i = group->count; i-- > 0;) {
        if (group->seats[i]->gone)
            group_drop(group, i);
    }
}

/* A destination that appears meanwhile has no past. */
static void group_remember(struct group_seat *seat)
{
    size_t max = seat->segment.dest_max;
    if (!seat->past) {
        seat->past = memory_new(max, sizeof *seat->past);
        for (size_t i = 0; i < max * GROUP_PAST; i++)
            seat->past[i / GROUP_PAST][i % GROUP_PAST] = NAN;
    }
    for (uint32_t i = 0; i < seat->look.count; i++) {
        const struct look_dest *d = &seat->look.dests[i];
        float *past = seat->past[d->index];
        memmove(past, past + 1, (GROUP_PAST - 1) * sizeof *past);
        past[GROUP_PAST - 1] = (float)d->calls_per_s;
    }
}

/* The first look has no time behind it. */
static void group_first(struct look *look)
{
    look->unmatched_per_s = NAN;
    for (uint32_t i = 0; i < look->count; i++) {
        struct look_dest *d = &look->dests[i];
        d->calls_per_s = d->refused_per_min = NAN;
        for (int side = 0; side < LOOK_SIDES; side++)
            d->side[side].calls_per_s = NAN;
    }
}

void group_tick(struct cli *cli, struct group *group)
{
    group_follow(cli, group);
    for (size_t i = 0; i < group->count; i++) {
        struct group_seat *seat = group->seats[i];
        if (seat->looked)
            look_free(&seat->look);
        else
            look_mark(&seat->mark, &seat->segment);
        look_since(&seat->look, &seat->segment, &seat->mark, false);
        look_mark(&seat->mark, &seat->segment);
        if (!seat->looked)
            group_first(&seat->look);
        group_remember(seat);
        seat->looked = true;
    }
}
