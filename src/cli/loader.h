/* loader.h - where ld.so finds a library: RUNPATH, its cache, its own directories. */
#ifndef SHEARPIN_CLI_LOADER_H
#define SHEARPIN_CLI_LOADER_H

#include <stdbool.h>
#include <stddef.h>

/* `name` as an object at `origin` with this RUNPATH asks for it. */
bool loader_find(char *out, size_t size, const char *name, const char *runpath, const char *origin);

#endif
