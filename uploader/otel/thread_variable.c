/* SPDX-License-Identifier: Apache-2.0 */
#include "thread_variable.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#include "uploader/process/owner.h"
#include "uploader/process/proc_text.h"

enum {
    LINE_BYTES = 4096 + 128, /* of /proc/PID/maps */
    LINES_MOST = 65536,
    HEADERS_MOST = 64,
    DYNAMIC_MOST = 128,
    CHAIN_MOST = 4096,
    RELOCATIONS_AT_ONCE = 256,
    MODULES_MOST = 65536,
};
#define RELOCATIONS_MOST (UINT64_C(64) << 20) /* bytes */
#define OFFSET_MOST      (INT64_C(16) << 20)  /* beyond, a word is an address */

static const char variable_name[] = "otel_thread_ctx_v1";

#if defined(__x86_64__)
enum { MODULE_RELOCATION = 16, OFFSET_RELOCATION = 18, DESCRIPTOR_RELOCATION = 36, MACHINE = EM_X86_64 };
#elif defined(__aarch64__)
enum {
    MODULE_RELOCATION = 1028,
    OFFSET_RELOCATION = 1030,
    DESCRIPTOR_RELOCATION = 1031,
    MACHINE = EM_AARCH64
};
#endif

struct module {
    const struct module_memory *memory;
    uint64_t bias;
    Elf64_Phdr dynamic, tls;
    bool is_program;
    uint64_t symbols, strings, gnu_hash, hash;
    uint64_t relocations[2], sizes[2];
};

static bool get(const struct module *module, uint64_t address, void *to, size_t size)
{
    return module->memory->read(module->memory->context, address, to, size);
}

/* glibc adds the bias to the addresses in PT_DYNAMIC, others do not. */
static uint64_t loaded(const struct module *module, uint64_t address)
{
    return address < module->bias ? address + module->bias : address;
}

static bool read_headers(struct module *module)
{
    Elf64_Ehdr head;
    Elf64_Phdr header;
    uint64_t first = UINT64_MAX;

    if (!get(module, module->memory->start, &head, sizeof head) ||
        memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_machine != MACHINE ||
        head.e_phentsize != sizeof header || head.e_phnum > HEADERS_MOST)
        return false;
    for (unsigned i = 0; i < head.e_phnum; i++) {
        if (!get(module, module->memory->start + head.e_phoff + i * sizeof header, &header, sizeof header))
            return false;
        if (header.p_type == PT_DYNAMIC)
            module->dynamic = header;
        else if (header.p_type == PT_TLS)
            module->tls = header;
        else if (header.p_type == PT_INTERP)
            module->is_program = true;
        else if (header.p_type == PT_LOAD && header.p_offset == 0 && first == UINT64_MAX)
            first = header.p_vaddr;
    }
    module->bias = module->memory->start - first;
    return first != UINT64_MAX && module->dynamic.p_vaddr && module->tls.p_memsz;
}

static bool read_dynamic(struct module *module)
{
    Elf64_Dyn entry[DYNAMIC_MOST];
    size_t count = module->dynamic.p_memsz / sizeof entry[0];

    count = count < DYNAMIC_MOST ? count : DYNAMIC_MOST;
    if (!get(module, module->bias + module->dynamic.p_vaddr, entry, count * sizeof entry[0]))
        return false;
    for (size_t i = 0; i < count && entry[i].d_tag != DT_NULL; i++) {
        uint64_t value = entry[i].d_un.d_val, address = loaded(module, value);
        switch (entry[i].d_tag) {
        case DT_SYMTAB:
            module->symbols = address;
            break;
        case DT_STRTAB:
            module->strings = address;
            break;
        case DT_GNU_HASH:
            module->gnu_hash = address;
            break;
        case DT_HASH:
            module->hash = address;
            break;
        case DT_RELA:
            module->relocations[0] = address;
            break;
        case DT_RELASZ:
            module->sizes[0] = value;
            break;
        case DT_JMPREL:
            module->relocations[1] = address;
            break;
        case DT_PLTRELSZ:
            module->sizes[1] = value;
            break;
        default:
            break;
        }
    }
    return module->symbols && module->strings;
}

/* The symbol with this index is the variable. */
static bool is_variable(const struct module *module, uint32_t index, Elf64_Sym *symbol)
{
    char name[sizeof variable_name];

    return get(module, module->symbols + index * sizeof *symbol, symbol, sizeof *symbol) &&
           ELF64_ST_TYPE(symbol->st_info) == STT_TLS && symbol->st_shndx != SHN_UNDEF &&
           get(module, module->strings + symbol->st_name, name, sizeof name) &&
           !memcmp(name, variable_name, sizeof name);
}

/* Index of the symbol; 0: there is none. */
static uint32_t find_by_gnu_hash(const struct module *module, Elf64_Sym *symbol)
{
    struct {
        uint32_t buckets, first, bloom, shift;
    } head;
    uint32_t hash = 5381, index, word;
    uint64_t buckets, chains;

    for (const char *at = variable_name; *at; at++)
        hash = hash * 33 + (uint8_t)*at;
    if (!module->gnu_hash || !get(module, module->gnu_hash, &head, sizeof head) || !head.buckets)
        return 0;
    buckets = module->gnu_hash + sizeof head + (uint64_t)head.bloom * sizeof(uint64_t);
    chains = buckets + (uint64_t)head.buckets * sizeof word;
    if (!get(module, buckets + (uint64_t)(hash % head.buckets) * sizeof word, &index, sizeof index))
        return 0;
    for (unsigned i = 0; index >= head.first && index && i < CHAIN_MOST; i++, index++) {
        if (!get(module, chains + (uint64_t)(index - head.first) * sizeof word, &word, sizeof word))
            return 0;
        if ((word | 1) == (hash | 1) && is_variable(module, index, symbol))
            return index;
        if (word & 1)
            return 0;
    }
    return 0;
}

static uint32_t find_by_hash(const struct module *module, Elf64_Sym *symbol)
{
    uint32_t head[2], hash = 0, index;

    for (const char *at = variable_name; *at; at++) {
        hash = (hash << 4) + (uint8_t)*at;
        hash = (hash ^ (hash >> 24 & 0xf0)) & 0xfffffff;
    }
    if (!module->hash || !get(module, module->hash, head, sizeof head) || !head[0] ||
        !get(module, module->hash + 8 + (uint64_t)(hash % head[0]) * 4, &index, sizeof index))
        return 0;
    for (unsigned i = 0; index && i < CHAIN_MOST; i++) {
        if (is_variable(module, index, symbol))
            return index;
        if (!get(module, module->hash + 8 + ((uint64_t)head[0] + index) * 4, &index, sizeof index))
            return 0;
    }
    return 0;
}

static int offset_of(int64_t offset, struct thread_variable *found)
{
    if (!offset || offset >= OFFSET_MOST || offset <= -OFFSET_MOST)
        return -ENOENT;
    *found = (struct thread_variable){0, offset};
    return 0;
}

/* A pair {module, offset} that the loader has made. */
static int pair_of(const struct module *module, uint64_t address, struct thread_variable *found)
{
    uint64_t pair[2];

    if (!get(module, address, pair, sizeof pair) || !pair[0] || pair[0] > MODULES_MOST ||
        pair[1] >= (uint64_t)OFFSET_MOST)
        return -ENOENT;
    *found = (struct thread_variable){(uint32_t)pair[0], (int64_t)pair[1]};
    return 0;
}

/* What the loader has put where the relocation is. A descriptor has a function, and as its argument the offset or the
   address of a pair. One that is bound lazily has neither, until it is used. */
static int read_relocated(const struct module *module, const Elf64_Rela *relocation,
                          struct thread_variable *found)
{
    uint64_t at = module->bias + relocation->r_offset, word[2];

    switch (ELF64_R_TYPE(relocation->r_info)) {
    case MODULE_RELOCATION:
        return pair_of(module, at, found);
    case OFFSET_RELOCATION:
        return get(module, at, word, sizeof word[0]) ? offset_of((int64_t)word[0], found) : -ENOENT;
    case DESCRIPTOR_RELOCATION:
        if (!get(module, at, word, sizeof word))
            return -ENOENT;
        return offset_of((int64_t)word[1], found) ? pair_of(module, word[1], found) : 0;
    default:
        return -ENOENT;
    }
}

/* It names the symbol, or what lies there without a name. */
static bool is_of(const struct module *module, const Elf64_Rela *relocation, uint32_t index, uint64_t value)
{
    uint32_t type = ELF64_R_TYPE(relocation->r_info);
    uint64_t offset;

    if (type != MODULE_RELOCATION && type != OFFSET_RELOCATION && type != DESCRIPTOR_RELOCATION)
        return false;
    if (ELF64_R_SYM(relocation->r_info))
        return ELF64_R_SYM(relocation->r_info) == index;
    if (type != MODULE_RELOCATION)
        return (uint64_t)relocation->r_addend == value;
    return get(module, module->bias + relocation->r_offset + 8, &offset, sizeof offset) && offset == value;
}

static int find_relocation(const struct module *module, unsigned table, uint32_t index, uint64_t value,
                           struct thread_variable *found)
{
    Elf64_Rela relocation[RELOCATIONS_AT_ONCE];
    uint64_t left = module->sizes[table], at = module->relocations[table];

    if (!at || left > RELOCATIONS_MOST)
        return -ENOENT;
    while (left >= sizeof relocation[0]) {
        size_t count = left / sizeof relocation[0] < RELOCATIONS_AT_ONCE ? left / sizeof relocation[0]
                                                                         : RELOCATIONS_AT_ONCE;
        if (!get(module, at, relocation, count * sizeof relocation[0]))
            return -ENOENT;
        for (size_t i = 0; i < count; i++)
            if (is_of(module, &relocation[i], index, value) && !read_relocated(module, &relocation[i], found))
                return 0;
        at += count * sizeof relocation[0];
        left -= count * sizeof relocation[0];
    }
    return -ENOENT;
}

/* Of a program, whose block lies at a fixed distance from the thread pointer. */
static int of_program(const struct module *module, uint64_t value, struct thread_variable *found)
{
    uint64_t align = module->tls.p_align ? module->tls.p_align : 1;

    if (align > 65536 || align & (align - 1) || module->tls.p_memsz > (uint64_t)OFFSET_MOST ||
        value > module->tls.p_memsz)
        return -ENOENT;
    if (MACHINE == EM_X86_64)
        return offset_of((int64_t)value - (int64_t)((module->tls.p_memsz + align - 1) & ~(align - 1)), found);
    return offset_of((int64_t)(((16 + align - 1) & ~(align - 1)) + value), found);
}

int thread_variable_find_in(const struct module_memory *memory, struct thread_variable *found)
{
    struct module module = {.memory = memory};
    Elf64_Sym symbol;
    uint32_t index;

    if (!read_headers(&module) || !read_dynamic(&module))
        return -ENOENT;
    index = find_by_gnu_hash(&module, &symbol);
    if (!index && !module.gnu_hash)
        index = find_by_hash(&module, &symbol);
    if (!index)
        return -ENOENT;
    for (unsigned table = 0; table < 2; table++)
        if (!find_relocation(&module, table, index, symbol.st_value, found))
            return 0;
    return module.is_program ? of_program(&module, symbol.st_value, found) : -ENOENT;
}

struct process_memory {
    const struct owner *owner;
    pid_t tid;
};

static bool read_process(const void *context, uint64_t address, void *to, size_t size)
{
    const struct process_memory *process = context;
    const struct iovec local = {to, size}, remote = {(void *)(uintptr_t)address, size};

    return owner_copy(process->owner, process->tid, &local, &remote, 1) == (ssize_t)size;
}

/* Modules are files of which the beginning is mapped. */
int thread_variable_find(const struct owner *owner, pid_t pid, pid_t tid, struct thread_variable *found)
{
    const struct process_memory process = {owner, tid};
    struct proc_mapping mapping;
    char path[64], line[LINE_BYTES];
    int rc = -ENOENT;
    FILE *maps;

    snprintf(path, sizeof path, "/proc/%d/task/%d/maps", (int)pid, (int)tid);
    maps = fopen(path, "re");
    for (unsigned i = 0; maps && rc && i < LINES_MOST && fgets(line, sizeof line, maps); i++)
        if (proc_mapping_parse(line, &mapping) && mapping.inode && !mapping.offset && mapping.flags[0] == 'r')
            rc = thread_variable_find_in(&(struct module_memory){read_process, &process, mapping.start},
                                         found);
    if (maps)
        fclose(maps);
    return rc;
}
