// SPDX-License-Identifier: Apache-2.0
// The floor: the least that a preloaded profiler can be. Allocations: it forwards, counts bytes down in
// thread-local storage on the way in, and looks a counter up by address on the way out. Locks and reads: it
// forwards.
#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define EXPORT      __attribute__((visibility("default")))
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

static __thread int64_t gap __attribute__((tls_model("initial-exec")));
static uint8_t filter[65536];
static void *(*real_malloc)(size_t);
static void (*real_free)(void *);

EXPORT void *malloc(size_t size)
{
    if (UNLIKELY(!real_malloc))
        *(void **)&real_malloc = dlsym(RTLD_NEXT, "malloc");
    gap -= (int64_t)size;
    if (UNLIKELY(gap < 0))
        gap = INT64_MAX;
    return real_malloc(size);
}

EXPORT void free(void *block)
{
    if (UNLIKELY(!real_free))
        *(void **)&real_free = dlsym(RTLD_NEXT, "free");
    if (UNLIKELY(((volatile uint8_t *)filter)[(uintptr_t)block >> 12 & 65535]))
        return;
    real_free(block);
}

#define FORWARD(type, name, parameters, arguments)                                                           \
    static type(*real_##name) parameters;                                                                    \
    EXPORT type name parameters                                                                              \
    {                                                                                                        \
        if (UNLIKELY(!real_##name))                                                                          \
            *(void **)&real_##name = dlsym(RTLD_NEXT, #name);                                                \
        return real_##name arguments;                                                                        \
    }
FORWARD(int, pthread_mutex_lock, (pthread_mutex_t * mutex), (mutex))
FORWARD(int, pthread_mutex_unlock, (pthread_mutex_t * mutex), (mutex))
FORWARD(ssize_t, read, (int fd, void *buffer, size_t size), (fd, buffer, size))
