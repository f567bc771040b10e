/* SPDX-License-Identifier: Apache-2.0 */
#include "elf.h"

#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "sampler/base/sys.h"

enum { VERSION_HIDDEN = 0x8000, PAGE = 4096 };

/* The loader relocates these in place, but not in modules whose dynamic section is read-only, such as the
 * vDSO. */
static const void *relocated(uintptr_t base, const ElfW(Dyn) * entry)
{
    uintptr_t address = entry->d_un.d_ptr;
    return (const void *)(address < base ? address + base : address);
}

static const ElfW(Dyn) * dynamic_section(const struct dl_phdr_info *info)
{
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
            return (const void *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
    return NULL;
}

static bool open_dynamic(struct elf_dynamic *module, uintptr_t base, const ElfW(Dyn) * entry)
{
    memset(module, 0, sizeof *module);
    module->base = base;
    for (; entry && entry->d_tag != DT_NULL; entry++) {
        const void *table = relocated(module->base, entry);
        switch (entry->d_tag) {
        case DT_SYMTAB:
            module->symbols = table;
            break;
        case DT_STRTAB:
            module->strings = table;
            break;
        case DT_GNU_HASH:
            module->gnu_hash = table;
            break;
        case DT_HASH:
            module->hash = table;
            break;
        case DT_VERSYM:
            module->versions = table;
            break;
        case DT_VERDEF:
            module->definitions = table;
            break;
        case DT_RELA:
            module->relocations[0].entry = table;
            break;
        case DT_RELASZ:
            module->relocations[0].size = entry->d_un.d_val;
            break;
        case DT_JMPREL:
            module->relocations[1].entry = table;
            break;
        case DT_PLTRELSZ:
            module->relocations[1].size = entry->d_un.d_val;
            break;
        }
    }
    return module->symbols && module->strings && (module->gnu_hash || module->hash);
}

bool elf_dynamic_open(struct elf_dynamic *module, const struct dl_phdr_info *info)
{
    return open_dynamic(module, info->dlpi_addr, dynamic_section(info));
}

bool elf_dynamic_open_map(struct elf_dynamic *module, const struct link_map *map)
{
    return open_dynamic(module, map->l_addr, map->l_ld);
}

/* By the headers in its image, since the loader does not describe the vDSO. */
bool elf_dynamic_open_vdso(struct elf_dynamic *module)
{
    uintptr_t base = getauxval(AT_SYSINFO_EHDR);
    const ElfW(Ehdr) *header = (const void *)base;
    struct dl_phdr_info info = {.dlpi_addr = base};

    if (!base)
        return false;
    info.dlpi_phdr = (const void *)(base + header->e_phoff);
    info.dlpi_phnum = header->e_phnum;
    return elf_dynamic_open(module, &info);
}

bool elf_covers(const struct dl_phdr_info *info, uintptr_t address)
{
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD &&
            address - info->dlpi_addr - info->dlpi_phdr[i].p_vaddr < info->dlpi_phdr[i].p_memsz)
            return true;
    return false;
}

uint32_t elf_hash(const char *name)
{
    uint32_t hash = 5381;
    for (; *name; name++)
        hash = hash * 33 + (uint8_t)*name;
    return hash;
}

/* The name of a version index, or "". */
static const char *version_name(const struct elf_dynamic *module, unsigned index)
{
    const ElfW(Verdef) *definition = module->definitions;
    while (definition) {
        const ElfW(Verdaux) *name = (const void *)((const char *)definition + definition->vd_aux);
        if (definition->vd_ndx == index)
            return module->strings + name->vda_name;
        if (!definition->vd_next)
            break;
        definition = (const void *)((const char *)definition + definition->vd_next);
    }
    return "";
}

/* Without strcmp(): ThreadSanitizer's ends the program if it is called before that has started, and the first
   look-up may be for a calloc() of its start. */
static bool is_same(const char *one, const char *other)
{
    while (*one && *one == *other) {
        one++;
        other++;
    }
    return *one == *other;
}

static bool version_fits(const struct elf_dynamic *module, uint32_t index, const char *version)
{
    unsigned own;
    if (!module->versions)
        return true;
    own = module->versions[index];
    if (version && module->definitions)
        return is_same(version_name(module, own & ~VERSION_HIDDEN), version);
    return !(own & VERSION_HIDDEN);
}

/* What is looked for, and where it was found. */
struct wanted {
    const char *name;
    uint32_t hash;
    const char *version; /* NULL: the default one */
    bool is_data;
    const ElfW(Sym) * *symbol; /* NULL: nobody asks */
};

/* An undefined symbol with a value is a PLT entry that stands for the function's address. It is no
   definition. */
static void *definition(const struct elf_dynamic *module, uint32_t index, const struct wanted *wanted)
{
    const ElfW(Sym) *symbol = &module->symbols[index];
    unsigned type = ELF64_ST_TYPE(symbol->st_info);
    uintptr_t address = module->base + symbol->st_value;

    if (symbol->st_shndx == SHN_UNDEF || !symbol->st_value || ELF64_ST_BIND(symbol->st_info) == STB_LOCAL)
        return NULL;
    if (wanted->is_data ? type != STT_OBJECT
                        : type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE)
        return NULL;
    if (!is_same(module->strings + symbol->st_name, wanted->name) ||
        !version_fits(module, index, wanted->version))
        return NULL;
    if (wanted->symbol)
        *wanted->symbol = symbol;
    return type == STT_GNU_IFUNC ? ((void *(*)(void))address)() : (void *)address;
}

static void *find_by_gnu_hash(const struct elf_dynamic *module, const struct wanted *wanted)
{
    uint32_t buckets = module->gnu_hash[0], first = module->gnu_hash[1], words = module->gnu_hash[2];
    uint32_t index, hash = wanted->hash;
    const ElfW(Addr) *bloom = (const void *)(module->gnu_hash + 4);
    const uint32_t *bucket = (const uint32_t *)(bloom + words), *chain = bucket + buckets;
    ElfW(Addr) word = words ? bloom[hash / 64 % words] : 0;

    if (!buckets || !(word >> hash % 64 & word >> (hash >> module->gnu_hash[3]) % 64 & 1))
        return NULL;
    for (index = bucket[hash % buckets]; index >= first; index++) {
        uint32_t entry = chain[index - first];
        void *found = (entry | 1) == (hash | 1) ? definition(module, index, wanted) : NULL;
        if (found || entry & 1)
            return found;
    }
    return NULL;
}

/* Modules without .gnu.hash are few and small, so their symbols are searched one by one. */
static void *find_in_order(const struct elf_dynamic *module, const struct wanted *wanted)
{
    void *found = NULL;
    for (uint32_t index = 1; index < module->hash[1] && !found; index++)
        found = definition(module, index, wanted);
    return found;
}

static void *find(const struct elf_dynamic *module, const struct wanted *wanted)
{
    return module->gnu_hash ? find_by_gnu_hash(module, wanted) : find_in_order(module, wanted);
}

void *elf_find(const struct elf_dynamic *module, const char *name, uint32_t hash, const char *version)
{
    return find(module, &(struct wanted){name, hash, version, false, NULL});
}

void *elf_find_sized(const struct elf_dynamic *module, const char *name, size_t *size)
{
    const ElfW(Sym) *symbol = NULL;
    void *found = find(module, &(struct wanted){name, elf_hash(name), NULL, false, &symbol});
    if (symbol)
        *size = symbol->st_size;
    return found;
}

const ElfW(Sym) * elf_find_symbol(const struct elf_dynamic *module, const char *name)
{
    const ElfW(Sym) *symbol = NULL;
    find(module, &(struct wanted){name, elf_hash(name), NULL, false, &symbol});
    return symbol;
}

void *elf_find_data(const struct elf_dynamic *module, const char *name)
{
    return find(module, &(struct wanted){name, elf_hash(name), NULL, true, NULL});
}

bool elf_defines_version(const struct elf_dynamic *module, const char *name)
{
    const ElfW(Verdef) *definition = module->definitions;
    while (definition) {
        const ElfW(Verdaux) *version = (const void *)((const char *)definition + definition->vd_aux);
        if (is_same(module->strings + version->vda_name, name))
            return true;
        definition =
            definition->vd_next ? (const void *)((const char *)definition + definition->vd_next) : NULL;
    }
    return false;
}

static ElfW(Sym) * find_symbol(const struct elf_dynamic *module, const char *name)
{
    return (ElfW(Sym) *)(uintptr_t)elf_find_symbol(module, name);
}

/* A symbol without section and value is a reference to another module's. */
void elf_hide(const struct elf_dynamic *module, const char *const *names, unsigned count)
{
    uintptr_t low = UINTPTR_MAX, high = 0;

    for (unsigned i = 0; i < count; i++) {
        uintptr_t at = (uintptr_t)find_symbol(module, names[i]);
        low = at && at < low ? at : low;
        high = at > high ? at : high;
    }
    low &= ~(uintptr_t)(PAGE - 1);
    high = (high + sizeof(ElfW(Sym)) + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
    if (low >= high || sys_call(SYS_mprotect, low, high - low, PROT_READ | PROT_WRITE))
        return;
    for (unsigned i = 0; i < count; i++) {
        ElfW(Sym) *symbol = find_symbol(module, names[i]);
        if (symbol) {
            symbol->st_shndx = SHN_UNDEF;
            symbol->st_value = 0;
        }
    }
    sys_call(SYS_mprotect, low, high - low, PROT_READ);
}
