/* SPDX-License-Identifier: Apache-2.0 */
#include "own_pages.h"

#include <link.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* A segment that can be written to has relocations, which are in no file. */
static int give_back(struct dl_phdr_info *module, size_t size, void *context)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

    (void)size;
    (void)context;
    for (int i = 0; i < module->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &module->dlpi_phdr[i];
        const uintptr_t start = (module->dlpi_addr + segment->p_vaddr) & ~(page - 1),
                        end = module->dlpi_addr + segment->p_vaddr + segment->p_filesz;

        if (segment->p_type == PT_LOAD && !(segment->p_flags & PF_W) && end > start)
            madvise((void *)start, end - start, MADV_DONTNEED);
    }
    return 0;
}

void own_pages_give_back(void)
{
    dl_iterate_phdr(give_back, NULL);
}
