// SPDX-License-Identifier: Apache-2.0
// The rarer names for signals, processes and threads do what their better known relatives do: each is called once.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <threads.h>
#include <unistd.h>

#include "expect.h"

#include "older_libc.h"

typedef void handler(int);
handler *bsd_signal(int sig, handler *action);
void __longjmp_chk(jmp_buf where, int value) __attribute__((noreturn));

static volatile int handled;

static void handle(int sig)
{
    handled = sig;
}

static void signals(void)
{
    handler *(*const set[])(int, handler *) = {bsd_signal, ssignal, __sysv_signal};
    int (*mask)(void) = (int (*)(void))dlsym(RTLD_DEFAULT, "siggetmask");

    for (int i = 0; i < 3; i++) {
        EXPECT(set[i](SIGUSR1, handle) == SIG_DFL);
        handled = 0;
        EXPECT(!gsignal(SIGUSR1) && handled == SIGUSR1);
        signal(SIGUSR1, SIG_DFL);
    }
    signal(SIGUSR1, handle);
    handled = 0;
    EXPECT(!pthread_kill(pthread_self(), SIGUSR1) && handled == SIGUSR1);
    handled = 0;
    EXPECT(!tgkill(getpid(), gettid(), SIGUSR1) && handled == SIGUSR1);
    handled = 0;
    EXPECT(!pthread_sigqueue(pthread_self(), SIGUSR1, (union sigval){0}) && handled == SIGUSR1);
    EXPECT(!mask || mask() == 0);
    EXPECT(syscall(SYS_getpid) == getpid());
}

#if LIBC_HAS(2, 32)
static void *read_mask(void *set)
{
    pthread_sigmask(SIG_BLOCK, NULL, set);
    return NULL;
}

static void mask_of_a_new_thread(void)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t set, got;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_attr_init(&attr);
    EXPECT(!pthread_attr_setsigmask_np(&attr, &set));
    sigemptyset(&got);
    EXPECT(!pthread_attr_getsigmask_np(&attr, &got) && sigismember(&got, SIGUSR2));
    sigemptyset(&got);
    EXPECT(!pthread_create(&thread, &attr, read_mask, &got) && !pthread_join(thread, NULL));
    EXPECT(sigismember(&got, SIGUSR2) && !sigismember(&got, SIGUSR1));
    pthread_attr_destroy(&attr);
}
#else
static void mask_of_a_new_thread(void)
{
}
#endif

static int add_one(void *number)
{
    ++*(int *)number;
    return 7;
}

static void c11_threads(void)
{
    int number = 1, result = 0;
    thrd_t thread;

    EXPECT(thrd_create(&thread, add_one, &number) == thrd_success);
    EXPECT(thrd_join(thread, &result) == thrd_success && number == 2 && result == 7);
}

static void jumps(void)
{
    /* Volatile: the compiler must not know that they do not return. */
    typedef void jump(jmp_buf, int);
    jump *volatile jumps[] = {longjmp, _longjmp, __longjmp_chk};

    for (volatile int i = 0; i < 3; i++) {
        jmp_buf where;
        if (setjmp(where) == 0) {
            jumps[i](where, 1);
            EXPECT(!"a jump returned");
        }
    }
}

static void unloading(void)
{
    void *library = dlopen("libutil.so.1", RTLD_NOW);

    EXPECT(!library || dlclose(library) == 0);
}

static void child_exec(int which)
{
    char *const argv[] = {"sh", "-c", "exit 7", NULL}, *const envp[] = {NULL};
    int fd = open("/bin/sh", O_RDONLY | O_CLOEXEC);

    switch (which) {
    case 0:
        execvp("sh", argv);
        break;
    case 1:
        execvpe("sh", argv, envp);
        break;
    case 2:
        execlp("sh", "sh", "-c", "exit 7", NULL);
        break;
    case 3:
        execle("/bin/sh", "sh", "-c", "exit 7", NULL, envp);
        break;
    case 4:
        fexecve(fd, argv, envp);
        if (errno == ENOENT) /* Linux 5.10 in an initial file system, bare as well */
            execve("/bin/sh", argv, envp);
        break;
    default:
        execveat(AT_FDCWD, "/bin/sh", argv, envp, 0);
    }
    _exit(1);
}

static void exec_and_wait3(void)
{
    for (int which = 0; which < 6; which++) {
        int status = 0;
        pid_t pid = fork();
        if (!pid)
            child_exec(which);
        EXPECT(wait3(&status, 0, NULL) == pid);
        if (status != 7 << 8)
            fprintf(stderr, "exec number %d: status %#x\n", which, status);
        EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    }
}

int main(void)
{
    signals();
    mask_of_a_new_thread();
    c11_threads();
    jumps();
    unloading();
    exec_and_wait3();
    return 0;
}
