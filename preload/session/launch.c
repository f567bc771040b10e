/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules for editing this file: everything marked [child] runs in the target's memory, on a borrowed stack,
 * while the calling thread waits. Below a program that adopts orphans it runs in a copy of that memory,
 * without thread-local storage. It makes raw system calls only, calls nothing of libc, and writes to struct
 * launch only.
 */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "config.h"
#include "preload/real/machine.h"
#include "sampler/base/sys.h"
#include "sampler/segment/layout.h"

enum { STACK = 32768, SEGMENT_FD = 3, LISTEN_FD = 4, SIGNALS = 64, MAX_ERRNO = 4095 };
enum { BACKLOG = 1024, TIMER_SLACK_NS = 50000, IO_PRIORITY_OF_PROCESS = 1, DEFAULT_POLICY = 0 };
#define USUAL_STACK (UINT64_C(8) << 20)

/* An uploader that has not come to its main() by then never will. It stops this timer, which exec keeps. */
static const struct itimerval start_limit = {.it_value = {.tv_sec = 5}};

/* In shared memory: read by the target also where the child has a copy of all else. */
struct launch {
    int memfd, listener;
    bool may_speak;
    int error;             /* [child] 0: running */
    int uploader;          /* [child] its pid */
    _Atomic uint32_t done; /* [child] a futex; release, after the two above */
    char socket[sizeof config.socket + 16], pid[24];
    char path[2 * PATH_MAX];
    char stack[2][STACK] __attribute__((aligned(16)));
};

/* [child] Handlers go with exec, but SIG_IGN would stay. */
static void reset_signals(void)
{
    static const struct sys_sigaction fallback;
    static const uint64_t none;
    for (int sig = 1; sig <= SIGNALS; sig++)
        sys_call(SYS_rt_sigaction, sig, &fallback, 0, sizeof fallback.mask);
    sys_call(SYS_rt_sigprocmask, SIG_SETMASK, &none, 0, sizeof none);
}

/* [child] A limit that is meant for the target must not starve the uploader. */
static void raise_limits(void)
{
    static const int limits[] = {RLIMIT_NOFILE, RLIMIT_AS,  RLIMIT_DATA,
                                 RLIMIT_FSIZE,  RLIMIT_CPU, RLIMIT_STACK};
    struct rlimit limit = {0, 0};
    for (unsigned i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        if (sys_call(SYS_prlimit64, 0, limits[i], 0, &limit))
            continue;
        limit.rlim_cur = limit.rlim_max;
        if (limits[i] == RLIMIT_STACK && limit.rlim_cur > USUAL_STACK)
            limit.rlim_cur = USUAL_STACK;
        sys_call(SYS_prlimit64, 0, limits[i], &limit, 0);
    }
}

/* [child] What the target chose for itself: where and when it runs, its memory's place, its clock. The kernel
   refuses some of it without privileges (a better nice value), and has no way out of a control group. */
static void leave_scheduling(void)
{
    static const struct sched_param normal;
    uint64_t everywhere[128];

    for (unsigned i = 0; i < sizeof everywhere / sizeof everywhere[0]; i++)
        everywhere[i] = ~UINT64_C(0);
    sys_call(SYS_sched_setaffinity, 0, sizeof everywhere, everywhere);
    sys_call(SYS_sched_setscheduler, 0, SCHED_OTHER, &normal);
    sys_call(SYS_setpriority, PRIO_PROCESS, 0, 0);
    sys_call(SYS_ioprio_set, IO_PRIORITY_OF_PROCESS, 0, 0);
    sys_call(SYS_set_mempolicy, DEFAULT_POLICY, 0, 0);
    sys_call(SYS_personality, PER_LINUX);
    sys_call(SYS_prctl, PR_SET_TIMERSLACK, TIMER_SLACK_NS, 0, 0, 0);
    /* Its C library reads the clock by the time stamp counter. */
    sys_call(SYS_prctl, PR_SET_TSC, PR_TSC_ENABLE);
    /* A daemon's umask of 0 is no wish that anybody may write its profiles. */
    sys_call(SYS_umask, sys_call(SYS_umask, 077) | 022);
}

/* [child] close_range() came with Linux 5.9. */
static void close_from(unsigned first)
{
    struct rlimit limit = {0, 0};
    if (!sys_call(SYS_close_range, first, ~0u, 0))
        return;
    if (sys_call(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, &limit) || limit.rlim_cur > 65536)
        limit.rlim_cur = 65536;
    for (; first < limit.rlim_cur; first++)
        sys_call(SYS_close, first);
}

/* [child] Also where it has that number already: then it is to survive exec. */
static long move_descriptor(long from, int to)
{
    return from == to ? sys_call(SYS_fcntl, to, F_SETFD, 0) : sys_call(SYS_dup3, from, to, 0);
}

/* [child] The memfd becomes descriptor 3 and the session's socket 4. 0 to 2 are /dev/null, except that 2 stays
   if the uploader may say on the target's stderr why it does not start. listen() is called here, because
   SO_PEERCRED shows a client the process that called it. */
static int arrange_descriptors(const struct launch *launch)
{
    long result, null, listener = launch->listener;
    if (listener == SEGMENT_FD)
        listener = sys_call(SYS_fcntl, listener, F_DUPFD, LISTEN_FD + 1);
    result = move_descriptor(launch->memfd, SEGMENT_FD);
    if (result >= 0)
        result = move_descriptor(listener, LISTEN_FD);
    if (result >= 0)
        result = sys_call(SYS_listen, LISTEN_FD, BACKLOG);
    if (result < 0)
        return (int)result;
    close_from(LISTEN_FD + 1);
    for (int fd = 0; fd < SEGMENT_FD; fd++)
        if (fd != 2 || !launch->may_speak)
            sys_call(SYS_close, fd);
    null = sys_call(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR);
    if (null < 0) /* an empty chroot */
        null = sys_call(SYS_memfd_create, "null", 0);
    for (int fd = 1; fd < SEGMENT_FD && null == 0; fd++)
        if (fd != 2 || !launch->may_speak)
            sys_call(SYS_dup3, 0, fd, 0);
    return 0;
}

/* [child] Comes back only where the program cannot be executed. */
static long execute(struct launch *launch, const char *directory, const char *tail)
{
    static char name[] = "cprof-uploader", serve[] = "serve", fds[] = "--segment-fd=3",
                listener[] = "--listen-fd=4";
    char *const arguments[] = {name, serve, launch->socket, fds, listener, launch->pid, NULL};
    size_t used = 0;
    while (*directory && used < PATH_MAX - 1)
        launch->path[used++] = *directory++;
    do
        launch->path[used++] = *tail;
    while (*tail++);
    return sys_call(SYS_execve, launch->path, arguments, config.environment);
}

/* [child] The uploader-to-be, a grandchild of the target. The one place where the command is made. */
static int run_uploader(void *context)
{
    static const char *const beside[] = {"/../bin/cprof-uploader", "/../libexec/cprof/cprof-uploader",
                                         "/cprof-uploader"};
    enum { PLACES = sizeof beside / sizeof beside[0] };
    struct launch *launch = context;
    unsigned faulty = PLACES;
    long result;

    sys_call(SYS_setsid);
    raise_limits();
    leave_scheduling();
    result = arrange_descriptors(launch);
    if (!result) {
        sys_call(SYS_setitimer, ITIMER_REAL, &start_limit, 0);
        reset_signals();
        const char *library = config.library ? config.library : "";
        if (config.uploader)
            result = execute(launch, config.uploader, "");
        for (unsigned i = 0; i < PLACES && !config.uploader; i++) {
            result = execute(launch, library, beside[i]);
            faulty = result != -ENOENT && faulty == PLACES ? i : faulty;
        }
        if (faulty < PLACES) /* what is said is of the one that is there */
            result = execute(launch, library, beside[faulty]);
    }
    launch->error = (int)result;
    return 1;
}

/* [child] Stands between, so that the uploader is nobody's child. Exit signal 0: the target's wait() never
 * sees it. */
static int run_between(void *context)
{
    struct launch *launch = context;
    long pid = machine_clone(CLONE_VM | CLONE_VFORK, launch->stack[1] + STACK, run_uploader, launch);
    launch->uploader = (int)pid;
    if (pid < 0)
        launch->error = (int)pid;
    return 0;
}

static void append_number(char *text, unsigned number)
{
    char digits[12];
    unsigned n = sizeof digits - 1;
    digits[n] = 0;
    do
        digits[--n] = (char)('0' + number % 10);
    while (number /= 10);
    strcat(text, digits + n);
}

/*
 * A program that adopts orphans (the first of a pid namespace, a subreaper) would adopt the uploader, too.
 * Its wait() would return the uploader, or wait for it. The kernel hides a child from wait() if its exit
 * signal is not SIGCHLD, but exec makes it SIGCHLD again. So the child is a fork of the program that never
 * executes anything. It gives back its copy of the memory, adopts what the uploader may leave, and ends
 * after it.
 */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char _end[] __attribute__((visibility("hidden")));

static uintptr_t page_floor(uintptr_t address)
{
    return address / ARCH_PAGE_MOST * ARCH_PAGE_MOST;
}

static uintptr_t page_ceiling(uintptr_t address)
{
    return page_floor(address + ARCH_PAGE_MOST - 1);
}

/* [child] The kernel refuses a range that reaches beyond its last address, which depends on its page tables. */
static void unmap_rest(uintptr_t start)
{
    enum { LEAST_BITS = 36 };
    uint64_t end = ARCH_USER_END;
    while (end >> LEAST_BITS && sys_call(SYS_munmap, start, end - ARCH_PAGE_MOST - start) < 0)
        end /= 2;
}

/* [child] All but the library and what it stands on. */
static void unmap_others(const struct launch *launch)
{
    uintptr_t library = page_floor((uintptr_t)__ehdr_start), library_end = page_ceiling((uintptr_t)_end);
    uintptr_t own = page_floor((uintptr_t)launch), own_end = page_ceiling((uintptr_t)launch + sizeof *launch);
    bool own_first = own < library;
    uintptr_t first = own_first ? own : library, first_end = own_first ? own_end : library_end;
    uintptr_t second = own_first ? library : own, second_end = own_first ? library_end : own_end;

    sys_call(SYS_munmap, 0, first);
    sys_call(SYS_munmap, first_end, second - first_end);
    unmap_rest(second_end);
}

static int run_parent(void *context)
{
    static const struct sys_sigaction ignore = {.handler = (void *)SIG_IGN};
    struct launch *launch = context;
    long pid;

    sys_call(SYS_prctl, PR_SET_NAME, "cprof-parent");
    sys_call(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    sys_call(SYS_setsid);
    /* So its children leave no zombies, and no CPU time that the program would inherit with ours. */
    sys_call(SYS_rt_sigaction, SIGCHLD, &ignore, 0, sizeof ignore.mask);
    pid = machine_clone(CLONE_VM | CLONE_VFORK, launch->stack[1] + STACK, run_uploader, launch);
    launch->uploader = (int)pid;
    if (pid < 0)
        launch->error = (int)pid;
    /* Release; pairs with the acquire in wait_for_parent(). */
    atomic_store_explicit(&launch->done, 1, memory_order_release);
    sys_call(SYS_futex, &launch->done, FUTEX_WAKE, 1, 0, 0, 0);
    close_from(0);
    sys_call(SYS_chdir, "/");
    unmap_others(launch);
    while (sys_call(SYS_wait4, -1, 0, __WALL, 0) != -ECHILD)
        ;
    return 0;
}

/* Of the last start by this process; it is reaped at the next one. */
static int hidden_child;

static int wait_for_parent(struct launch *launch)
{
    static const struct timespec moment = {0, 20000000};

    while (!atomic_load_explicit(&launch->done, memory_order_acquire)) {
        sys_call(SYS_futex, &launch->done, FUTEX_WAIT, 0, &moment, 0, 0);
        if (sys_call(SYS_wait4, hidden_child, 0, __WALL | WNOHANG, 0)) { /* killed */
            hidden_child = 0;
            break;
        }
    }
    return atomic_load_explicit(&launch->done, memory_order_acquire) ? launch->error : -ECHILD;
}

static int start_hidden(struct launch *launch)
{
    long pid;
    if (hidden_child)
        sys_call(SYS_wait4, hidden_child, 0, __WALL | WNOHANG, 0);
    pid = machine_clone(0, launch->stack[0] + STACK, run_parent, launch);
    hidden_child = pid > 0 ? (int)pid : 0;
    return pid < 0 ? (int)pid : wait_for_parent(launch);
}

static int start_orphan(struct launch *launch)
{
    long pid = machine_clone(CLONE_VM | CLONE_VFORK, launch->stack[0] + STACK, run_between, launch);
    if (pid > 0)
        while (sys_call(SYS_wait4, pid, 0, __WALL, 0) == -EINTR)
            ;
    return pid < 0 ? (int)pid : launch->error;
}

static bool adopts_orphans(void)
{
    int is_subreaper = 0;
    sys_call(SYS_prctl, PR_GET_CHILD_SUBREAPER, &is_subreaper, 0, 0, 0);
    return is_subreaper || sys_call(SYS_getpid) == 1;
}

/* After unshare(CLONE_NEWPID) or setns() the next child is the first process of a namespace, or lives in one
   that the uploader would not see this process in. */
static bool children_live_elsewhere(void)
{
    char own[64], childrens[64];
    long length = sys_call(SYS_readlinkat, AT_FDCWD, "/proc/thread-self/ns/pid", own, sizeof own);
    long other = sys_call(SYS_readlinkat, AT_FDCWD, "/proc/thread-self/ns/pid_for_children", childrens,
                          sizeof childrens);
    return length > 0 && (other != length || memcmp(own, childrens, (size_t)length) != 0);
}

static int clone_and_wait(struct launch *launch)
{
    static const uint64_t all = ~UINT64_C(0);
    uint64_t before = 0;
    int result;

    if (children_live_elsewhere())
        return -EXDEV;
    sys_call(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof all);
    result = adopts_orphans() ? start_hidden(launch) : start_orphan(launch);
    sys_call(SYS_rt_sigprocmask, SIG_SETMASK, &before, 0, sizeof before);
    return result;
}

int launch_uploader(int memfd, int listener, bool may_speak, int *pid, const char **path)
{
    static char last_path[PATH_MAX];
    long at = sys_call(SYS_mmap, 0, sizeof(struct launch), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                       -1, 0);
    struct launch *launch;
    int result;

    if ((unsigned long)at >= (unsigned long)-MAX_ERRNO)
        return (int)at;
    launch = (struct launch *)at;
    launch->memfd = memfd;
    launch->listener = listener;
    launch->may_speak = may_speak;
    strcpy(launch->socket, "--socket=");
    strcat(launch->socket, config.socket);
    strcpy(launch->pid, "--pid=");
    append_number(launch->pid, (unsigned)sys_call(SYS_getpid));
    result = clone_and_wait(launch);
    *pid = launch->uploader;
    if (result) {
        memcpy(last_path, launch->path, sizeof last_path - 1);
        *path = last_path;
    }
    sys_call(SYS_munmap, at, sizeof(struct launch));
    return result;
}
