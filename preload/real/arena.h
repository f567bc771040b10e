/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks for allocations that come while the real allocator is looked up: a program's own dl_iterate_phdr()
 * or an IFUNC resolver may allocate then. Static memory, never given back. Thread-safe, lock-free.
 * malloc_usable_size() of such a block is wrong, deliberately: a hook for it would cost redis half a
 * percent.
 */
#ifndef CPROF_PRELOAD_ARENA_H
#define CPROF_PRELOAD_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ARENA_SIZE = 65536 };
extern char arena[ARENA_SIZE] __attribute__((visibility("hidden")));

static inline bool arena_owns(const void *block)
{
    return (uintptr_t)block - (uintptr_t)arena < ARENA_SIZE;
}

/* Zeroed, aligned to 16 or to alignment (a power of two). NULL with ENOMEM if the arena is used up. */
void *arena_alloc(size_t alignment, size_t size);
size_t arena_size(const void *block);

/* Allocations served so far. */
unsigned arena_served(void);

#endif
