// SPDX-License-Identifier: Apache-2.0
// The program's heap holds what the program allocated, to the byte.
#include "expect.h"
#include <malloc.h>

#include "older_libc.h"

int main(void)
{
    struct mallinfo2 info;

    burn(50);
    info = mallinfo2();
    dprintf(1, "%zu bytes in use, %zu in %zu mapped blocks, heap of %zu\n", (size_t)info.uordblks,
            (size_t)info.hblkhd, (size_t)info.hblks, (size_t)info.arena);
    return 0;
}
