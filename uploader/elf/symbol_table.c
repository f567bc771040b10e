/* SPDX-License-Identifier: Apache-2.0 */
#include "symbol_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/segment/code_frame.h"
#include "uploader/base/array.h"

enum {
    SECTIONS_MOST = 65536,
    NEIGHBOURS = 16,      /* entries before an address that may still cover it */
    DROP_EVERY = 1 << 17, /* symbols (3 MB of file) read between two drops of pages */
};

/* A flag in a size while the table is made: the symbol ends where the next one starts, or with its section. */
static const uint32_t unsized = UINT32_C(1) << 31;

/* What the scan of one symbol section knows. */
struct scan {
    struct symbol_table *table;
    size_t room;
    uint64_t *section_end; /* by section index; 0: not executable */
    size_t sections;
    bool dynamic;
};

static int sections_read(struct scan *scan, Elf *elf)
{
    GElf_Shdr header;
    if (elf_getshdrnum(elf, &scan->sections) < 0 || scan->sections > SECTIONS_MOST)
        return -EINVAL;
    scan->section_end = calloc(scan->sections + 1, sizeof *scan->section_end);
    if (!scan->section_end)
        return -ENOMEM;
    scan->table->base = elf_file_code_base(elf);
    for (Elf_Scn *section = NULL; elf_file_next_section(elf, &section, &header);)
        if (header.sh_flags & SHF_EXECINSTR)
            scan->section_end[elf_ndxscn(section)] = header.sh_addr + header.sh_size;
    return 0;
}

static bool is_function(const struct scan *scan, const GElf_Sym *symbol)
{
    const unsigned type = GELF_ST_TYPE(symbol->st_info);
    if (type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE)
        return false;
    /* .dynsym has no local symbols, so a symbol without a size could cover all unnamed functions behind it. Where a
       function ends its code says: musl's memcpy() is one. */
    if (symbol->st_size == 0 && scan->dynamic && type != STT_FUNC)
        return false;
    return symbol->st_shndx < scan->sections && symbol->st_name &&
           symbol->st_value < scan->section_end[symbol->st_shndx] && symbol->st_value >= scan->table->base &&
           symbol->st_value - scan->table->base < UINT32_MAX;
}

/* Of the names of one address, the one that people write in their sources ranks highest: malloc, not __libc_malloc. */
static unsigned name_rank(const GElf_Sym *symbol, const char *name)
{
    const unsigned binding = GELF_ST_BIND(symbol->st_info);
    unsigned underscores = 0;
    if (!(name[0] == '_' && (name[1] == 'Z' || name[1] == 'R')))
        while (underscores < 3 && name[underscores] == '_')
            underscores++;
    return (symbol->st_size != 0) << 6 | (GELF_ST_TYPE(symbol->st_info) != STT_NOTYPE) << 5 |
           (binding != STB_LOCAL) << 4 | (3 - underscores) << 2 | (binding == STB_GLOBAL) << 1;
}

/* While the table is made, an entry's name is the symbol's index. */
static int symbol_add(struct scan *scan, const GElf_Sym *symbol, uint32_t index)
{
    struct symbol_table *table = scan->table;
    struct symbol_entry *grown = array_reserve(table->entry, &scan->room, table->count, sizeof *grown);
    if (!grown)
        return -ENOMEM;
    table->entry = grown;
    uint64_t size = scan->section_end[symbol->st_shndx] - symbol->st_value;
    if (symbol->st_size && symbol->st_size < size)
        size = symbol->st_size;
    if (size >= unsized)
        size = unsized - 1;
    table->entry[table->count++] =
        (struct symbol_entry){.offset = (uint32_t)(symbol->st_value - table->base),
                              .size = (uint32_t)size | (symbol->st_size ? 0 : unsized),
                              .name = index};
    return 0;
}

static int symbols_collect(struct scan *scan, const struct elf_file *file, Elf_Data *data, size_t count)
{
    GElf_Sym symbol;
    for (size_t i = 1; i < count; i++) {
        if (gelf_getsym(data, (int)i, &symbol) && is_function(scan, &symbol) &&
            symbol_add(scan, &symbol, (uint32_t)i) < 0)
            return -ENOMEM;
        if (i % DROP_EVERY == 0)
            elf_file_drop_pages(file);
    }
    return scan->table->count ? 0 : -ENOENT;
}

static int entry_compare(const void *a, const void *b)
{
    const struct symbol_entry *left = a, *right = b;
    if (left->offset != right->offset)
        return left->offset < right->offset ? -1 : 1;
    return left->name < right->name ? -1 : left->name > right->name;
}

/* The best of the entries [first, end), which share an address, with its final name. */
static struct symbol_entry best_alias(const struct symbol_table *table, Elf_Data *data, size_t first,
                                      size_t end)
{
    struct symbol_entry best = {0};
    const char *best_name = NULL;
    unsigned best_rank = 0;
    for (size_t i = first; i < end; i++) {
        GElf_Sym symbol;
        if (!gelf_getsym(data, (int)table->entry[i].name, &symbol))
            continue;
        const char *name = elf_strptr(table->elf, table->strings, symbol.st_name);
        if (!name || !*name || *name == '$')
            continue;
        const unsigned rank = name_rank(&symbol, name);
        if (best_name && (rank < best_rank || (rank == best_rank && strcmp(name, best_name) >= 0)))
            continue;
        best = table->entry[i];
        best.name = (uint32_t)symbol.st_name;
        best_name = name;
        best_rank = rank;
    }
    return best;
}

/* Keeps one entry an address. Labels inside a function go. */
static void aliases_settle(struct symbol_table *table, Elf_Data *data)
{
    size_t kept = 0;
    uint64_t covered = 0;
    for (size_t first = 0, end; first < table->count; first = end) {
        const uint32_t offset = table->entry[first].offset;
        for (end = first + 1; end < table->count && table->entry[end].offset == offset;)
            end++;
        const struct symbol_entry best = best_alias(table, data, first, end);
        if (!best.name || ((best.size & unsized) && offset < covered))
            continue;
        if (!(best.size & unsized) && (uint64_t)offset + best.size > covered)
            covered = (uint64_t)offset + best.size;
        table->entry[kept++] = best;
    }
    table->count = kept;
}

static bool read_code(void *context, uint64_t address, uint8_t *code)
{
    const struct scan *scan = context;
    Elf_Scn *section = NULL;
    Elf_Data *data;
    GElf_Shdr header;

    while (elf_file_next_section(scan->table->elf, &section, &header)) {
        uint64_t from = address - header.sh_addr;
        if (!(header.sh_flags & SHF_EXECINSTR) || from >= header.sh_size)
            continue;
        data = elf_rawdata(section, NULL);
        if (!data || !data->d_buf || data->d_size < CODE_BYTES || from > data->d_size - CODE_BYTES)
            return false;
        memcpy(code, (const uint8_t *)data->d_buf + from, CODE_BYTES);
        return true;
    }
    return false;
}

/* As far as the code of the entry reaches, which ends at most where its size does. */
static uint32_t reach_of(struct scan *scan, const struct symbol_entry *entry)
{
    static struct code_room room;
    const struct code_source source = {.read = read_code, .context = scan};
    uint64_t start = scan->table->base + entry->offset;
    return (uint32_t)code_extent(&source, start, start + entry->size, &room);
}

/* Gives a size to symbols without one, which are common in hand-written assembly. */
static void sizes_settle(struct scan *scan)
{
    struct symbol_table *table = scan->table;
    for (size_t i = 0; i < table->count; i++) {
        struct symbol_entry *entry = &table->entry[i];
        if (!(entry->size & unsized))
            continue;
        entry->size &= ~unsized;
        if (i + 1 < table->count && entry[1].offset - entry->offset < entry->size)
            entry->size = entry[1].offset - entry->offset;
        if (scan->dynamic)
            entry->size = reach_of(scan, entry);
    }
}

static int table_fill(struct scan *scan, const struct elf_file *file, Elf_Scn *section,
                      const GElf_Shdr *header)
{
    struct symbol_table *table = scan->table;
    Elf_Data *data = elf_getdata(section, NULL);
    if (!data || !header->sh_entsize)
        return -ENOENT;
    table->elf = file->elf;
    table->strings = header->sh_link;
    const size_t count = data->d_size / header->sh_entsize;
    int error = sections_read(scan, file->elf);
    if (error == 0)
        error = symbols_collect(scan, file, data, count < INT32_MAX ? count : INT32_MAX);
    if (error < 0)
        return error;
    qsort(table->entry, table->count, sizeof *table->entry, entry_compare);
    aliases_settle(table, data);
    sizes_settle(scan);
    table->entry = array_fit(table->entry, &scan->room, table->count, sizeof *table->entry);
    return table->count ? 0 : -ENOENT;
}

int symbol_table_read(struct symbol_table *table, const struct elf_file *file, uint32_t type)
{
    struct scan scan = {.table = table, .dynamic = type == SHT_DYNSYM};
    Elf_Scn *section;
    GElf_Shdr header;
    *table = (struct symbol_table){0};
    if (!file->elf || !elf_file_section(file->elf, NULL, type, &section, &header))
        return -ENOENT;
    const int error = table_fill(&scan, file, section, &header);
    free(scan.section_end);
    if (error < 0)
        symbol_table_free(table);
    elf_file_drop_pages(file);
    return error;
}

void symbol_table_free(struct symbol_table *table)
{
    free(table->entry);
    *table = (struct symbol_table){0};
}

bool symbol_table_find(const struct symbol_table *table, uint64_t address, struct table_symbol *symbol)
{
    const uint64_t offset = address - table->base;
    if (address < table->base)
        return false;
    const size_t until = array_count_until(table->entry, table->count, sizeof *table->entry, offset);
    for (size_t i = 0; i < NEIGHBOURS && i < until; i++) {
        const struct symbol_entry *entry = &table->entry[until - 1 - i];
        if (offset - entry->offset >= entry->size)
            continue;
        symbol->name = elf_strptr(table->elf, table->strings, entry->name);
        symbol->start = table->base + entry->offset;
        return symbol->name != NULL;
    }
    return false;
}

/* The address of the pointer that a stub jumps through, by its `jmp *displacement(%rip)`. 0: there is none. */
static uint64_t stub_slot(const uint8_t *code, size_t size, uint64_t start)
{
    for (size_t i = 0; i + 6 <= size; i++) {
        int32_t displacement;
        if (code[i] != 0xff || code[i + 1] != 0x25)
            continue;
        memcpy(&displacement, code + i + 2, sizeof displacement);
        return start + i + 6 + (uint64_t)(int64_t)displacement;
    }
    return 0;
}

/* The name of the symbol that a relocation puts into the slot. */
static const char *slot_symbol(Elf *elf, Elf_Scn *section, const GElf_Shdr *header, uint64_t slot)
{
    GElf_Shdr symbols_header;
    Elf_Scn *symbols = elf_getscn(elf, header->sh_link);
    Elf_Data *data = elf_getdata(section, NULL), *symbol_data = symbols ? elf_getdata(symbols, NULL) : NULL;
    if (!data || !symbol_data || !header->sh_entsize || !gelf_getshdr(symbols, &symbols_header))
        return NULL;
    for (size_t i = 0; i < data->d_size / header->sh_entsize; i++) {
        GElf_Rela rela;
        GElf_Sym symbol;
        if (!gelf_getrela(data, (int)i, &rela) || rela.r_offset != slot)
            continue;
        if (!gelf_getsym(symbol_data, (int)GELF_R_SYM(rela.r_info), &symbol))
            return NULL;
        return elf_strptr(elf, symbols_header.sh_link, symbol.st_name);
    }
    return NULL;
}

static const char *plt_symbol(Elf *elf, Elf_Scn *section, const GElf_Shdr *header, uint64_t address)
{
    const Elf_Data *data = elf_getdata(section, NULL);
    const uint64_t entry_size = header->sh_entsize == 8 ? 8 : 16;
    const uint64_t offset = (address - header->sh_addr) / entry_size * entry_size;
    if (!data || !data->d_buf || data->d_size < offset + entry_size)
        return NULL;
    const uint64_t slot =
        stub_slot((const uint8_t *)data->d_buf + offset, entry_size, header->sh_addr + offset);
    GElf_Shdr rela_header;
    for (Elf_Scn *relas = NULL; slot && elf_file_next_section(elf, &relas, &rela_header);) {
        if (rela_header.sh_type != SHT_RELA)
            continue;
        const char *name = slot_symbol(elf, relas, &rela_header, slot);
        if (name && *name)
            return name;
    }
    return NULL;
}

const char *symbol_table_plt(Elf *elf, uint64_t address)
{
    static const char *const names[] = {".plt", ".plt.sec", ".plt.got"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        Elf_Scn *section;
        GElf_Shdr header;
        if (elf_file_section(elf, names[i], 0, &section, &header) && header.sh_type == SHT_PROGBITS &&
            address - header.sh_addr < header.sh_size)
            return plt_symbol(elf, section, &header, address);
    }
    return NULL;
}
