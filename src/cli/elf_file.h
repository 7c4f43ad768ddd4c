/* elf_file.h - an ELF file that nobody vouches for: every access is checked against its size. */
#ifndef SHEARPIN_CLI_ELF_FILE_H
#define SHEARPIN_CLI_ELF_FILE_H

#include <elf.h>
#include <stddef.h>

#include "cli/elf.h"

struct elf_file {
    const unsigned char *at;
    uint64_t size;
    bool swap; /* the other byte order */
    bool wide; /* 64 bits */
};

/* Maps it; elf_close() after ELF_FINE. */
enum elf_kind elf_open(const char *path, struct elf_file *f);
void elf_close(struct elf_file *f);

/* `size` bytes of a number at `offset`; 0 beyond the end. */
uint64_t elf_number(const struct elf_file *f, uint64_t offset, unsigned size);

/* A field of a structure that is laid out by the file's class; `type` without Elf64_. */
#define ELF_FIELD(f, type, base, field)                                                          \
    elf_number(                                                                                  \
        f, (base) + ((f)->wide ? offsetof(Elf64_##type, field) : offsetof(Elf32_##type, field)), \
        (f)->wide ? sizeof((Elf64_##type){0}.field) : sizeof((Elf32_##type){0}.field))
#define ELF_SIZE(f, type)        ((f)->wide ? sizeof(Elf64_##type) : sizeof(Elf32_##type))
#define ELF_EHDR(f, field)       ELF_FIELD(f, Ehdr, 0, field)
#define ELF_PHDR(f, base, field) ELF_FIELD(f, Phdr, base, field)
#define ELF_SHDR(f, base, field) ELF_FIELD(f, Shdr, base, field)

#endif
