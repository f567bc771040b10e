/* SPDX-License-Identifier: Apache-2.0 */
#include "arena.h"

#include <errno.h>
#include <stdatomic.h>

#include "sampler/memory/alloc.h"

enum { PAGE = 4096, HEAD = 16 };

char arena[ARENA_SIZE] __attribute__((aligned(4096)));
/* Written by any thread. */
static struct {
    _Atomic size_t used; /* bytes */
    _Atomic unsigned served;
} state;

/* Makes free() take its slow path for the arena's pages, where it asks arena_owns(). So the fast path stays
   one load. The counters are stuck for good, because blocks outlive a fork and ordinary counters do not. */
static void divert_free(void)
{
    for (uintptr_t page = 0; page < ARENA_SIZE; page += PAGE)
        __atomic_store_n(&alloc_filter[alloc_filter_index((uintptr_t)arena + page)], ALLOC_FILTER_STUCK,
                         __ATOMIC_RELAXED);
}

void *arena_alloc(size_t alignment, size_t size)
{
    size_t offset, block;

    if (alignment < HEAD)
        alignment = HEAD;
    if (size > ARENA_SIZE || alignment > PAGE) {
        errno = ENOMEM;
        return NULL;
    }
    if (!atomic_fetch_add_explicit(&state.served, 1, memory_order_relaxed))
        divert_free();
    offset = atomic_fetch_add_explicit(&state.used, HEAD + alignment + size, memory_order_relaxed);
    block = (offset + HEAD + alignment - 1) & ~(alignment - 1);
    if (offset > ARENA_SIZE || block + size > ARENA_SIZE) {
        errno = ENOMEM;
        return NULL;
    }
    *(size_t *)(arena + block - HEAD) = size;
    return arena + block;
}

size_t arena_size(const void *block)
{
    return *(const size_t *)((const char *)block - HEAD);
}

unsigned arena_served(void)
{
    return atomic_load_explicit(&state.served, memory_order_relaxed);
}
