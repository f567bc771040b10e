// SPDX-License-Identifier: Apache-2.0
// A program at a fixed address that takes the addresses of malloc and free, as python3 of Debian does, can
// call them. build: -no-pie -fno-pie
#include "expect.h"
#include <string.h>

static void *(*volatile allocate)(size_t) = malloc;
static void *(*volatile resize)(void *, size_t) = realloc;
static void *(*volatile clear)(size_t, size_t) = calloc;
static void (*volatile release)(void *) = free;

int main(void)
{
    for (int i = 0; i < 100000; i++) {
        char *block = allocate(100);
        block = resize(block, 200);
        memset(block, 1, 200);
        release(block);
        block = clear(10, 10);
        EXPECT(block[99] == 0);
        release(block);
    }
    EXPECT(!system("exit 0"));
    return 0;
}
