/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules for editing this file: everything marked [child] runs in the target's memory on a borrowed stack
 * while the calling thread waits. It makes raw system calls only and writes to struct launch only.
 */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/memfd.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "../sampler/sys.h"
#include "config.h"
#include "machine.h"

enum { STACK = 32768, SEGMENT_FD = 3, MARKER_FD = 4, SIGNALS = 64, MAX_ERRNO = 4095 };

struct launch {
    int memfd, marker;
    int error;    /* [child] 0: running */
    int uploader; /* [child] its pid */
    char socket[sizeof config.socket + 16], pid[24];
    char path[2 * PATH_MAX];
    char stack[2][STACK] __attribute__((aligned(16)));
};

/* What the kernel's rt_sigaction takes. */
struct kernel_action {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};

/* [child] Handlers go with exec, but SIG_IGN would stay. */
static void reset_signals(void)
{
    static const struct kernel_action fallback;
    static const uint64_t none;
    for (int sig = 1; sig <= SIGNALS; sig++)
        sys_call(SYS_rt_sigaction, sig, &fallback, 0, sizeof fallback.mask);
    sys_call(SYS_rt_sigprocmask, SIG_SETMASK, &none, 0, sizeof none);
}

/* [child] A limit that is meant for the target must not starve the uploader, nor may it be without the time
   stamp counter, by which its C library reads the clock. */
static void raise_limits(void)
{
    static const int limits[] = {RLIMIT_NOFILE, RLIMIT_AS, RLIMIT_DATA, RLIMIT_FSIZE, RLIMIT_CPU};
    static const struct sched_param normal;
    struct rlimit limit = {0, 0};
    for (unsigned i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        if (sys_call(SYS_prlimit64, 0, limits[i], 0, &limit))
            continue;
        limit.rlim_cur = limit.rlim_max;
        sys_call(SYS_prlimit64, 0, limits[i], &limit, 0);
    }
    sys_call(SYS_sched_setscheduler, 0, SCHED_OTHER, &normal);
    sys_call(SYS_prctl, PR_SET_TSC, PR_TSC_ENABLE);
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

/* [child] The memfd as descriptor 3, the marker as 4, nothing else, and 0 to 2 lead nowhere. */
static int arrange_descriptors(const struct launch *launch)
{
    long result, null, marker = launch->marker;
    if (marker == SEGMENT_FD)
        marker = sys_call(SYS_fcntl, marker, F_DUPFD, MARKER_FD + 1);
    result = move_descriptor(launch->memfd, SEGMENT_FD);
    if (result < 0)
        return (int)result;
    if (marker >= 0)
        marker = move_descriptor(marker, MARKER_FD);
    close_from(marker < 0 ? MARKER_FD : MARKER_FD + 1);
    for (int fd = 0; fd < SEGMENT_FD; fd++)
        sys_call(SYS_close, fd);
    null = sys_call(SYS_open, "/dev/null", O_RDWR);
    if (null < 0) /* an empty chroot */
        null = sys_call(SYS_memfd_create, "null", 0);
    for (int fd = 1; fd < SEGMENT_FD && null == 0; fd++)
        sys_call(SYS_dup2, 0, fd);
    return 0;
}

/* [child] Comes back only where the program cannot be executed. */
static long execute(struct launch *launch, const char *directory, const char *tail)
{
    static char name[] = "cprof-uploader", serve[] = "serve", fd[] = "--segment-fd=3";
    char *const arguments[] = {name, serve, launch->socket, fd, launch->pid, NULL};
    size_t used = strnlen(directory, PATH_MAX - 1);
    memcpy(launch->path, directory, used);
    memcpy(launch->path + used, tail, strlen(tail) + 1);
    return sys_call(SYS_execve, launch->path, arguments, config.environment);
}

/* [child] The uploader-to-be, a grandchild of the target. */
static int run_uploader(void *context)
{
    static const char *const beside[] = {"/../bin/cprof-uploader", "/../libexec/cprof/cprof-uploader",
                                         "/cprof-uploader"};
    struct launch *launch = context;
    long result;

    sys_call(SYS_setsid);
    raise_limits();
    result = arrange_descriptors(launch);
    if (!result) {
        reset_signals();
        if (config.uploader)
            result = execute(launch, config.uploader, "");
        else
            for (unsigned i = 0; i < sizeof beside / sizeof beside[0]; i++)
                result = execute(launch, config.library ? config.library : "", beside[i]);
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

static int clone_and_wait(struct launch *launch)
{
    static const uint64_t all = ~UINT64_C(0);
    uint64_t before = 0;
    long pid;

    sys_call(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof all);
    pid = machine_clone(CLONE_VM | CLONE_VFORK, launch->stack[0] + STACK, run_between, launch);
    if (pid > 0)
        while (sys_call(SYS_wait4, pid, 0, __WALL, 0) == -EINTR)
            ;
    sys_call(SYS_rt_sigprocmask, SIG_SETMASK, &before, 0, sizeof before);
    return pid < 0 ? (int)pid : launch->error;
}

int launch_uploader(int memfd, int marker, int *pid, const char **path)
{
    static char last_path[PATH_MAX];
    long at = sys_call(SYS_mmap, 0, sizeof(struct launch), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct launch *launch;
    int result;

    if ((unsigned long)at >= (unsigned long)-MAX_ERRNO)
        return (int)at;
    launch = (struct launch *)at;
    launch->memfd = memfd;
    launch->marker = marker;
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
