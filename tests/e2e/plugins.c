// SPDX-License-Identifier: Apache-2.0
// Loads each plugin it is given once all else has been going on for a while, and waits in it, in a thread of
// its own. "gone": the file is removed first. Built with -DPLUGIN=NAME it is such a plugin, and NAME is where
// it waits.
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef PLUGIN
__attribute__((noinline)) static void PLUGIN(void)
{
    usleep(1500000);
    __asm__ volatile("");
}

void *plugin_work(void *arg)
{
    PLUGIN();
    return arg;
}
#else
static void *other(void *arg)
{
    for (;;)
        usleep(100000);
    return arg;
}

__attribute__((noinline)) static void *call_plugin(void *function)
{
    void *result = ((void *(*)(void *))function)(NULL);
    __asm__ volatile("");
    return result;
}

int main(int argc, char **argv)
{
    int gone = !strcmp(argv[1], "gone");
    pthread_t thread;

    pthread_create(&thread, NULL, other, NULL);
    usleep(500000);
    for (int i = 1 + gone; i < argc; i++) {
        void *library = dlopen(argv[i], RTLD_NOW);
        if (!library || (gone && unlink(argv[i])))
            return 1;
        printf("%p\n", dlsym(library, "plugin_work"));
        pthread_create(&thread, NULL, call_plugin, dlsym(library, "plugin_work"));
        pthread_join(thread, NULL);
        dlclose(library);
    }
    return 0;
}
#endif
