// SPDX-License-Identifier: Apache-2.0
// The main thread leaves by pthread_exit() (argument "exit": by the system call), and the kernel shows
// nothing of the process's memory by its number from then on. One thread goes on sleeping, the other loads
// code, works, sleeps in it and ends the process. Prints "sleeper NS" and "worker NS": how long each has
// lived.
#include <dlfcn.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "waits.h"

static const char *plugin_path;
static int64_t from_ns;

__attribute__((noinline)) static void sleep_here(int64_t ns)
{
    rest(ns);
    __asm__ volatile("");
}

static void *sleeper(void *arg)
{
    sleep_here(3000000000);
    printf("sleeper %" PRId64 "\n", now_ns(CLOCK_MONOTONIC) - from_ns);
    return arg;
}

static void *worker(void *arg)
{
    void (*wait_there)(void (*)(int64_t), int64_t);
    void *plugin;

    sleep_here(500000000);
    plugin = dlopen(plugin_path, RTLD_NOW);
    wait_there = plugin ? (void (*)(void (*)(int64_t), int64_t))dlsym(plugin, "wait_there") : NULL;
    burn(500000000);
    if (wait_there)
        wait_there(sleep_here, 2500000000);
    printf("worker %" PRId64 "\n", now_ns(CLOCK_MONOTONIC) - from_ns);
    fflush(stdout);
    _exit(wait_there ? 0 : 1);
    return arg;
}

#ifdef PLUGIN
void wait_there(void (*call)(int64_t), int64_t ns);
void wait_there(void (*call)(int64_t), int64_t ns)
{
    call(ns);
    __asm__ volatile("");
}
#endif

int main(int argc, char **argv)
{
    pthread_t thread[2];

    plugin_path = argc > 1 ? argv[1] : "";
    from_ns = now_ns(CLOCK_MONOTONIC);
    pthread_create(&thread[0], NULL, worker, NULL);
    pthread_setname_np(thread[0], "worker");
    pthread_create(&thread[1], NULL, sleeper, NULL);
    pthread_setname_np(thread[1], "sleeper");
    if (argc > 2)
        syscall(SYS_exit, 0);
    pthread_exit(NULL);
}
