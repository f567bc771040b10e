// SPDX-License-Identifier: Apache-2.0
// Copies its own code to anonymous memory and puts that in the place of the file's, as programs do for huge pages. Then a
// thread waits in a call that no hook sees, and the main thread computes for a second.
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile uint64_t sink;

__attribute__((noinline)) void compute_moved(double seconds)
{
    struct timespec now;
    do {
        for (int i = 0; i < 100000; i++)
            sink += (uint64_t)i;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    } while ((double)now.tv_sec + (double)now.tv_nsec / 1e9 < seconds);
}

__attribute__((noinline)) void *wait_moved(void *word)
{
    const struct timespec most = {5, 0};
    syscall(SYS_futex, word, 0, 0, &most, NULL, 0);
    sink++;
    return NULL;
}

static int move_text(void)
{
    unsigned long start, end;
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx r-xp", &start, &end) != 2 || !strstr(line, "r-xp") ||
            (uintptr_t)move_text < start || (uintptr_t)move_text >= end)
            continue;
        fclose(maps);
        size_t size = end - start;
        void *copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        memcpy(copy, (void *)start, size);
        mprotect(copy, size, PROT_READ | PROT_EXEC);
        return mremap(copy, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)start) == (void *)start ? 0
                                                                                                       : 1;
    }
    return 2;
}

int main(void)
{
    static uint32_t word;
    pthread_t thread;
    if (move_text())
        return 1;
    pthread_create(&thread, NULL, wait_moved, &word);
    compute_moved(1);
    syscall(SYS_futex, &word, 1, 1, NULL, NULL, 0);
    pthread_join(thread, NULL);
    return 0;
}
