// SPDX-License-Identifier: Apache-2.0
// What a filter lets through goes on: under one that forbids a call of the program's own, or that the kernel
// did not take, threads are sampled as before (as many timers are there for a new one); under one that makes
// timers fail or kills for them, the timers that are there stay and threads go without.
#include "expect.h"
#include "filters.h"
#include "timers.h"
#include <errno.h>
#include <pthread.h>
#include <string.h>

static const int chown_alone[] = {SYS_fchownat, -1};
static const int timer_calls[] = {SYS_timer_create, SYS_timer_settime, SYS_timer_delete, -1};

static void *count(void *timers)
{
    burn(20);
    *(int *)timers = count_timers();
    return timers;
}

static int timers_in_thread(void)
{
    pthread_t thread;
    int timers = -1;
    EXPECT(!pthread_create(&thread, NULL, count, &timers) && !pthread_join(thread, NULL));
    return timers;
}

static void expect_refused(void)
{
    struct sock_filter ends_without_answer[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0)};
    struct sock_fprog program = {1, ends_without_answer}, nowhere = {5, (struct sock_filter *)8};

    EXPECT(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == -1 && errno == EINVAL);
    EXPECT(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &nowhere) == -1 && errno == EFAULT);
    EXPECT(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 1u << 30, &program) == -1 && errno == EINVAL);
}

int main(void)
{
    int alone, stayed;
    pid_t child;

    burn(30);
    alone = count_timers();
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    expect_refused();
    burn(20);
    EXPECT(count_timers() == alone && timers_in_thread() == 2 * alone);
    EXPECT(!install_filter(chown_alone, SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_ALLOW, 0));
    EXPECT(timers_in_thread() == 2 * alone);

    child = fork();
    if (!child) {
        burn(30);
        stayed = count_timers();
        EXPECT(!install_filter(timer_calls, SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_ALLOW, (unsigned)BY_PRCTL));
        EXPECT(timers_in_thread() == stayed);
        burn(50);
        _exit(3);
    }
    EXPECT(wait_for(child) == 3);
    return 0;
}
