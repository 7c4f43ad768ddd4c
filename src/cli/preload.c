#include "cli/preload.h"

#include <bsd/string.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef SP_LIBDIR
#define SP_LIBDIR "/usr/local/lib/shearpin"
#endif
#define PRELOAD_NAME "libshearpin.so"

static bool preload_try(char *out, size_t size, const char *directory, const char *below)
{
    char path[PRELOAD_SIZE], *real;
    if (snprintf(path, sizeof path, "%s%s/" PRELOAD_NAME, directory, below) >= (int)sizeof path ||
        access(path, R_OK) != 0)
        return false;
    real = realpath(path, NULL);
    bool fits = real && strlcpy(out, real, size) < size;
    free(real);
    return fits;
}

bool preload_find(char *out, size_t size)
{
    char self[PRELOAD_SIZE] = "";
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = 0;
    char *slash = strrchr(self, '/');
    if (slash) {
        *slash = 0;
        if (preload_try(out, size, self, "") || preload_try(out, size, self, "/../lib/shearpin"))
            return true;
    }
    if (preload_try(out, size, SP_LIBDIR, ""))
        return true;
    snprintf(out, size, "%s, %s/../lib/shearpin, " SP_LIBDIR, self, self);
    return false;
}

/* Is this element of LD_PRELOAD ours, by whatever path? */
static bool preload_ours(const char *element)
{
    const char *base = strrchr(element, '/');
    return strcmp(base ? base + 1 : element, PRELOAD_NAME) == 0;
}

char *preload_joined(const char *library, const char *before)
{
    size_t size = strlen(library) + strlen(before) + 2;
    char *kept = strdup(before), *all = malloc(size);
    if (kept && all)
        strlcpy(all, library, size);
    for (char *rest = kept, *element; all && (element = strsep(&rest, " :")) != NULL;) {
        if (*element && !preload_ours(element)) {
            strlcat(all, ":", size);
            strlcat(all, element, size);
        }
    }
    bool done = kept != NULL;
    free(kept);
    if (done)
        return all;
    free(all);
    return NULL;
}

bool preload_set(const char *library, const char **why)
{
    const char *before = getenv("LD_PRELOAD");
    if (strpbrk(library, " :")) {
        *why = "LD_PRELOAD cannot name a path with a blank or a colon";
        return false;
    }
    char *all = preload_joined(library, before ? before : "");
    bool set = all && setenv("LD_PRELOAD", all, 1) == 0;
    *why = "out of memory";
    free(all);
    return set;
}
