#include "cli/elf.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/elf_file.h"

uint64_t elf_number(const struct elf_file *f, uint64_t offset, unsigned size)
{
    uint64_t n = 0;
    if (offset > f->size || f->size - offset < size)
        return 0;
    for (unsigned i = 0; i < size; i++) {
        unsigned from = f->swap == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) ? i : size - 1 - i;
        n = n << 8 | f->at[offset + from];
    }
    return n;
}

static bool elf_text_at(const struct elf_file *f, uint64_t offset, const char *text)
{
    size_t length = strlen(text) + 1;
    return offset <= f->size && f->size - offset >= length &&
           memcmp(f->at + offset, text, length) == 0;
}

static void elf_segments(const struct elf_file *f, struct elf *elf)
{
    uint64_t base = ELF_EHDR(f, e_phoff), step = ELF_EHDR(f, e_phentsize);
    for (uint64_t i = 0, n = ELF_EHDR(f, e_phnum); i < n; i++, base += step) {
        uint64_t type = ELF_PHDR(f, base, p_type), at = ELF_PHDR(f, base, p_offset);
        uint64_t size = ELF_PHDR(f, base, p_filesz);
        if (type == PT_INTERP && at < f->size && size < sizeof elf->interpreter &&
            f->size - at >= size)
            memcpy(elf->interpreter, f->at + at, size);
        else if (type == PT_NOTE && elf_text_at(f, at + 12, "Go"))
            elf->go = true; /* the build id of the Go linker; survives strip */
    }
}

static void elf_sections(const struct elf_file *f, struct elf *elf)
{
    uint64_t base = ELF_EHDR(f, e_shoff), step = ELF_EHDR(f, e_shentsize);
    uint64_t count = ELF_EHDR(f, e_shnum), names = base + ELF_EHDR(f, e_shstrndx) * step;
    uint64_t text = ELF_SHDR(f, names, sh_offset);
    for (uint64_t i = 0; base != 0 && i < count; i++, base += step) {
        uint64_t name = text + ELF_SHDR(f, base, sh_name);
        if (elf_text_at(f, name, ".note.go.buildid") || elf_text_at(f, name, ".go.buildinfo"))
            elf->go = true;
    }
}

enum elf_kind elf_open(const char *path, struct elf_file *f)
{
    struct stat st;
    memset(f, 0, sizeof *f);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return ELF_UNREADABLE;
    bool plain = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    void *at = plain && st.st_size > 0
                   ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0)
                   : MAP_FAILED;
    close(fd);
    if (at == MAP_FAILED)
        return plain && st.st_size == 0 ? ELF_NONE : ELF_UNREADABLE;
    *f = (struct elf_file){.at = at, .size = (uint64_t)st.st_size};
    if (f->size < EI_NIDENT || memcmp(f->at, ELFMAG, SELFMAG) != 0) {
        elf_close(f);
        return ELF_NONE;
    }
    f->wide = f->at[EI_CLASS] == ELFCLASS64;
    f->swap =
        f->at[EI_DATA] != (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB);
    return ELF_FINE;
}

void elf_close(struct elf_file *f)
{
    if (f->at)
        munmap((void *)(uintptr_t)f->at, f->size);
    f->at = NULL;
}

enum elf_kind elf_read(const char *path, struct elf *elf)
{
    struct elf_file file;
    memset(elf, 0, sizeof *elf);
    enum elf_kind kind = elf_open(path, &file);
    if (kind != ELF_FINE)
        return kind;
    elf->bits = file.wide ? 64 : 32;
    elf->machine = (unsigned)ELF_EHDR(&file, e_machine);
    elf_segments(&file, elf);
    elf_sections(&file, elf);
    elf_close(&file);
    return ELF_FINE;
}
