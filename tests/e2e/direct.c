// SPDX-License-Identifier: Apache-2.0
/*
 * direct MIB: allocates by the own functions of an allocator that it is linked to (-DJEMALLOC, -DMIMALLOC,
 * -DTCMALLOC), in several ways. Prints "NAME bytes blocks" as allocs.c does.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(JEMALLOC)
void *mallocx(size_t, int);
void *rallocx(void *, size_t, int);
size_t xallocx(void *, size_t, size_t, int);
void dallocx(void *, int);
void sdallocx(void *, size_t, int);
static void *give(size_t size)
{
    return mallocx(size, 0);
}
static void *give_zeroed(size_t size)
{
    return mallocx(size, 0x40);
}
static void *resize(void *old, size_t size)
{
    return rallocx(old, size, 0);
}
static void take(void *block, size_t size)
{
    sdallocx(block, size, 0);
}
static void take_unsized(void *block)
{
    dallocx(block, 0);
}
static int extend(void *block, size_t size)
{
    return xallocx(block, size, 0, 0) >= size;
}
static const char first[] = "mallocx";
#define FIRST mallocx
#elif defined(MIMALLOC)
void *mi_malloc(size_t);
void *mi_calloc(size_t, size_t);
void *mi_new(size_t);
void *mi_heap_get_default(void);
void *mi_heap_malloc(void *, size_t);
void *mi_realloc(void *, size_t);
void *mi_expand(void *, size_t);
void mi_free(void *);
void mi_free_size(void *, size_t);
static void *give(size_t size)
{
    static unsigned turn;
    return turn++ % 3 == 0 ? mi_malloc(size)
           : turn % 3 == 1 ? mi_new(size)
                           : mi_heap_malloc(mi_heap_get_default(), size);
}
static void *give_zeroed(size_t size)
{
    return mi_calloc(1, size);
}
static void *resize(void *old, size_t size)
{
    return mi_realloc(old, size);
}
static void take(void *block, size_t size)
{
    mi_free_size(block, size);
}
static void take_unsized(void *block)
{
    mi_free(block);
}
static int extend(void *block, size_t size)
{
    return mi_expand(block, size) != NULL;
}
static const char first[] = "mi_malloc";
#define FIRST mi_malloc
#else
void *tc_malloc(size_t);
void *tc_calloc(size_t, size_t);
void *tc_new(size_t);
void *tc_realloc(void *, size_t);
void tc_free(void *);
void tc_free_sized(void *, size_t);
static void *give(size_t size)
{
    static unsigned turn;
    return turn++ % 2 ? tc_malloc(size) : tc_new(size);
}
static void *give_zeroed(size_t size)
{
    return tc_calloc(1, size);
}
static void *resize(void *old, size_t size)
{
    return tc_realloc(old, size);
}
static void take(void *block, size_t size)
{
    tc_free_sized(block, size);
}
static void take_unsized(void *block)
{
    tc_free(block);
}
static int extend(void *block, size_t size)
{
    return (void)block, (void)size, 0;
}
static const char first[] = "tc_malloc";
#define FIRST tc_malloc
#endif

static size_t bytes, blocks;

static void *counted(void *block, size_t size)
{
    if (!block)
        exit(1);
    memset(block, 1, size < 16 ? size : 16);
    bytes += size;
    blocks++;
    return block;
}

/* By each way of release, also the other interface's. */
__attribute__((noinline)) static void path_small(size_t most)
{
    for (unsigned i = 0; bytes < most; i++) {
        size_t size = 64 + i % 64 * 8;
        void *block = counted(i % 2 ? give(size) : give_zeroed(size), size);
        if (i % 3 == 0)
            take(block, size);
        else if (i % 3 == 1)
            take_unsized(block);
        else
            free(block);
        block = counted(malloc(size), size);
        take_unsized(block);
    }
}

__attribute__((noinline)) static void path_large(size_t most)
{
    while (bytes < most) {
        void *block = counted(give(100000), 100000);
        block = counted(resize(block, 200000), 200000);
        if (extend(block, 150000))
            bytes += 150000, blocks++;
        take_unsized(block);
    }
}

static void **leaked;
__attribute__((noinline)) static void path_leak(size_t most)
{
    while (bytes < most) {
        void **block = counted(give(1000), 1000);
        *block = leaked;
        leaked = block;
    }
}

static void run(const char *name, void (*path)(size_t), size_t most)
{
    bytes = blocks = 0;
    path(most);
    printf("%s %zu %zu\n", name, bytes, blocks);
}

/* Whoever asks by name gets the same function. */
static int is_one_function(void)
{
    void *found = dlsym(RTLD_DEFAULT, first);
    return found == (void *)FIRST;
}

int main(int argc, char **argv)
{
    size_t most = (size_t)(argc > 1 ? atoi(argv[1]) : 64) << 20;

    if (!is_one_function())
        return 2;
    run("path_small", path_small, most);
    run("path_large", path_large, most);
    run("path_leak", path_leak, most / 4);
    return 0;
}
