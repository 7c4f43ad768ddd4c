/* Any bytes as an ELF file, which doctor reads of programs that nobody vouches for: nothing is read
 * outside of it. The file is given as a heap block of its size, where every byte too far shows. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *input;

static void *fuzz_map(size_t size)
{
    void *copy = malloc(size);
    return copy ? memcpy(copy, input, size) : MAP_FAILED;
}
#define mmap(at, size, protection, flags, fd, offset) fuzz_map(size)
#define munmap(at, size)                              free(at)
#include "../../src/cli/elf.c"
#include "../../src/cli/elf_dynamic.c"
#undef mmap
#undef munmap

static void fuzz_text(void *context, const char *text)
{
    *(size_t *)context += strlen(text);
}
static void fuzz_symbol(void *context, const char *name, bool defined)
{
    *(size_t *)context += strlen(name) + defined;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct elf_reader reader = {
        .needs = fuzz_text, .path = fuzz_text, .version = fuzz_text, .symbol = fuzz_symbol};
    static int fd = -1;
    char path[32];
    struct elf elf;
    size_t total = 0;
    if (fd < 0)
        fd = memfd_create("elf", 0);
    if (ftruncate(fd, (off_t)size) != 0)
        return 0;
    input = data;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    elf_read(path, &elf);
    elf_dynamic(path, &reader, &total);
    return total == SIZE_MAX;
}
