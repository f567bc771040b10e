/* SPDX-License-Identifier: Apache-2.0 */
#include "elf_dynamic.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sys/uio.h>

#include "elf_builder.h"
#include "uploader/process/owner.h"

enum {
    HEADERS_MOST = 64,
    ENTRIES_MOST = 512,                   /* of PT_DYNAMIC */
    SYMBOLS_MOST = 1 << 20,               /* 24 MiB */
    STRINGS_MOST = 64 << 20,              /* bytes */
    BUCKETS_MOST = 1 << 20,               /* of a hash table */
    FRAMES_MOST = 64 << 20,               /* bytes of .eh_frame_hdr */
    NOTE_MOST = 4096,                     /* bytes of a segment of notes; longer ones hold other things */
    CODE_MOST = 8,                        /* segments */
    PART_MOST = 1 << 20,                  /* bytes of a process read at one time */
    NOTES_MOST = 8,                       /* segments */
    SECTIONS = CODE_MOST + NOTES_MOST + 3 /* with .dynsym, .dynstr, .eh_frame_hdr */
};
_Static_assert((int)SECTIONS <= (int)ELF_BUILDER_SECTIONS, "a file has room for all");

/* What PT_DYNAMIC says. 0: nothing. */
struct dynamic {
    uint64_t symbols, strings, strings_size, hash, gnu_hash;
};

struct making {
    const struct dynamic_source *source;
    struct dynamic dynamic;
    struct built_section section[SECTIONS];
    void *block[SECTIONS]; /* freed at the end */
    unsigned sections, code;
};

static bool is_loaded(const struct dynamic_source *source, uint64_t address)
{
    for (size_t i = 0; i < source->headers; i++)
        if (source->header[i].p_type == PT_LOAD &&
            address - source->header[i].p_vaddr < source->header[i].p_memsz)
            return true;
    return false;
}

/* glibc's loader writes addresses of the process into the table, musl's leaves it alone. */
static uint64_t address_of(const struct dynamic_source *source, uint64_t value)
{
    return is_loaded(source, value) ? value : value - source->bias;
}

static void dynamic_entry(struct making *making, const Elf64_Dyn *entry)
{
    struct dynamic *dynamic = &making->dynamic;
    const uint64_t address = address_of(making->source, entry->d_un.d_ptr);

    switch (entry->d_tag) {
    case DT_SYMTAB:
        dynamic->symbols = address;
        break;
    case DT_STRTAB:
        dynamic->strings = address;
        break;
    case DT_STRSZ:
        dynamic->strings_size = entry->d_un.d_val;
        break;
    case DT_HASH:
        dynamic->hash = address;
        break;
    case DT_GNU_HASH:
        dynamic->gnu_hash = address;
        break;
    }
}

static void dynamic_read(struct making *making, const Elf64_Phdr *header)
{
    Elf64_Dyn entry;

    for (size_t i = 0; i < ENTRIES_MOST && (i + 1) * sizeof entry <= header->p_memsz; i++) {
        if (!making->source->read(making->source, header->p_vaddr + i * sizeof entry, &entry, sizeof entry) ||
            entry.d_tag == DT_NULL)
            return;
        dynamic_entry(making, &entry);
    }
}

/* A copy of what is loaded there, freed at the end. NULL: it is not there, or no memory. */
static void *copy(struct making *making, uint64_t address, size_t size)
{
    void *block = size ? malloc(size) : NULL;

    if (block && !making->source->read(making->source, address, block, size)) {
        free(block);
        block = NULL;
    }
    making->block[making->sections] = block;
    return block;
}

static void section_add(struct making *making, struct built_section section)
{
    making->section[making->sections++] = section;
}

/* The chains of a GNU hash table end at the last symbol, which is the only way to learn how many there are. */
static uint32_t gnu_hash_count(const struct dynamic_source *source, uint64_t table)
{
    uint32_t head[4], bucket, last = 0, word = 0; /* buckets, first symbol, words of the filter, shift */
    uint64_t at;

    if (!source->read(source, table, head, sizeof head) || head[0] > BUCKETS_MOST || head[2] > BUCKETS_MOST)
        return 0;
    at = table + sizeof head + head[2] * sizeof(uint64_t);
    for (uint32_t i = 0; i < head[0]; i++) {
        if (!source->read(source, at + i * sizeof bucket, &bucket, sizeof bucket))
            return 0;
        last = bucket > last ? bucket : last;
    }
    at += head[0] * sizeof bucket;
    if (last < head[1] || last > SYMBOLS_MOST)
        return head[1] <= SYMBOLS_MOST ? head[1] : 0;
    while (!(word & 1) && last < SYMBOLS_MOST) {
        if (!source->read(source, at + (last - head[1]) * sizeof word, &word, sizeof word))
            return 0;
        last++;
    }
    return last;
}

/* Without a hash table: linkers put the strings right behind the symbols. */
static uint32_t symbol_count(const struct making *making)
{
    const struct dynamic *dynamic = &making->dynamic;
    uint64_t count = 0;
    uint32_t head[2]; /* buckets, chains: as many as symbols */

    if (dynamic->hash && making->source->read(making->source, dynamic->hash, head, sizeof head))
        count = head[1];
    else if (dynamic->gnu_hash)
        count = gnu_hash_count(making->source, dynamic->gnu_hash);
    else if (dynamic->strings > dynamic->symbols)
        count = (dynamic->strings - dynamic->symbols) / sizeof(Elf64_Sym);
    return count <= SYMBOLS_MOST ? (uint32_t)count : 0;
}

/* The symbol's section becomes the one that is made for its code. */
static void symbol_move(const struct making *making, Elf64_Sym *symbol)
{
    const uint16_t was = symbol->st_shndx;

    symbol->st_shndx = was == SHN_UNDEF ? SHN_UNDEF : SHN_ABS;
    for (unsigned i = 0; was != SHN_UNDEF && i < making->code; i++)
        if (symbol->st_value - making->section[i].address < making->section[i].size)
            symbol->st_shndx = (uint16_t)(i + 1);
}

static void add_symbols(struct making *making)
{
    const struct dynamic *dynamic = &making->dynamic;
    const size_t count = dynamic->symbols ? symbol_count(making) : 0;
    Elf64_Sym *symbol;
    void *strings;

    if (!count || !dynamic->strings || dynamic->strings_size > STRINGS_MOST ||
        !(symbol = copy(making, dynamic->symbols, count * sizeof *symbol)))
        return;
    for (size_t i = 0; i < count; i++)
        symbol_move(making, &symbol[i]);
    section_add(making, (struct built_section){.name = ".dynsym",
                                               .data = symbol,
                                               .size = count * sizeof *symbol,
                                               .type = SHT_DYNSYM,
                                               .flags = SHF_ALLOC,
                                               .address = dynamic->symbols,
                                               .entry_size = sizeof *symbol,
                                               .link = making->sections + 2});
    strings = copy(making, dynamic->strings, dynamic->strings_size);
    section_add(making, (struct built_section){.name = ".dynstr",
                                               .data = strings,
                                               .size = strings ? dynamic->strings_size : 0,
                                               .type = SHT_STRTAB,
                                               .flags = SHF_ALLOC,
                                               .address = dynamic->strings});
}

static void add_part(struct making *making, const Elf64_Phdr *header, const char *name, uint32_t type)
{
    void *block = copy(making, header->p_vaddr, header->p_filesz);

    if (block)
        section_add(making, (struct built_section){.name = name,
                                                   .data = block,
                                                   .size = header->p_filesz,
                                                   .type = type,
                                                   .flags = SHF_ALLOC,
                                                   .address = header->p_vaddr,
                                                   .alignment = (uint32_t)header->p_align}); /* of notes */
}

static void add_code(struct making *making)
{
    for (size_t i = 0; i < making->source->headers && making->code < CODE_MOST; i++) {
        const Elf64_Phdr *header = &making->source->header[i];
        if (header->p_type != PT_LOAD || !(header->p_flags & PF_X) || !header->p_filesz)
            continue;
        section_add(making, (struct built_section){.name = ".text",
                                                   .size = header->p_filesz,
                                                   .type = SHT_NOBITS,
                                                   .flags = SHF_ALLOC | SHF_EXECINSTR,
                                                   .address = header->p_vaddr});
        making->code++;
    }
}

static void add_parts(struct making *making)
{
    unsigned notes = 0;
    bool frames = false;

    for (size_t i = 0; i < making->source->headers; i++) {
        const Elf64_Phdr *header = &making->source->header[i];
        if (header->p_type == PT_NOTE && notes < NOTES_MOST && header->p_filesz <= NOTE_MOST) {
            add_part(making, header, ".note", SHT_NOTE);
            notes++;
        } else if (header->p_type == PT_GNU_EH_FRAME && !frames && header->p_filesz <= FRAMES_MOST) {
            add_part(making, header, ".eh_frame_hdr", SHT_PROGBITS);
            frames = true;
        }
    }
}

int elf_dynamic_make(const struct dynamic_source *source, uint8_t **image, size_t *size)
{
    struct making *making = calloc(1, sizeof *making);

    if (!making)
        return -ENOMEM;
    making->source = source;
    add_code(making);
    for (size_t i = 0; i < source->headers; i++)
        if (source->header[i].p_type == PT_DYNAMIC)
            dynamic_read(making, &source->header[i]);
    add_symbols(making);
    add_parts(making);
    *image = elf_builder_make(making->section, making->sections, source->machine, size);
    for (unsigned i = 0; i < SECTIONS; i++)
        free(making->block[i]);
    free(making);
    return *image ? 0 : -ENOMEM;
}

struct file_bytes {
    const uint8_t *data;
    size_t size;
};

static bool read_file(const struct dynamic_source *source, uint64_t address, void *to, size_t size)
{
    const struct file_bytes *file = source->context;

    for (size_t i = 0; i < source->headers; i++) {
        const Elf64_Phdr *header = &source->header[i];
        const uint64_t into = address - header->p_vaddr;
        if (header->p_type != PT_LOAD || into >= header->p_filesz || size > header->p_filesz - into)
            continue;
        if (header->p_offset > file->size || into > file->size - header->p_offset ||
            size > file->size - header->p_offset - into)
            return false;
        memcpy(to, file->data + header->p_offset + into, size);
        return true;
    }
    return false;
}

/* A file with more than 65279 sections says 0 of them, and the number in the first header. */
static bool has_sections(const struct file_bytes *file, const Elf64_Ehdr *head)
{
    Elf64_Shdr first;

    if (!head->e_shoff || head->e_shoff > file->size || file->size - head->e_shoff < sizeof first)
        return false;
    memcpy(&first, file->data + head->e_shoff, sizeof first);
    return head->e_shnum || first.sh_size;
}

int elf_dynamic_make_of_file(const void *file, size_t file_size, uint8_t **image, size_t *size)
{
    const struct file_bytes bytes = {file, file_size};
    Elf64_Phdr header[HEADERS_MOST];
    Elf64_Ehdr head;

    if (file_size < sizeof head)
        return -ENOEXEC;
    memcpy(&head, file, sizeof head);
    if (has_sections(&bytes, &head))
        return -ENOENT;
    if (!head.e_phnum || head.e_phnum > HEADERS_MOST || head.e_phentsize != sizeof header[0] ||
        head.e_phoff > file_size || head.e_phnum * sizeof header[0] > file_size - head.e_phoff)
        return -ENOEXEC;
    memcpy(header, bytes.data + head.e_phoff, head.e_phnum * sizeof header[0]);
    return elf_dynamic_make(&(struct dynamic_source){.read = read_file,
                                                     .context = &bytes,
                                                     .header = header,
                                                     .headers = head.e_phnum,
                                                     .machine = head.e_machine},
                            image, size);
}

struct process_bytes {
    pid_t tid;
    const struct owner *owner;
    uint64_t bias;
};

static bool read_process(const struct dynamic_source *source, uint64_t address, void *to, size_t size)
{
    const struct process_bytes *process = source->context;
    uint8_t *at = to;

    for (size_t part; size; size -= part, at += part, address += part) {
        part = size < PART_MOST ? size : PART_MOST;
        const struct iovec local = {at, part}, remote = {(void *)(uintptr_t)(address + process->bias), part};
        if (owner_copy(process->owner, process->tid, &local, &remote, 1) != (ssize_t)part)
            return false;
    }
    return true;
}

int elf_dynamic_make_of_process(pid_t tid, const struct owner *owner, uint64_t head, uint8_t **image,
                                size_t *size)
{
    struct process_bytes process = {tid, owner, head};
    struct dynamic_source source = {.read = read_process, .context = &process};
    Elf64_Phdr header[HEADERS_MOST] = {{0}};
    Elf64_Ehdr file;

    if (!read_process(&source, 0, &file, sizeof file) || memcmp(file.e_ident, ELFMAG, SELFMAG) != 0 ||
        file.e_ident[EI_CLASS] != ELFCLASS64 || file.e_phnum > HEADERS_MOST ||
        file.e_phentsize != sizeof header[0] ||
        !read_process(&source, file.e_phoff, header, file.e_phnum * sizeof header[0]))
        return -ENOEXEC;
    for (size_t i = 0; i < file.e_phnum; i++)
        if (header[i].p_type == PT_LOAD && !header[i].p_offset)
            process.bias = head - header[i].p_vaddr;
    source.header = header;
    source.headers = file.e_phnum;
    source.bias = process.bias;
    source.machine = file.e_machine;
    return elf_dynamic_make(&source, image, size);
}
