// SPDX-License-Identifier: Apache-2.0
// Constructors and the preinit array run with a working allocator, before anything else was set up.
#include "expect.h"
#include <string.h>

static char *early[3];

static void fill(int i)
{
    early[i] = calloc(1, 100000);
    EXPECT(early[i]);
    early[i] = realloc(early[i], 200000);
    memset(early[i], i + 1, 200000);
    free(malloc(10));
}

static void before_all(void)
{
    fill(0);
}
__attribute__((section(".preinit_array"), used)) static void (*const before[])(void) = {before_all};

__attribute__((constructor(101))) static void first(void)
{
    fill(1);
}

__attribute__((constructor)) static void last(void)
{
    fill(2);
}

int main(void)
{
    burn(20);
    for (int i = 0; i < 3; i++) {
        EXPECT(early[i][199999] == i + 1);
        free(early[i]);
    }
    return 0;
}
