// SPDX-License-Identifier: Apache-2.0
/*
 * Uses 64 MiB in blocks, maps 32 MiB, and has 24 MiB of free memory between small blocks. Prints its resident
 * memory in KiB, lives for some seconds more, and frees the blocks at its end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MIB = 1 << 20, BLOCK = 64 * 1024, SMALL = 200, SMALLS = 24 * MIB / SMALL };
static void *volatile kept[1024];
static void *volatile small[SMALLS];

__attribute__((noinline)) static void use_blocks(void)
{
    for (int i = 0; i < 64 * MIB / BLOCK; i++)
        memset(kept[i] = malloc(BLOCK), 1, BLOCK);
}

__attribute__((noinline)) static void use_mapping(void)
{
    void *at = mmap(NULL, 32 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        exit(1);
    memset(at, 1, 32 * MIB);
}

__attribute__((noinline)) static void leave_holes(void)
{
    for (int i = 0; i < SMALLS; i++)
        memset(small[i] = malloc(SMALL), 1, SMALL);
    for (int i = 0; i < SMALLS; i++)
        if (i % 200)
            free(small[i]);
}

int main(void)
{
    char line[256];
    FILE *status;

    use_blocks();
    use_mapping();
    leave_holes();
    status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (!strncmp(line, "VmRSS:", 6))
            printf("%s", line);
    fflush(stdout);
    usleep(2500000);
    for (int i = 0; i < 64 * MIB / BLOCK; i++)
        free(kept[i]);
    return 0;
}
