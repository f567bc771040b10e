// SPDX-License-Identifier: Apache-2.0
// Another preloaded library with an allocator of its own, after ours: each does its part.
#include "expect.h"
#include <string.h>

int main(int argc, char **argv)
{
    const char *preload = getenv("LD_PRELOAD");
    char list[4096];

    if (argc == 1) {
        if (access("/usr/lib/x86_64-linux-gnu/libjemalloc.so.2", R_OK))
            SKIP("libjemalloc is not there: apt-get install libjemalloc2");
        snprintf(list, sizeof list, "%s%slibjemalloc.so.2", preload ? preload : "", preload ? ":" : "");
        setenv("LD_PRELOAD", list, 1);
        execl(argv[0], argv[0], "again", (char *)NULL);
        return 1;
    }
    for (int i = 0; i < 100000; i++) {
        char *block = malloc(100);
        block = realloc(block, 100 + (size_t)i % 1000);
        memset(block, 1, 100);
        free(block);
        free(aligned_alloc(4096, 4096));
    }
    EXPECT(!system("exit 0"));
    return 0;
}
