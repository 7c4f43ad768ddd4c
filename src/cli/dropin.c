#include "cli/dropin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/random.h"
#include "cli/command.h"
#include "cli/memory.h"
#include "cli/say.h"

/* The first two lines say whose it is, over which text, and how many directories were made. */
#define DROPIN_FIRST  "# Written by shearpin; taken away by: shearpin unwrap "
#define DROPIN_SECOND "# text %016llx  directories made %u\n"

static char *dropin_read(const char *path)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return NULL;
    if (getdelim(&text, &size, 0, file) < 0) { /* empty */
        free(text);
        text = strdup("");
    }
    int error = errno;
    fclose(file);
    errno = error;
    return text;
}

void dropin_find(struct dropin *dropin, const struct unit *unit)
{
    char directory[PATH_MAX - sizeof UNIT_OWN - 1];
    unsigned long long hash;
    unit_directory(unit, directory, sizeof directory);
    *dropin = (struct dropin){.state = DROPIN_FOREIGN};
    snprintf(dropin->path, sizeof dropin->path, "%s/" UNIT_OWN, directory);
    char *text = dropin_read(dropin->path);
    if (!text) {
        dropin->state = errno == ENOENT || errno == ENOTDIR ? DROPIN_NONE : DROPIN_DENIED;
        return;
    }
    char *second = strchr(text, '\n'), *body = second ? strchr(second + 1, '\n') : NULL;
    if (strncmp(text, DROPIN_FIRST, strlen(DROPIN_FIRST)) == 0 && body &&
        sscanf(second + 1, "# text %16llx  directories made %u", &hash, &dropin->made) == 2)
        dropin->state = sp_hash(body + 1, strlen(body + 1)) == hash ? DROPIN_OURS : DROPIN_CHANGED;
    free(text);
}

char *dropin_text(const struct dropin *dropin, const struct unit *unit, const char *body)
{
    char *text;
    if (asprintf(&text, DROPIN_FIRST "%s\n" DROPIN_SECOND "%s", unit->name,
                 (unsigned long long)sp_hash(body, strlen(body)), dropin->made, body) < 0)
        memory_out();
    return text;
}

/* Makes every directory before the last slash; counts those that were not there. */
static int dropin_directories(const char *path, unsigned *made)
{
    char part[PATH_MAX];
    snprintf(part, sizeof part, "%s", path);
    for (char *slash = part; (slash = strchr(slash + 1, '/')) != NULL;) {
        *slash = 0;
        if (mkdir(part, 0755) == 0)
            ++*made;
        else if (errno != EEXIST)
            return errno;
        *slash = '/';
    }
    return 0;
}

static int dropin_put(const char *path, const char *text)
{
    char draft[PATH_MAX];
    size_t length = strlen(text);
    if (snprintf(draft, sizeof draft, "%s.new", path) >= (int)sizeof draft)
        return ENAMETOOLONG;
    unlink(draft);
    int fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return errno;
    bool whole =
        write(fd, text, length) == (ssize_t)length && fchmod(fd, 0644) == 0 && fsync(fd) == 0;
    int code = whole ? 0 : errno ? errno : EIO;
    close(fd);
    if (code == 0 && rename(draft, path) != 0)
        code = errno;
    if (code != 0)
        unlink(draft);
    return code;
}

int dropin_write(struct dropin *dropin, const struct unit *unit, const char *body)
{
    int code = dropin_directories(dropin->path, &dropin->made);
    if (code != 0)
        return code;
    char *text = dropin_text(dropin, unit, body);
    code = dropin_put(dropin->path, text);
    free(text);
    return code;
}

int dropin_remove(const struct dropin *dropin)
{
    char part[PATH_MAX];
    snprintf(part, sizeof part, "%s", dropin->path);
    if (unlink(part) != 0)
        return errno;
    for (unsigned i = 0; i < dropin->made; i++) {
        char *slash = strrchr(part, '/');
        if (!slash || slash == part)
            break;
        *slash = 0;
        if (rmdir(part) != 0) /* somebody else uses it by now */
            break;
    }
    return 0;
}
