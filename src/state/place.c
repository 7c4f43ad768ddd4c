/* place.c - the names of segments and the directories they live in. */
#include "shearpin/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/digits.h"
#include "base/random.h"

static bool place_word(const char *name)
{
    size_t n = 0;
    while ((name[n] >= 'a' && name[n] <= 'z') || (name[n] >= 'A' && name[n] <= 'Z') ||
           (name[n] >= '0' && name[n] <= '9') || name[n] == '.' || name[n] == '_' || name[n] == '-')
        n++;
    return n > 0 && n < SP_NAME_SIZE && name[0] != '.' && name[n] == 0;
}

/* The line `NAME:x:GID:...` of one block of /etc/group; NSS would drag plugins into the program. */
static bool place_group_line(const char *text, const char *group, unsigned *gid)
{
    size_t n = strlen(group);
    for (const char *line = text; line && *line; line = strchr(line, '\n')) {
        if (*line == '\n')
            line++;
        if (strncmp(line, group, n) != 0 || line[n] != ':')
            continue;
        const char *number = strchr(line + n + 1, ':');
        uint64_t value;
        const char *end = number ? sp_digits(number + 1, &value) : NULL;
        if (!end || *end != ':' || value > UINT32_MAX) /* cut off, or no number */
            return false;
        *gid = (unsigned)value;
        return true;
    }
    return false;
}

static void place_groups(char *text, size_t size)
{
    size_t length = 0;
    ssize_t more = 1;
    int fd = open("/etc/group", O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && more > 0 && length < size - 1) {
        more = read(fd, text + length, size - 1 - length);
        length += more > 0 ? (size_t)more : 0;
    }
    if (fd >= 0)
        close(fd);
    text[length] = 0;
}

static int place_gid(const char *group, unsigned *gid, struct sp_error *error)
{
    char text[65536];
    if (strspn(group, "0123456789") == strlen(group)) {
        uint64_t number;
        if (!sp_digits(group, &number) || number > UINT32_MAX - 1)
            return sp_error_set(error, EINVAL, "%.30s is too big for the number of a group", group);
        *gid = (unsigned)number;
        return 0;
    }
    place_groups(text, sizeof text);
    if (place_group_line(text, group, gid))
        return 0;
    return sp_error_set(error, ENOENT,
                        "group '%s' is not in /etc/group; `segment NAME group G` "
                        "takes a name or a number from there",
                        group);
}

/* Every start comes here, and printf would be most of what this costs. */
static size_t place_put(char *out, size_t size, size_t at, const char *text)
{
    size_t length = strlen(text);
    if (at + length < size)
        memcpy(out + at, text, length + 1);
    return at + length;
}

static size_t place_number(char *out, size_t size, size_t at, unsigned number)
{
    char digits[12], *first = digits + sizeof digits - 1;
    *first = 0;
    do
        *--first = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    return place_put(out, size, at, first);
}

int sp_place_path(char *out, size_t size, const char *directory, const char *name,
                  const char *group, struct sp_error *error)
{
    char own[SP_NAME_SIZE];
    unsigned gid = 0;
    const char *at = strchr(name, '@'); /* NAME@GROUP, as SHEARPIN_SEGMENT and -s carry it */
    if (at && at[1] && (size_t)(at - name) < sizeof own) {
        snprintf(own, sizeof own, "%.*s", (int)(at - name), name);
        group = at + 1;
        name = own;
    }
    if (!directory || !*directory)
        directory = "/dev/shm";
    if (!place_word(name))
        return sp_error_set(error, EINVAL,
                            "segment name '%.60s' must be 1 to %d characters of "
                            "letters, digits, . _ - and not begin with a dot",
                            name, SP_NAME_SIZE - 1);
    if (group && *group && place_gid(group, &gid, error) != 0)
        return -1;
    bool shared = group && *group;
    size_t n = place_put(out, size, 0, directory);
    n = place_put(out, size, n, "/shearpin.v");
    n = place_number(out, size, n, SP_LAYOUT);
    n = place_put(out, size, n, shared ? ".g" : ".");
    n = place_number(out, size, n, shared ? gid : geteuid());
    n = place_put(out, size, n, shared ? "/" : ".");
    if (place_put(out, size, n, name) >= size)
        return sp_error_set(error, ENAMETOOLONG, "path of segment '%s' in %.100s is too long", name,
                            directory);
    return 0;
}

int sp_place_name(char *out, size_t size, const struct sp_policy *policy, const char *policy_path,
                  struct sp_error *error)
{
    char full[4096], stem[32];
    if (policy && policy->segment[0]) {
        size_t length = strnlen(policy->segment, sizeof policy->segment - 1);
        length = length < size ? length : size - 1;
        memcpy(out, policy->segment, length);
        out[length] = 0;
        return 0;
    }
    if (!policy_path)
        errno = ENOENT;
    if (!policy_path || !realpath(policy_path, full))
        return sp_error_set(error, errno, "no segment name: policy %s cannot be resolved: %s",
                            policy_path ? policy_path : "(none)", strerror(errno));
    const char *base = strrchr(full, '/');
    base = base ? base + 1 : full;
    snprintf(stem, sizeof stem, "%.*s", (int)strcspn(base, "."), base);
    for (char *p = stem; *p; p++) {
        char one[2] = {*p, 0};
        if (!place_word(one))
            *p = '_';
    }
    snprintf(out, size, "%s-%08x", *stem ? stem : "policy", (unsigned)sp_hash(full, strlen(full)));
    return 0;
}
