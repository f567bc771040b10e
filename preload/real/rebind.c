/* SPDX-License-Identifier: Apache-2.0 */
#include "rebind.h"

#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "allocators.h"
#include "sampler/base/arch.h"
#include "sampler/base/seccomp.h"
#include "sampler/base/sys.h"
#include "sampler/libc/libc.h"

struct rebinder {
    struct rebinding *function;
    size_t count;
    const char *const *marks;
    unsigned seen;                 /* modules; the first is the program */
    const struct dl_phdr_info *in; /* the module that is visited */
};

/* How a page is mapped, as the loader has left it. -1: it is not the module's. */
static int protection_of(const struct dl_phdr_info *info, uintptr_t page, uintptr_t size)
{
    int protection = -1;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + header->p_vaddr, end = start + header->p_memsz;
        if (header->p_type == PT_LOAD && page + size > start && page < end)
            protection = (header->p_flags & PF_R ? PROT_READ : 0) |
                         (header->p_flags & PF_W ? PROT_WRITE : 0) | (header->p_flags & PF_X ? PROT_EXEC : 0);
    }
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + header->p_vaddr;
        if (header->p_type == PT_GNU_RELRO && page >= (start & ~(size - 1)) &&
            page + size <= ((start + header->p_memsz) & ~(size - 1)))
            protection &= ~PROT_WRITE;
    }
    return protection;
}

/* The word lies in one page, and is stored whole: another thread may read it. */
static bool write_word(const struct dl_phdr_info *info, uintptr_t *word, uintptr_t value)
{
    uintptr_t size = getauxval(AT_PAGESZ), page = (uintptr_t)word & ~(size - 1);
    int protection = protection_of(info, page, size);
    bool is_open = protection != -1 && protection & PROT_WRITE;

    if (protection == -1 || (uintptr_t)word % sizeof *word)
        return false;
    if (!is_open && sys_call(SYS_mprotect, page, size, protection | PROT_WRITE))
        return false;
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
    if (!is_open)
        sys_call(SYS_mprotect, page, size, protection);
    return true;
}

static struct rebinding *find(const struct rebinder *rebinder, const char *name)
{
    for (size_t i = 0; i < rebinder->count; i++)
        if (rebinder->function[i].real && !strcmp(rebinder->function[i].name, name))
            return &rebinder->function[i];
    return NULL;
}

static bool is_marked(const struct rebinder *rebinder, const struct elf_dynamic *module)
{
    for (const char *const *mark = rebinder->marks; *mark; mark++)
        if (elf_find(module, *mark, elf_hash(*mark), NULL))
            return true;
    return false;
}

/* The definition that the loader takes is the first one. That of the program itself is not hooked: its calls
   are not bound by tables. */
static int visit_definitions(struct dl_phdr_info *info, size_t size, void *context)
{
    struct rebinder *rebinder = context;
    struct elf_dynamic module;
    (void)size;
    if (!rebinder->seen++ || !elf_dynamic_open(&module, info) ||
        !allocators_have((uintptr_t)module.symbols) || !is_marked(rebinder, &module))
        return 0;
    for (size_t i = 0; i < rebinder->count; i++) {
        struct rebinding *function = &rebinder->function[i];
        if (!function->real)
            function->real = elf_find(&module, function->name, elf_hash(function->name), NULL);
    }
    return 0;
}

/* A reference that is not bound yet leads to the module's own table of stubs. An allocator's own references
   lead to itself, so that none of them is bound to a hook later. */
static void bind_reference(const struct rebinder *rebinder, const struct elf_dynamic *module,
                           const ElfW(Rela) * entry)
{
    const ElfW(Sym) *symbol = &module->symbols[ELF64_R_SYM(entry->r_info)];
    uintptr_t *word = (uintptr_t *)(module->base + entry->r_offset), bound;
    const struct rebinding *function;
    unsigned type = ELF64_R_TYPE(entry->r_info);

    if ((type != ARCH_RELOCATION_JUMP && type != ARCH_RELOCATION_DATA && type != ARCH_RELOCATION_WORD) ||
        entry->r_addend)
        return;
    function = find(rebinder, module->strings + symbol->st_name);
    if (!function)
        return;
    bound = __atomic_load_n(word, __ATOMIC_RELAXED);
    if (allocators_have(module->base + entry->r_offset))
        write_word(rebinder->in, word, (uintptr_t)function->real);
    else if (bound == (uintptr_t)function->real ||
             (type == ARCH_RELOCATION_JUMP && elf_covers(rebinder->in, bound)))
        write_word(rebinder->in, word, (uintptr_t)function->hook);
}

static int visit_references(struct dl_phdr_info *info, size_t size, void *context)
{
    struct rebinder *rebinder = context;
    struct elf_dynamic module;
    (void)size;
    if (elf_covers(info, (uintptr_t)rebind) || !elf_dynamic_open(&module, info))
        return 0;
    rebinder->in = info;
    for (int table = 0; table < 2; table++)
        for (size_t i = 0; i < module.relocations[table].size / sizeof(ElfW(Rela)); i++)
            bind_reference(rebinder, &module, &module.relocations[table].entry[i]);
    return 0;
}

static int visit_symbols(struct dl_phdr_info *info, size_t size, void *context)
{
    struct rebinder *rebinder = context;
    struct elf_dynamic module;
    (void)size;
    if (!elf_dynamic_open(&module, info) || !allocators_have((uintptr_t)module.symbols))
        return 0;
    for (size_t i = 0; i < rebinder->count; i++) {
        const struct rebinding *function = &rebinder->function[i];
        const ElfW(Sym) *symbol = function->real ? elf_find_symbol(&module, function->name) : NULL;
        if (symbol && ELF64_ST_TYPE(symbol->st_info) == STT_FUNC &&
            module.base + symbol->st_value == (uintptr_t)function->real)
            write_word(info, (uintptr_t *)&symbol->st_value, (uintptr_t)function->hook - module.base);
    }
    return 0;
}

void rebind(struct rebinding *functions, size_t count, const char *const *marks)
{
    struct rebinder rebinder = {functions, count, marks, 0, NULL};
    bool is_any = false;

    if (!seccomp_allows(CALL(mprotect)))
        return;
    libc_iterate(visit_definitions, &rebinder);
    for (size_t i = 0; i < count; i++)
        is_any |= functions[i].real != NULL;
    if (!is_any)
        return;
    libc_iterate(visit_references, &rebinder);
    libc_iterate(visit_symbols, &rebinder);
}
