// SPDX-License-Identifier: Apache-2.0
// Allocates MEGABYTES along each of three paths through every function of the family, frees most of it, leaks
// some, and prints the truth: "path bytes objects" of the paths small, large, leak. Arguments: megabytes
// [pause].
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static uint64_t bytes[3], objects[3];
static uint32_t seed = 1;

static uint32_t draw(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % below;
}

static void *tally(int path, void *block, size_t size)
{
    if (!block)
        abort();
    bytes[path] += size;
    objects[path]++;
    *(volatile char *)block = 1;
    return block;
}

__attribute__((noinline)) void path_small(void)
{
    size_t size = 16 + draw(2000);
    void *block = NULL;
    switch (draw(5)) {
    case 0:
        block = calloc(1, size);
        break;
    case 1:
        if (posix_memalign(&block, 64, size))
            abort();
        break;
    case 2:
        block = aligned_alloc(64, size = (size + 63) / 64 * 64);
        break;
    default:
        block = malloc(size);
    }
    free(tally(0, block, size));
}

__attribute__((noinline)) void path_large(void)
{
    size_t size = 10000 + draw(100000);
    void *block = tally(1, malloc(size), size);
    size = 10000 + draw(100000);
    free(tally(1, realloc(block, size), size));
}

__attribute__((noinline)) void path_leak(void)
{
    size_t size = 16 + draw(2000);
    static void **keep;
    void **block = tally(2, malloc(size), size);
    *block = keep; // reachable, so that a leak checker agrees
    keep = block;
}

int main(int argc, char **argv)
{
    static void (*const path[3])(void) = {path_small, path_large, path_leak};
    static const char *const name[3] = {"path_small", "path_large", "path_leak"};
    uint64_t goal = (argc > 1 ? strtoull(argv[1], NULL, 10) : 10) << 20;
    for (int more = 1; more;) {
        more = 0;
        for (int i = 0; i < 3; i++)
            if (bytes[i] < goal)
                path[i](), more = 1;
    }
    for (int i = 0; i < 3; i++)
        printf("%s %llu %llu\n", name[i], (unsigned long long)bytes[i], (unsigned long long)objects[i]);
    fflush(stdout);
    if (argc > 2)
        pause();
    return 0;
}
