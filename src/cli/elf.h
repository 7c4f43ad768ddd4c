/* elf.h - the few facts of an ELF file that decide whether LD_PRELOAD reaches it. */
#ifndef SHEARPIN_CLI_ELF_H
#define SHEARPIN_CLI_ELF_H

#include <stdbool.h>
#include <stdint.h>

enum elf_kind {
    ELF_FINE,
    ELF_NONE,      /* it is no ELF file */
    ELF_UNREADABLE /* it cannot be opened, or is damaged */
};

struct elf {
    unsigned bits;    /* 32 or 64 */
    unsigned machine; /* EM_X86_64 ... */
    bool go;
    char interpreter[256]; /* "" when it has none */
};

enum elf_kind elf_read(const char *path, struct elf *elf);

#endif
