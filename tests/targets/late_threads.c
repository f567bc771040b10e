// SPDX-License-Identifier: Apache-2.0
// build: -Wl,--as-needed
// Before glibc 2.34 a program without threads does not load libpthread. Here it comes later, and its threads run, end,
// and clean up as they do without cprof.
#include "expect.h"
#include <dlfcn.h>
#include <pthread.h>

typedef int create_function(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
typedef int join_function(pthread_t, void **);
typedef int lock_function(pthread_mutex_t *);
typedef int key_function(pthread_key_t *, void (*)(void *));
typedef int set_function(pthread_key_t, const void *);

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static lock_function *lock, *unlock;
static set_function *set;
static pthread_key_t key;
static int ended, count;

static void at_end(void *value)
{
    ended += *(int *)value;
}

static void *work(void *value)
{
    set(key, value);
    for (int i = 0; i < 10000; i++) {
        lock(&mutex);
        count++;
        unlock(&mutex);
    }
    burn(30);
    return value;
}

int main(void)
{
    static int one = 1;
    pthread_t thread[4];
    void *library, *result;

    burn(20);
    library = dlopen("libpthread.so.0", RTLD_NOW | RTLD_GLOBAL);
    if (!library)
        SKIP("there is no libpthread.so.0");
    create_function *create = (create_function *)dlsym(RTLD_DEFAULT, "pthread_create");
    join_function *join = (join_function *)dlsym(RTLD_DEFAULT, "pthread_join");
    key_function *make_key = (key_function *)dlsym(RTLD_DEFAULT, "pthread_key_create");
    set = (set_function *)dlsym(library, "pthread_setspecific");
    lock = (lock_function *)dlsym(RTLD_DEFAULT, "pthread_mutex_lock");
    unlock = (lock_function *)dlsym(RTLD_DEFAULT, "pthread_mutex_unlock");
    EXPECT(create && join && make_key && set && lock && unlock);
    EXPECT(!make_key(&key, at_end));
    for (int i = 0; i < 4; i++)
        EXPECT(!create(&thread[i], NULL, work, &one));
    for (int i = 0; i < 4; i++)
        EXPECT(!join(thread[i], &result) && result == &one);
    EXPECT(count == 40000 && ended == 4);
    return 0;
}
