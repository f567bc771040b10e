// SPDX-License-Identifier: Apache-2.0
/*
 * Maps memory in several ways, and prints for each "NAME bytes-allocated bytes-in-use", as the program counts
 * them. Each mapping is smaller than the sampling rate that the test sets, or much larger.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, MANY = 1500 };
static size_t allocated, in_use;

__attribute__((noinline)) static char *map(size_t size, int flags)
{
    char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);
    if (at == MAP_FAILED)
        exit(1);
    allocated += size;
    in_use += size;
    return at;
}

static void unmap(char *at, size_t size)
{
    munmap(at, size);
    in_use -= size;
}

/* Many of them, of which every second one stays. */
__attribute__((noinline)) static void path_small(void)
{
    for (int i = 0; i < MANY; i++) {
        char *at = map((size_t)(1 + i % 4) * PAGE, MAP_PRIVATE);
        if (i % 2)
            unmap(at, (size_t)(1 + i % 4) * PAGE);
    }
}

/* A part of each is unmapped, replaced by a file's or a reserved range, or replaced by memory. */
__attribute__((noinline)) static void path_parts(void)
{
    for (int i = 0; i < 40; i++) {
        char *at = map(64 * PAGE, i % 2 ? MAP_PRIVATE : MAP_SHARED);
        unmap(at + 16 * PAGE, 8 * PAGE);
        unmap(at, 4 * PAGE);
        if (mmap(at + 60 * PAGE, 4 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
            MAP_FAILED)
            exit(1);
        in_use -= 4 * PAGE;
        if (mmap(at + 30 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                 -1, 0) == MAP_FAILED)
            exit(1);
        allocated += 4 * PAGE;
    }
}

/* Each grows from one page, as a buffer does, and some shrink. */
__attribute__((noinline)) static void path_moved(void)
{
    for (int i = 0; i < 40; i++) {
        size_t size = PAGE, next;
        char *at = map(size, MAP_PRIVATE);
        for (; size < 128 * PAGE; size = next) {
            next = 2 * size;
            at = mremap(at, size, next, MREMAP_MAYMOVE);
            if (at == MAP_FAILED)
                exit(1);
            allocated += next - size;
            in_use += next - size;
        }
        if (i % 4 == 0) {
            mremap(at, size, size / 2, 0);
            in_use -= size / 2;
        } else if (i % 4 == 1) {
            unmap(at, size);
        }
    }
}

/* Neither is memory. */
__attribute__((noinline)) static void path_nothing(void)
{
    mmap(NULL, 1 << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    int file = memfd_create("file", 0);
    if (file < 0 || ftruncate(file, 1 << 24))
        exit(1);
    char *at = mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE, file, 0);
    if (mremap(at, 1 << 20, 1 << 24, MREMAP_MAYMOVE) == MAP_FAILED)
        exit(1);
}

__attribute__((noinline)) static void path_break(void)
{
    for (int i = 0; i < 64; i++) {
        if (sbrk(16 * PAGE) == (void *)-1)
            exit(1);
        allocated += 16 * PAGE;
        in_use += 16 * PAGE;
    }
    if (brk((char *)sbrk(0) - 64 * PAGE))
        exit(1);
    in_use -= 64 * PAGE;
}

static void run(const char *name, void (*path)(void))
{
    allocated = in_use = 0;
    path();
    printf("%s %zu %zu\n", name, allocated, in_use);
}

int main(void)
{
    free(malloc(1)); /* the allocator's part of the break comes first */
    run("path_small", path_small);
    run("path_parts", path_parts);
    run("path_moved", path_moved);
    run("path_nothing", path_nothing);
    run("path_break", path_break);
    fflush(stdout);
    if (!fork()) { /* the child has a profile of its own, in which nothing of this is */
        path_small();
        _exit(0);
    }
    wait(NULL);
    return 0;
}
