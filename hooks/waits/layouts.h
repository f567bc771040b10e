/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libc's locks say of themselves. glibc's headers describe its own; musl's are of the same sizes and are described
 * here. Of musl's normal mutexes the owner is not known, as they do not hold it.
 */
#ifndef CPROF_HOOKS_LAYOUTS_H
#define CPROF_HOOKS_LAYOUTS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "sampler/libc/libc.h"

struct musl_mutex {
    int type; /* 0: normal */
    int lock; /* 0: free; of another type the owner's number, with the sign bit if it is waited for */
    int waiters;
    int unused[2];
    int count; /* of a recursive one: times that it was locked beyond the first */
};
struct musl_rwlock {
    int lock, waiters, is_shared;
};
_Static_assert(sizeof(struct musl_mutex) <= sizeof(pthread_mutex_t), "it is the mutex's beginning");
enum { MUSL_TYPE = 3, MUSL_NORMAL = 0, MUSL_RECURSIVE = 1, MUSL_OWNER = 0x3fffffff };
enum { PROCESS_SHARED = 128 }; /* of both kinds' type */

static inline bool libc_is_musl(void)
{
    return __builtin_expect(libc.kind == LIBC_MUSL, 0);
}

/* The object is whatever libc takes it for. */
static inline int musl_load(const int *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}
static inline const struct musl_mutex *musl_mutex(const pthread_mutex_t *mutex)
{
    return (const void *)mutex;
}

static inline bool musl_mutex_is_waited_for(const pthread_mutex_t *mutex)
{
    return musl_load(&musl_mutex(mutex)->waiters) || musl_load(&musl_mutex(mutex)->lock) < 0;
}

static inline bool mutex_is_locked(const pthread_mutex_t *mutex)
{
    return libc_is_musl() ? musl_load(&musl_mutex(mutex)->lock) != 0
                          : __atomic_load_n(&mutex->__data.__lock, __ATOMIC_RELAXED) != 0;
}

/* The next unlock gives it to others. */
static inline bool mutex_is_released(const pthread_mutex_t *mutex)
{
    if (libc_is_musl())
        return (musl_mutex(mutex)->type & MUSL_TYPE) != MUSL_RECURSIVE || musl_mutex(mutex)->count <= 0;
    return (mutex->__data.__kind & 3) != PTHREAD_MUTEX_RECURSIVE_NP || mutex->__data.__count <= 1;
}

/* The thread that has it; 0: none, or not known. */
static inline int mutex_owner(const pthread_mutex_t *mutex)
{
    if (!libc_is_musl())
        return __atomic_load_n(&mutex->__data.__owner, __ATOMIC_RELAXED);
    return (musl_mutex(mutex)->type & MUSL_TYPE) == MUSL_NORMAL
               ? 0
               : musl_load(&musl_mutex(mutex)->lock) & MUSL_OWNER;
}

static inline bool mutex_is_process_shared(const pthread_mutex_t *mutex)
{
    return (libc_is_musl() ? musl_mutex(mutex)->type : mutex->__data.__kind) & PROCESS_SHARED;
}

static inline bool rwlock_is_process_shared(const pthread_rwlock_t *lock)
{
    return libc_is_musl() ? ((const struct musl_rwlock *)(const void *)lock)->is_shared
                          : lock->__data.__shared;
}

#endif
