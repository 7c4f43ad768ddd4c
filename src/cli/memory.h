/* memory.h - memory for a command: where there is none it says so, and ends. */
#ifndef SHEARPIN_CLI_MEMORY_H
#define SHEARPIN_CLI_MEMORY_H

#include <stddef.h>

/* Zeroed, to be freed by the caller; never NULL, also for 0 of them. */
void *memory_new(size_t count, size_t size);
/* What malloc(), strdup() and the like have returned, unless that is NULL. */
void *memory_got(void *got);
_Noreturn void memory_out(void);

#endif
