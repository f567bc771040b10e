// SPDX-License-Identifier: Apache-2.0
// build: -Wl,-z,now
// real processor: an emulated one takes a period of the timer for a jump that it has not translated yet
// Handlers that use nearly all of an alternate stack run on it as long as they like, whatever its size is, in
// every thread and however they are left; no mask that the program sees or goes on with is changed by that.
#include "expect.h"
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/* What the handler needs. Before 2.34, its calls of libpthread look others up at their first call, which saves all vector
   registers on the stack. */
#if defined __GLIBC__ && !__GLIBC_PREREQ(2, 34)
enum { PAGE = 4096, ITSELF = 6144 };
#else
enum { PAGE = 4096, ITSELF = 1024 };
#endif
enum way { RETURNS, JUMPS, JUMPS_WITHOUT_MASK, CHANGES_MASK, MAKES_THREAD, WAYS };
static __thread size_t used;
static __thread enum way way;
static __thread sigjmp_buf place;

/* Of the kernel's mask: the calling thread can be interrupted by what cprof needs. */
static int is_blocked_really(int sig)
{
    char line[256];
    unsigned long mask = 0;
    FILE *file = fopen("/proc/thread-self/status", "re");
    while (file && fgets(line, sizeof line, file))
        sscanf(line, "SigBlk: %lx", &mask);
    if (file)
        fclose(file);
    return mask >> (sig - 1) & 1;
}

static int is_blocked(int sig)
{
    sigset_t set;
    pthread_sigmask(SIG_BLOCK, NULL, &set);
    return sigismember(&set, sig);
}

static void *look_around(void *arg)
{
    EXPECT(!is_blocked_really(SIGPROF));
    return arg;
}

static void spin(void)
{
    for (volatile int i = 0; i < 10000000; i++)
        ;
}

static void work(int sig)
{
    volatile char *room = __builtin_alloca(used);
    sigset_t none;

    (void)sig;
    room[0] = room[used - 1] = 1;
    spin();
    EXPECT(!is_blocked(SIGPROF) || !used);
    if (way == JUMPS)
        siglongjmp(place, 1);
    if (way == JUMPS_WITHOUT_MASK)
        _longjmp(place, 1);
    if (way == CHANGES_MASK) {
        sigemptyset(&none);
        sigaddset(&none, SIGUSR1);
        sigprocmask(SIG_SETMASK, &none, NULL);
        spin();
    }
    if (way == MAKES_THREAD && used < 8192) {
        pthread_t thread;
        if (!pthread_create(&thread, NULL, look_around, NULL))
            pthread_join(thread, NULL);
    }
}

static void work_on(size_t size, size_t least, int nested)
{
    char *memory = mmap(NULL, PAGE + size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_t stack = {.ss_sp = memory + PAGE, .ss_size = size, .ss_flags = nested};

    mprotect(memory, PAGE, PROT_NONE);
    EXPECT(!sigaltstack(&stack, NULL));
    for (way = 0; way < WAYS; way++) {
        used = size - least - (way == MAKES_THREAD ? size / 2 : ITSELF);
        if (used > size || (way == MAKES_THREAD && size < 65536))
            continue;
        for (int i = 0; i < 4; i++)
            if (!sigsetjmp(place, way == JUMPS))
                raise(SIGUSR1);
        EXPECT(!is_blocked(SIGPROF) && !is_blocked_really(SIGPROF));
    }
    stack.ss_flags = SS_DISABLE;
    EXPECT(!sigaltstack(&stack, NULL));
    munmap(memory, PAGE + size);
}

static void *work_on_all(void *arg)
{
    size_t least = getauxval(AT_MINSIGSTKSZ);
    least = least ? least : 4096;
    work_on(least + 3 * ITSELF, least, 0);
    work_on(16384, least, 0);
    work_on(65536, least, 1 << 31 /* SS_AUTODISARM */);
    return arg;
}

/* What kernels used to take for enough. No handler of the program's runs on it. */
static void have_a_small_one(void)
{
    static char memory[2048];
    stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory};
    if (sigaltstack(&stack, NULL))
        return;
    for (int i = 0; i < 10; i++)
        spin();
    stack.ss_flags = SS_DISABLE;
    sigaltstack(&stack, NULL);
}

int main(void)
{
    struct sigaction action, old;
    pthread_t thread[3];

    memset(&action, 0, sizeof action);
    action.sa_handler = work;
    action.sa_flags = SA_ONSTACK | SA_NODEFER;
    EXPECT(!sigaction(SIGUSR1, &action, NULL));
    have_a_small_one();
    work_on_all(NULL);
    EXPECT(!sigaction(SIGUSR1, &action, &old) && !sigismember(&old.sa_mask, SIGPROF));
    for (int i = 0; i < 3; i++)
        EXPECT(!pthread_create(&thread[i], NULL, work_on_all, NULL));
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
    return 0;
}
