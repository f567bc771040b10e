// SPDX-License-Identifier: Apache-2.0
// Every function of the allocator's keeps its contract: alignment, zeroes, contents, errno, what failure
// leaves alone.
#pragma GCC diagnostic ignored "-Walloc-size-larger-than="
#include "expect.h"
#include <errno.h>
#include <malloc.h>
#include <string.h>

static volatile size_t huge = (size_t)1 << 62;

static void check(void *block, size_t alignment, size_t size)
{
    EXPECT(block && (uintptr_t)block % alignment == 0 && malloc_usable_size(block) >= size);
    memset(block, 0xa5, size);
    free(block);
}

int main(void)
{
    void *block;

    for (size_t size = 1; size < 300000; size = size * 3 + 1) {
        char *grown;
        check(malloc(size), 16, size);
        check(memalign(256, size), 256, size);
        check(aligned_alloc(64, (size + 63) / 64 * 64), 64, size);
        check(valloc(size), 4096, size);
        check(pvalloc(size), 4096, size);
        EXPECT(!posix_memalign(&block, 4096, size));
        check(block, 4096, size);
        grown = calloc(size, 3);
        for (size_t i = 0; i < size * 3; i++)
            EXPECT(!grown[i]);
        memset(grown, 7, size);
        grown = realloc(grown, size * 5);
        EXPECT(grown[0] == 7 && grown[size - 1] == 7);
        grown = reallocarray(grown, size, 6);
        EXPECT(grown[0] == 7 && grown[size - 1] == 7);
        EXPECT(!realloc(grown, huge) && errno == ENOMEM && grown[size - 1] == 7);
        EXPECT(!reallocarray(grown, huge, 16) && errno == ENOMEM && grown[0] == 7);
        free(grown);
    }
    errno = 0;
    EXPECT(!malloc(huge) && errno == ENOMEM);
    errno = 0;
    EXPECT(!(block = calloc(huge, huge)) && errno == ENOMEM);
    block = &block;
    EXPECT(posix_memalign(&block, 3, 8) == EINVAL && block == &block);
    errno = 1234;
    for (int i = 0; i < 100000; i++)
        free(malloc(1000));
    free(NULL);
    EXPECT(errno == 1234);
    block = malloc(0);
    EXPECT(block);
    EXPECT(!realloc(block, 0));
    block = realloc(NULL, 10);
    check(block, 16, 10);
    return 0;
}
