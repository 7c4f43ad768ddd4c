#include "cli/unit_files.h"

#include <bsd/string.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/memory.h"
#include "cli/say.h"

/* What stands earlier hides a file of the same name further down. */
static const char *const unit_places[] = {"/etc/systemd/system", "/run/systemd/system",
                                          "/usr/local/lib/systemd/system",
                                          "/usr/lib/systemd/system", "/lib/systemd/system"};
#define UNIT_PLACES (sizeof unit_places / sizeof *unit_places)

/* --- one file --- */

/* An empty value takes back what was said before. */
static void unit_reset(struct unit *unit, const char *key)
{
    size_t kept = 0;
    for (size_t i = 0; i < unit->count; i++) {
        struct unit_value value = unit->values[i];
        if (strcmp(value.key, key) != 0) {
            unit->values[kept++] = value;
            continue;
        }
        free(value.key);
        free(value.value);
        free(value.file);
    }
    unit->count = kept;
}

static void unit_keep(struct unit *unit, const char *file, const char *key, const char *value)
{
    if (!*value) {
        unit_reset(unit, key);
        return;
    }
    unit->values = memory_got(reallocarray(unit->values, unit->count + 1, sizeof *unit->values));
    unit->values[unit->count++] = (struct unit_value){.key = memory_got(strdup(key)),
                                                      .value = memory_got(strdup(value)),
                                                      .file = memory_got(strdup(file))};
}

static void unit_line(struct unit *unit, const char *file, char *line, bool *service)
{
    char *key = line + strspn(line, " \t"), *equals = strchr(key, '=');
    if (*key == '[')
        *service = strncmp(key, "[Service]", 9) == 0;
    if (!*service || !equals || *key == '#' || *key == ';')
        return;
    char *value = equals + 1 + strspn(equals + 1, " \t"), *end = value + strlen(value);
    while (end > value && strchr(" \t\r", end[-1]))
        *--end = 0;
    for (end = equals; end > key && strchr(" \t", end[-1]);)
        end--;
    *end = 0;
    unit_keep(unit, file, key, value);
}

/* A line that ends in a backslash goes on in the next; comments between are skipped. */
static void unit_file(struct unit *unit, const char *path)
{
    char *line = NULL, *whole = NULL;
    size_t room = 0;
    bool service = false;
    FILE *file = fopen(path, "re");
    while (file && getline(&line, &room, file) >= 0) {
        line[strcspn(line, "\n")] = 0;
        if (whole && strchr("#;", line[strspn(line, " \t")]) && line[strspn(line, " \t")])
            continue;
        size_t have = whole ? strlen(whole) : 0, length = strlen(line);
        bool more = length > 0 && line[length - 1] == '\\';
        whole = memory_got(realloc(whole, have + length + 1));
        memcpy(whole + have, line, length + 1);
        if (more) {
            whole[have + length - 1] = ' ';
            continue;
        }
        unit_line(unit, path, whole, &service);
        free(whole);
        whole = NULL;
    }
    free(whole);
    free(line);
    if (file)
        fclose(file);
}

/* --- which files --- */

/* foo@bar.service is made from foo@.service. */
static bool unit_template(const struct unit *unit, char out[UNIT_NAME])
{
    const char *at = strchr(unit->name, '@'), *dot = strrchr(unit->name, '.');
    if (!at || !dot || at > dot)
        return false;
    snprintf(out, UNIT_NAME, "%.*s%s", (int)(at + 1 - unit->name), unit->name, dot);
    return true;
}

static bool unit_find(struct unit *unit, const char *name)
{
    for (size_t i = 0; i < UNIT_PLACES; i++) {
        if (snprintf(unit->file, sizeof unit->file, "%s%s/%s", unit->root, unit_places[i], name) <
                (int)sizeof unit->file &&
            access(unit->file, R_OK) == 0)
            return true;
    }
    return false;
}

struct unit_drop {
    char *name, *path;
};
struct unit_drops {
    struct unit_drop *drops;
    size_t count;
};

static void unit_drop_add(struct unit_drops *drops, const char *directory, const char *name)
{
    char *path;
    for (size_t i = 0; i < drops->count; i++) {
        if (strcmp(drops->drops[i].name, name) == 0)
            return;
    }
    if (asprintf(&path, "%s/%s", directory, name) < 0)
        memory_out();
    drops->drops = memory_got(reallocarray(drops->drops, drops->count + 1, sizeof *drops->drops));
    drops->drops[drops->count++] = (struct unit_drop){memory_got(strdup(name)), path};
}

static void unit_drops_of(struct unit_drops *drops, const struct unit *unit, const char *name)
{
    char directory[PATH_MAX];
    struct dirent *entry;
    for (size_t i = 0; i < UNIT_PLACES; i++) {
        DIR *dir = NULL;
        if (snprintf(directory, sizeof directory, "%s%s/%s.d", unit->root, unit_places[i], name) <
            (int)sizeof directory)
            dir = opendir(directory);
        while (dir && (entry = readdir(dir)) != NULL) {
            size_t length = strlen(entry->d_name);
            if (length > 5 && strcmp(entry->d_name + length - 5, ".conf") == 0)
                unit_drop_add(drops, directory, entry->d_name);
        }
        if (dir)
            closedir(dir);
    }
}

static int unit_drop_compare(const void *a, const void *b)
{
    return strcmp(((const struct unit_drop *)a)->name, ((const struct unit_drop *)b)->name);
}

static void unit_drop_ins(struct unit *unit, const char *template)
{
    struct unit_drops drops = {0};
    unit_drops_of(&drops, unit, unit->name);
    if (*template)
        unit_drops_of(&drops, unit, template);
    unit_drops_of(&drops, unit, "service");
    if (drops.count > 0)
        qsort(drops.drops, drops.count, sizeof *drops.drops, unit_drop_compare);
    for (size_t i = 0; i < drops.count; i++) {
        unit_file(unit, drops.drops[i].path);
        free(drops.drops[i].name);
        free(drops.drops[i].path);
    }
    free(drops.drops);
}

bool unit_files(struct unit *unit)
{
    char template[UNIT_NAME] = "";
    bool templated = unit_template(unit, template);
    if (!unit_find(unit, unit->name) && !(templated && unit_find(unit, template)))
        return false;
    unit_file(unit, unit->file);
    unit_drop_ins(unit, template);
    return true;
}
