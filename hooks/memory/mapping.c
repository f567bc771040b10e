/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that the program gets from the kernel itself. What an allocator maps is not counted here, since its
 * blocks are; nor are mappings of files, and of addresses that cannot be accessed, which are reservations.
 */
#include <stdarg.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hooks/hooks.h"
#include "preload/real/allocators.h"
#include "sampler/labels/otel_context.h"
#include "sampler/memory/mappings.h"

/* Evaluated in the hook itself, whose caller it asks for. */
#define CALLED_BY_ALLOCATOR() allocators_have((uintptr_t)__builtin_return_address(0))

static bool is_memory(int protection, int flags)
{
    return flags & MAP_ANONYMOUS && protection != PROT_NONE;
}

static void count(enum wait_kind leaf, void *start, size_t size)
{
    if (!alloc_due(size) || !alloc_mapping_sampled(leaf, start, size))
        mappings_track((uintptr_t)start, size);
}

/* A mapping at a fixed address replaces what is there. */
__attribute__((noinline)) static void *map_fixed(void *(*map)(void *, size_t, int, int, int, off_t),
                                                 void *address, size_t size, int protection, int flags,
                                                 int fd, off_t offset)
{
    struct mapping_change change;
    void *at;

    mapping_change_begin(&change, (uintptr_t)address, size);
    at = map(address, size, protection, flags, fd, offset);
    if (at == MAP_FAILED)
        mapping_change_failed(&change);
    else
        mapping_change_done(&change, 0, 0);
    return at;
}

void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    void *at = flags & MAP_FIXED && !mappings_none()
                   ? map_fixed(real.mmap, address, size, protection, flags, fd, offset)
                   : real.mmap(address, size, protection, flags, fd, offset);
    if (at != MAP_FAILED && is_memory(protection, flags) && !CALLED_BY_ALLOCATOR())
        count(MAPPED_mmap, at, size);
    return at;
}

void *mmap64(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    void *at = flags & MAP_FIXED && !mappings_none()
                   ? map_fixed(real.mmap64, address, size, protection, flags, fd, offset)
                   : real.mmap64(address, size, protection, flags, fd, offset);
    if (at != MAP_FAILED && is_memory(protection, flags) && !CALLED_BY_ALLOCATOR())
        count(MAPPED_mmap, at, size);
    return at;
}

__attribute__((noinline)) static int unmap_tracked(void *address, size_t size)
{
    struct mapping_change change;
    int result;

    mapping_change_begin(&change, (uintptr_t)address, size);
    result = real.munmap(address, size);
    if (result)
        mapping_change_failed(&change);
    else
        mapping_change_done(&change, 0, 0);
    return result;
}

int munmap(void *address, size_t size)
{
    int result;

    otel_context_forget_memory();
    result =
        mappings_none() || CALLED_BY_ALLOCATOR() ? real.munmap(address, size) : unmap_tracked(address, size);
    otel_context_forget_memory();
    return result;
}

/* Both ranges change: what is moved, and what a fixed address replaces. */
__attribute__((noinline)) static void *remap_fixed(void *old, size_t old_size, size_t size, int flags,
                                                   void *address)
{
    struct mapping_change replaced;
    void *at;

    mapping_change_begin(&replaced, (uintptr_t)address, size);
    at = real.mremap(old, old_size, size, flags, address);
    if (at == MAP_FAILED)
        mapping_change_failed(&replaced);
    else
        mapping_change_done(&replaced, 0, 0);
    return at;
}

/* What memory of the program's grows by is counted. Another mapping may be a file's. */
__attribute__((noinline)) static void *remap_tracked(void *old, size_t old_size, size_t size, int flags,
                                                     void *address)
{
    struct mapping_change moved;
    void *at;

    mapping_change_begin(&moved, (uintptr_t)old, old_size);
    at = flags & MREMAP_FIXED ? remap_fixed(old, old_size, size, flags, address)
                              : real.mremap(old, old_size, size, flags, address);
    if (at == MAP_FAILED)
        mapping_change_failed(&moved);
    else if (mapping_change_done(&moved, (uintptr_t)at, size) && size > old_size &&
             alloc_due(size - old_size))
        alloc_mapping_sampled(MAPPED_mremap, (char *)at + old_size, size - old_size);
    return at;
}

void *mremap(void *old, size_t old_size, size_t size, int flags, ...)
{
    void *address = NULL, *at;
    va_list rest;

    if (flags & ~MREMAP_MAYMOVE) { /* the others may have an address */
        va_start(rest, flags);
        address = va_arg(rest, void *);
        va_end(rest);
    }
    otel_context_forget_memory();
    at = mappings_none() || CALLED_BY_ALLOCATOR() ? real.mremap(old, old_size, size, flags, address)
                                                  : remap_tracked(old, old_size, size, flags, address);
    otel_context_forget_memory();
    return at;
}

/* ---- the program break */

static void break_moved(enum wait_kind leaf, uintptr_t from, uintptr_t to)
{
    struct mapping_change change;

    if (to > from) {
        if (alloc_due(to - from))
            alloc_mapping_sampled(leaf, (void *)from, to - from);
    } else if (to < from && !mappings_none()) {
        mapping_change_begin(&change, to, from - to);
        mapping_change_done(&change, 0, 0);
    }
}

int brk(void *address)
{
    uintptr_t before = (uintptr_t)real.sbrk(0);
    int result = real.brk(address);
    if (!result && !CALLED_BY_ALLOCATOR())
        break_moved(MAPPED_brk, before, (uintptr_t)address);
    return result;
}

void *sbrk(intptr_t increment)
{
    void *before = real.sbrk(increment);
    if (increment && before != (void *)-1 && !CALLED_BY_ALLOCATOR())
        break_moved(MAPPED_sbrk, (uintptr_t)before, (uintptr_t)before + (uintptr_t)increment);
    return before;
}
