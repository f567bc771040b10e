// SPDX-License-Identifier: Apache-2.0
// Libraries are loaded and unloaded without end while threads run code of theirs and are sampled.
#include "expect.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>

static atomic_int stop;

static void *load(void *name)
{
    while (!stop) {
        void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
        if (!library)
            return NULL;
        burn(1);
        dlclose(library);
    }
    return name;
}

static void *busy(void *arg)
{
    while (!stop)
        burn(5);
    return arg;
}

int main(void)
{
    static const char *const names[] = {"libstdc++.so.6", "libz.so.1", "libm.so.6"};
    pthread_t loader[3], worker;

    for (int i = 0; i < 3; i++)
        EXPECT(!pthread_create(&loader[i], NULL, load, (void *)names[i]));
    EXPECT(!pthread_create(&worker, NULL, busy, NULL));
    usleep(1500000);
    stop = 1;
    for (int i = 0; i < 3; i++)
        EXPECT(!pthread_join(loader[i], NULL));
    EXPECT(!pthread_join(worker, NULL));
    EXPECT(!dlopen("libdoes-not-exist.so", RTLD_NOW) && dlerror() && !dlerror());
    return 0;
}
