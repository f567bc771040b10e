// SPDX-License-Identifier: Apache-2.0
// A program that asks the loader for functions that its C library may lack gets the same answers as without cprof.
#include "expect.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"epoll_pwait2",
                                    "copy_file_range",
                                    "preadv2",
                                    "pwritev64v2",
                                    "execveat",
                                    "mtx_lock",
                                    "mtx_timedlock",
                                    "cnd_wait",
                                    "cnd_timedwait",
                                    "thrd_create",
                                    "thrd_join",
                                    "tss_create",
                                    "call_once",
                                    "pthread_mutex_clocklock",
                                    "pthread_cond_clockwait",
                                    "pthread_rwlock_clockrdlock",
                                    "pthread_clockjoin_np",
                                    "pthread_attr_setsigmask_np",
                                    "sem_clockwait",
                                    "tgkill",
                                    "fcntl64",
                                    "reallocarray",
                                    "free_sized",
                                    "free_aligned_sized",
                                    "cfree",
                                    "pvalloc",
                                    "__poll_chk",
                                    "__read_chk",
                                    "sigset",
                                    "bsd_signal",
                                    "__sysv_signal",
                                    "sigignore",
                                    "gsignal",
                                    "no_such_function"};

static void *nothing(void *unused)
{
    return unused;
}

int main(void)
{
    pthread_t thread;
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        dprintf(1, "%s: %s\n", names[i], dlsym(RTLD_DEFAULT, names[i]) ? "there" : "missing");
    EXPECT(dlsym(RTLD_DEFAULT, "malloc") && dlsym(RTLD_DEFAULT, "read"));
    /* The program is linked with the library of threads where that is one of its own. */
    EXPECT(!pthread_create(&thread, NULL, nothing, NULL) && !pthread_join(thread, NULL));
    return 0;
}
