// SPDX-License-Identifier: Apache-2.0
// Threads with the smallest stacks that the system allows are sampled and do not overflow.
#include "expect.h"
#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

static void *work(void *arg)
{
    burn(30);
    return arg;
}

int main(void)
{
    size_t size = (size_t)PTHREAD_STACK_MIN;
    for (int i = 0; i < 20; i++) {
        /* The page below is readable, so that an overflow would be seen as a change rather than as a crash.
         */
        char *memory = mmap(NULL, size + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        pthread_attr_t attr;
        pthread_t thread;
        pthread_attr_init(&attr);
        memset(memory, 0x5a, 4096);
        EXPECT(!pthread_attr_setstack(&attr, memory + 4096, size));
        EXPECT(!pthread_create(&thread, &attr, work, NULL) && !pthread_join(thread, NULL));
        for (int j = 0; j < 4096; j++)
            EXPECT(memory[j] == 0x5a);
        munmap(memory, size + 4096);
    }
    return 0;
}
