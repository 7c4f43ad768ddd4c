#include "cli/elf_dynamic.h"

#include <string.h>

#include "cli/elf_file.h"

/* Of the dynamic section; all but the offset are addresses as the loader sees them. */
struct dynamic {
    uint64_t at, size;
    uint64_t strings, symbols, versions, version_count;
};

/* The place of a loaded address in the file; beyond the end when nothing is loaded there. */
static uint64_t dynamic_offset(const struct elf_file *f, uint64_t address)
{
    uint64_t base = ELF_EHDR(f, e_phoff), step = ELF_EHDR(f, e_phentsize);
    for (uint64_t i = 0, n = ELF_EHDR(f, e_phnum); i < n; i++, base += step) {
        uint64_t from = ELF_PHDR(f, base, p_vaddr), size = ELF_PHDR(f, base, p_filesz);
        if (ELF_PHDR(f, base, p_type) == PT_LOAD && address >= from && address - from < size)
            return ELF_PHDR(f, base, p_offset) + (address - from);
    }
    return UINT64_MAX;
}

#define DYNAMIC_TEXT 4096 /* C++ has long names, but not so long */
#define DYNAMIC_MOST 4096 /* versions of a library, libraries with versions */

/* A text that ends inside of the file, else "". */
static const char *dynamic_text(const struct elf_file *f, uint64_t table, uint64_t offset)
{
    uint64_t at = table + offset;
    if (at < table || at >= f->size)
        return "";
    uint64_t room = f->size - at < DYNAMIC_TEXT ? f->size - at : DYNAMIC_TEXT;
    if (!memchr(f->at + at, 0, room))
        return "";
    return (const char *)f->at + at;
}

static bool dynamic_find(const struct elf_file *f, struct dynamic *d)
{
    uint64_t base = ELF_EHDR(f, e_phoff), step = ELF_EHDR(f, e_phentsize);
    memset(d, 0, sizeof *d);
    for (uint64_t i = 0, n = ELF_EHDR(f, e_phnum); i < n; i++, base += step) {
        if (ELF_PHDR(f, base, p_type) == PT_DYNAMIC) {
            d->at = ELF_PHDR(f, base, p_offset);
            d->size = ELF_PHDR(f, base, p_filesz);
        }
    }
    return d->size > 0 && d->at < f->size;
}

/* Every entry of the section, in two passes: where the tables are, then what they hold. */
#define DYNAMIC_EACH(f, d, entry)                                             \
    for (uint64_t entry = (d)->at, end = (d)->at + (d)->size;                 \
         entry < end && entry < (f)->size && ELF_FIELD(f, Dyn, entry, d_tag); \
         entry += ELF_SIZE(f, Dyn))

static void dynamic_tables(const struct elf_file *f, struct dynamic *d)
{
    DYNAMIC_EACH(f, d, entry)
    {
        uint64_t value = ELF_FIELD(f, Dyn, entry, d_un);
        switch (ELF_FIELD(f, Dyn, entry, d_tag)) {
        case DT_STRTAB:
            d->strings = dynamic_offset(f, value);
            break;
        case DT_SYMTAB:
            d->symbols = dynamic_offset(f, value);
            break;
        case DT_VERNEED:
            d->versions = dynamic_offset(f, value);
            break;
        case DT_VERNEEDNUM:
            d->version_count = value;
            break;
        }
    }
}

static void dynamic_needs(const struct elf_file *f, const struct dynamic *d,
                          const struct elf_reader *reader, void *context)
{
    DYNAMIC_EACH(f, d, entry)
    {
        uint64_t tag = ELF_FIELD(f, Dyn, entry, d_tag);
        const char *text = dynamic_text(f, d->strings, ELF_FIELD(f, Dyn, entry, d_un));
        if (tag == DT_NEEDED && reader->needs && *text)
            reader->needs(context, text);
        if ((tag == DT_RUNPATH || tag == DT_RPATH) && reader->path && *text)
            reader->path(context, text);
    }
}

static void dynamic_versions(const struct elf_file *f, const struct dynamic *d,
                             const struct elf_reader *reader, void *context)
{
    uint64_t need = d->versions;
    for (uint64_t i = 0; i < d->version_count && i < DYNAMIC_MOST && need < f->size; i++) {
        uint64_t aux = need + ELF_FIELD(f, Verneed, need, vn_aux);
        for (uint64_t k = 0, n = ELF_FIELD(f, Verneed, need, vn_cnt);
             k < n && k < DYNAMIC_MOST && aux < f->size; k++) {
            reader->version(context,
                            dynamic_text(f, d->strings, ELF_FIELD(f, Vernaux, aux, vna_name)));
            uint64_t step = ELF_FIELD(f, Vernaux, aux, vna_next);
            if (step == 0)
                break;
            aux += step;
        }
        uint64_t step = ELF_FIELD(f, Verneed, need, vn_next);
        if (step == 0)
            break;
        need += step;
    }
}

/* How many there are is told by the section; a file without sections has its strings behind its
 * symbols, as every linker lays them. */
static uint64_t dynamic_symbol_count(const struct elf_file *f, const struct dynamic *d)
{
    uint64_t base = ELF_EHDR(f, e_shoff), step = ELF_EHDR(f, e_shentsize);
    for (uint64_t i = 0, n = ELF_EHDR(f, e_shnum); base != 0 && i < n; i++, base += step) {
        if (ELF_SHDR(f, base, sh_type) == SHT_DYNSYM)
            return ELF_SHDR(f, base, sh_size) / ELF_SIZE(f, Sym);
    }
    return d->strings > d->symbols ? (d->strings - d->symbols) / ELF_SIZE(f, Sym) : 0;
}

static void dynamic_symbols(const struct elf_file *f, const struct dynamic *d,
                            const struct elf_reader *reader, void *context)
{
    uint64_t at = d->symbols;
    for (uint64_t i = 0, n = dynamic_symbol_count(f, d); i < n && at < f->size;
         i++, at += ELF_SIZE(f, Sym)) {
        const char *name = dynamic_text(f, d->strings, ELF_FIELD(f, Sym, at, st_name));
        if (*name)
            reader->symbol(context, name, ELF_FIELD(f, Sym, at, st_shndx) != SHN_UNDEF);
    }
}

enum elf_kind elf_dynamic(const char *path, const struct elf_reader *reader, void *context)
{
    struct elf_file file;
    struct dynamic dynamic;
    enum elf_kind kind = elf_open(path, &file);
    if (kind != ELF_FINE)
        return kind;
    if (dynamic_find(&file, &dynamic)) {
        dynamic_tables(&file, &dynamic);
        dynamic_needs(&file, &dynamic, reader, context);
        if (reader->version && dynamic.versions)
            dynamic_versions(&file, &dynamic, reader, context);
        if (reader->symbol && dynamic.symbols)
            dynamic_symbols(&file, &dynamic, reader, context);
    }
    elf_close(&file);
    return ELF_FINE;
}
