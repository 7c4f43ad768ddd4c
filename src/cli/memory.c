#include "cli/memory.h"

#include <stdlib.h>

#include "cli/say.h"

void memory_out(void)
{
    say_error("out of memory");
    exit(CLI_SYSTEM);
}

void *memory_got(void *got)
{
    if (!got)
        memory_out();
    return got;
}

void *memory_new(size_t count, size_t size)
{
    return memory_got(calloc(count ? count : 1, size));
}
