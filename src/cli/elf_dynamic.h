/* elf_dynamic.h - what an ELF file asks of others, and what it offers: read as ld.so would. */
#ifndef SHEARPIN_CLI_ELF_DYNAMIC_H
#define SHEARPIN_CLI_ELF_DYNAMIC_H

#include "cli/elf.h"

/* Each may be NULL. Texts live as long as the call. */
struct elf_reader {
    void (*needs)(void *context, const char *library);
    void (*path)(void *context, const char *path);       /* RUNPATH or RPATH, $ORIGIN as it is */
    void (*version)(void *context, const char *version); /* that it needs: "GLIBC_2.34" */
    void (*symbol)(void *context, const char *name, bool defined);
};

enum elf_kind elf_dynamic(const char *path, const struct elf_reader *reader, void *context);

#endif
