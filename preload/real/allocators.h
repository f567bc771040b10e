/* SPDX-License-Identifier: Apache-2.0 */
/* Where the loaded allocators are. What they map is not the program's own. */
#ifndef CPROF_PRELOAD_ALLOCATORS_H
#define CPROF_PRELOAD_ALLOCATORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sampler/libc/elf.h"

/* Modules that define a function which gives out blocks, and libpthread, which maps the stacks of threads. Not for
   the program itself: the hooks do not see the blocks of an allocator that is linked into it. */
void allocators_note(const struct dl_phdr_info *info, const struct elf_dynamic *module);

enum { ALLOCATORS = 8 };
struct allocator_range {
    uintptr_t start, end; /* start is stored last */
};
extern struct allocator_range allocator_range[ALLOCATORS] __attribute__((visibility("hidden")));

/* true: the address is an allocator's. */
static inline bool allocators_have(uintptr_t address)
{
    for (int i = 0; i < ALLOCATORS; i++) {
        uintptr_t start = __atomic_load_n(&allocator_range[i].start, __ATOMIC_ACQUIRE);
        if (!start)
            return false;
        if (address - start < allocator_range[i].end - start)
            return true;
    }
    return false;
}

#endif
