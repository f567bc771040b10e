/* SPDX-License-Identifier: Apache-2.0 */
#include "allocators.h"

struct allocator_range allocator_range[ALLOCATORS];

static bool is_allocator(const struct elf_dynamic *module)
{
    static const char *const names[] = {"malloc",    "mallocx",   "je_malloc",
                                        "mi_malloc", "tc_malloc", "pthread_create"};
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        if (elf_find(module, names[i], elf_hash(names[i]), NULL))
            return true;
    return false;
}

static struct allocator_range range_of(const struct dl_phdr_info *info)
{
    struct allocator_range range = {UINTPTR_MAX, 0};
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + header->p_vaddr;
        if (header->p_type != PT_LOAD)
            continue;
        range.start = start < range.start ? start : range.start;
        range.end = start + header->p_memsz > range.end ? start + header->p_memsz : range.end;
    }
    return range;
}

/* Release: pairs with allocators_have(). Two threads that note the same module at once take two entries. */
void allocators_note(const struct dl_phdr_info *info, const struct elf_dynamic *module)
{
    struct allocator_range range;

    if (!is_allocator(module))
        return;
    range = range_of(info);
    for (int i = 0; i < ALLOCATORS; i++) {
        if (allocator_range[i].start == range.start && allocator_range[i].end >= range.end)
            return;
        if (allocator_range[i].start)
            continue;
        allocator_range[i].end = range.end;
        __atomic_store_n(&allocator_range[i].start, range.start, __ATOMIC_RELEASE);
        return;
    }
}
