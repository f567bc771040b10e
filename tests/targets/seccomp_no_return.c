// SPDX-License-Identifier: Apache-2.0
// Under a filter that does not let a signal's handler return, and gives SIGSYS for all but five calls, a
// process that has used CPU time before goes on to use some and ends as it likes: by prctl() or seccomp(),
// one thread or all of them, and in a child of one that is restricted.
#include "expect.h"
#include "filters.h"
#include <pthread.h>
#include <sys/mman.h>

static const int five[] = {SYS_read, SYS_write, SYS_close, SYS_exit, SYS_exit_group, -1};

static void count(void)
{
    for (volatile long i = 0; i < 30000000; i++)
        ;
}

static void *count_on(void *done)
{
    while (!__atomic_load_n((int *)done, __ATOMIC_ACQUIRE))
        count();
    syscall(SYS_exit, 0);
    return NULL;
}

static void restricted(unsigned flags, unsigned action)
{
    burn(20);
    EXPECT(!install_filter(five, SECCOMP_RET_ALLOW, action, flags));
    count();
    EXPECT(write(-1, "", 0) == -1);
    _exit(3);
}

static void all_restricted(void)
{
    static int done;
    pthread_t thread[2];

    for (int i = 0; i < 2; i++)
        EXPECT(!pthread_create(&thread[i], NULL, count_on, &done));
    burn(30);
    EXPECT(!install_filter(five, SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS, SECCOMP_FILTER_FLAG_TSYNC));
    count();
    __atomic_store_n(&done, 1, __ATOMIC_RELEASE);
    _exit(3);
}

/* The child's first moments are under the filter. */
static void restricted_parent(void)
{
    /* The fork() of musl and of later versions of glibc blocks signals. */
    static const int more[] = {
        SYS_read, SYS_write,      SYS_clone, SYS_set_robust_list, SYS_rt_sigprocmask, SYS_wait4,
        SYS_exit, SYS_exit_group, -1};
    pid_t child;

    burn(20);
    EXPECT(!install_filter(more, SECCOMP_RET_ALLOW, SECCOMP_RET_TRAP, 0));
    child = fork();
    count();
    if (!child)
        _exit(5);
    EXPECT(wait_for(child) == 5);
    _exit(3);
}

int main(void)
{
    burn(50);
    for (int i = 0; i < 12; i++) {
        pid_t child = fork();
        if (!child && i % 4 == 0)
            restricted((unsigned)BY_PRCTL, SECCOMP_RET_TRAP);
        if (!child && i % 4 == 1)
            restricted(0, SECCOMP_RET_ERRNO | 1);
        if (!child && i % 4 == 2)
            all_restricted();
        if (!child)
            restricted_parent();
        EXPECT(wait_for(child) == 3);
    }
    return 0;
}
