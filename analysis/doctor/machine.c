/* SPDX-License-Identifier: Apache-2.0 */
/* This machine and the shell that asks: what the kernel allows. What can be tried is tried. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "checks.h"
#include "uploader/process/proc_text.h"

enum { TEXT = 4096, LEAST_MAJOR = 5, LEAST_MINOR = 10, SYS_PTRACE = 19, PAST = 64 << 20, NEEDED_FILES = 2 };

/* --- the kernel --- */

static void try_memfd(struct examination *examination)
{
    int fd = (int)syscall(SYS_memfd_create, "cprof", MFD_CLOEXEC | MFD_ALLOW_SEALING), error = errno;

    if (fd >= 0) {
        close(fd);
        return;
    }
    FOUND(examination, STOPS,
          "the kernel gives no memory to share (memfd_create: %s), so no program can join\n%s",
          strerror(error),
          error == EACCES ? "Set the sysctl vm.memfd_noexec to 0 or 1"
                          : "A seccomp filter or a kernel before 3.17 is why");
}

static void try_timer(struct examination *examination)
{
    struct sigevent event = {.sigev_notify = SIGEV_NONE};
    timer_t timer;

    if (!timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer)) {
        timer_delete(timer);
        return;
    }
    if (errno == EAGAIN)
        return; /* a limit, which is another check's */
    FOUND(examination, MISSING,
          "the kernel makes no timer of CPU time (timer_create: %s): no CPU profile\n"
          "It needs CONFIG_POSIX_TIMERS, and a seccomp filter that allows the call",
          strerror(errno));
}

static void try_pidfd(struct examination *examination)
{
    int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

    if (fd >= 0)
        close(fd);
    else
        FOUND(examination, STOPS, "the uploader cannot watch programs (pidfd_open: %s)\n%s", strerror(errno),
              errno == ENOSYS ? "Linux 5.3 or later has it" : "A seccomp filter is why: allow the call");
}

static void try_proc(struct examination *examination)
{
    char text[TEXT];

    if (proc_read("/proc/self/status", text, sizeof text) <= 0)
        FOUND(examination, STOPS,
              "/proc is not mounted here, and the uploader cannot do without\nmount -t proc proc /proc");
}

void check_kernel(struct examination *examination)
{
    struct utsname name;
    int major = 0, minor = 0;

    try_proc(examination);
    try_memfd(examination);
    try_timer(examination);
    try_pidfd(examination);
    if (!uname(&name) && sscanf(name.release, "%d.%d", &major, &minor) == 2 &&
        (major < LEAST_MAJOR || (major == LEAST_MAJOR && minor < LEAST_MINOR)))
        FOUND(examination, MISSING,
              "the kernel is Linux %s, and cprof is tested with %d.%d or later\nUse a newer kernel",
              name.release, LEAST_MAJOR, LEAST_MINOR);
}

/* --- stacks of threads that wait --- */

static bool has_capability(unsigned number)
{
    char text[TEXT];
    const char *line =
        proc_read("/proc/self/status", text, sizeof text) > 0 ? strstr(text, "\nCapEff:\t") : NULL;

    return line && strtoull(line + 9, NULL, 16) >> number & 1;
}

/* Whether the memory of a process of our own may be read at all. */
static int try_reading(void)
{
    char here = 1, there = 0;
    struct iovec local = {&there, 1}, remote = {&here, 1};

    return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == 1 ? 0 : errno;
}

void check_yama(struct examination *examination)
{
    char text[16];
    int scope = proc_read("/proc/sys/kernel/yama/ptrace_scope", text, sizeof text) > 0 ? atoi(text) : 0;
    int error = try_reading();
    static const char lost[] =
        "wall, off_cpu and threads show only the function that a thread waits in, without its callers";

    if (error == EPERM || error == ENOSYS)
        FOUND(examination, MISSING,
              "process_vm_readv() is forbidden here (%s), so %s\n"
              "A seccomp filter is why: allow the call",
              strerror(error), lost);
    else if (scope >= 3)
        FOUND(examination, MISSING,
              "Yama forbids every look at another process (kernel.yama.ptrace_scope is %d), so %s\n"
              "It can be lowered by a restart of the machine alone, with another sysctl setting: 0 or 1",
              scope, lost);
    else if (scope == 2 && !has_capability(SYS_PTRACE))
        FOUND(examination, MISSING,
              "Yama allows looks at another process with CAP_SYS_PTRACE only "
              "(kernel.yama.ptrace_scope is 2), so %s\nsysctl kernel.yama.ptrace_scope=1, or give that "
              "capability",
              lost);
}

/* --- limits --- */

static void judge_memory(struct examination *examination, const struct usage *usage)
{
    if (usage->size_limit < sizeof(struct segment))
        FOUND(examination, STOPS,
              "files may not be larger than %llu bytes (ulimit -f), so the library cannot make the memory "
              "of %zu bytes that it shares with the uploader\nRaise it: ulimit -f unlimited, or "
              "LimitFSIZE=infinity",
              (unsigned long long)usage->size_limit, sizeof(struct segment));
    if (usage->address_limit != UINT64_MAX &&
        usage->address_limit < (uint64_t)usage->address_bytes + sizeof(struct segment) + PAST)
        FOUND(examination, STOPS,
              "the limit of address space (ulimit -v) is %llu MiB, and the library takes %zu MiB of what "
              "is left\nRaise it by 128 MiB at least, or set it to unlimited",
              (unsigned long long)(usage->address_limit >> 20), sizeof(struct segment) >> 20);
}

/* Processes and threads of a user. */
static uint64_t count_tasks(uid_t uid)
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    uint64_t count = 0;

    while (proc && (entry = readdir(proc))) {
        char path[300], text[TEXT];
        unsigned owner = 0, threads = 0;
        const char *line;
        if (*entry->d_name < '1' || *entry->d_name > '9')
            continue;
        snprintf(path, sizeof path, "/proc/%s/status", entry->d_name);
        if (proc_read(path, text, sizeof text) <= 0 || !(line = strstr(text, "\nUid:\t")) ||
            sscanf(line, "\nUid:\t%u", &owner) != 1 || owner != uid)
            continue;
        if ((line = strstr(text, "\nThreads:\t")) && sscanf(line, "\nThreads:\t%u", &threads) == 1)
            count += threads;
    }
    if (proc)
        closedir(proc);
    return count;
}

void limits_judge(struct examination *examination, const struct usage *usage, bool is_started)
{
    uint64_t pending = usage->pending > 0 ? (uint64_t)usage->pending : 0;
    uint64_t threads = is_started || usage->threads < 1 ? 1 : (uint64_t)usage->threads;

    if (usage->pending_limit < pending + threads)
        FOUND(examination, MISSING,
              "of %llu pending signals that are allowed (ulimit -i) %llu are in use, and each thread "
              "needs one for its CPU timer: threads without one are not in the CPU profile\n"
              "Raise it: ulimit -i 4096, or LimitSIGPENDING=4096",
              (unsigned long long)usage->pending_limit, (unsigned long long)pending);
    if (is_started)
        return;
    judge_memory(examination, usage);
    if (usage->files_limit < (uint64_t)usage->files + NEEDED_FILES)
        FOUND(examination, MISSING,
              "of %llu files that may be open (ulimit -n) %lld are, and the library needs %d for a moment to "
              "join\n"
              "Raise it: ulimit -n 1024, or LimitNOFILE=1024",
              (unsigned long long)usage->files_limit, (long long)usage->files, NEEDED_FILES);
    if (usage->processes_limit != UINT64_MAX && count_tasks(usage->uid) + 2 > usage->processes_limit)
        FOUND(examination, STOPS,
              "user %u may have %llu processes and threads (ulimit -u), and has as many: no uploader can be "
              "started\nRaise it: ulimit -u, or LimitNPROC=",
              (unsigned)usage->uid, (unsigned long long)usage->processes_limit);
}

static uint64_t limit_of(int resource)
{
    struct rlimit limit;
    return getrlimit((__rlimit_resource_t)resource, &limit) || limit.rlim_cur == RLIM_INFINITY
               ? UINT64_MAX
               : limit.rlim_cur;
}

void check_limits(struct examination *examination)
{
    char text[TEXT];
    struct usage usage = {.uid = geteuid(),
                          .threads = 1,
                          .files = 3,
                          .pending_limit = limit_of(RLIMIT_SIGPENDING),
                          .files_limit = limit_of(RLIMIT_NOFILE),
                          .size_limit = limit_of(RLIMIT_FSIZE),
                          .address_limit = limit_of(RLIMIT_AS),
                          .processes_limit = geteuid() ? limit_of(RLIMIT_NPROC) : UINT64_MAX};
    const char *line =
        proc_read("/proc/self/status", text, sizeof text) > 0 ? strstr(text, "\nSigQ:\t") : NULL;

    if (line)
        usage.pending = atoll(line + 7);
    limits_judge(examination, &usage, false);
}

/* --- the control group --- */

static bool read_group(const char *group, const char *name, unsigned long long *value)
{
    char path[PATH_MAX], text[64];

    snprintf(path, sizeof path, "/sys/fs/cgroup%s/%s", group, name);
    return proc_read(path, text, sizeof text) > 0 && sscanf(text, "%llu", value) == 1;
}

void check_group(struct examination *examination)
{
    char path[64] = "/proc/self/cgroup", text[TEXT], *group;
    unsigned long long most, now;

    if (examination->process.pid)
        snprintf(path, sizeof path, "/proc/%d/cgroup", (int)examination->process.pid);
    if (proc_read(path, text, sizeof text) <= 0 || !(group = strstr(text, "0::/")))
        return;
    group += 3;
    group[strcspn(group, "\n")] = 0;
    if (!strcmp(group, "/"))
        group++;
    if (read_group(group, "pids.max", &most) && read_group(group, "pids.current", &now) && now + 3 > most &&
        !examination->process.is_joined)
        FOUND(examination, STOPS,
              "the control group has %llu of %llu processes (pids.max): no uploader can be started\n"
              "Raise it: TasksMax=, or --pids-limit",
              now, most);
    if (read_group(group, "memory.max", &most) && read_group(group, "memory.current", &now) &&
        now + (48ull << 20) > most && !examination->process.is_joined)
        FOUND(
            examination, MISSING,
            "the control group has %llu MiB of %llu MiB (memory.max), and the uploader needs 25 to 50 "
            "MiB of it\nRaise it by 64 MiB, or run one uploader as a service elsewhere (docs/containers.md)",
            now >> 20, most >> 20);
}

/* --- seccomp --- */

struct filter {
    int mode, count;
};

static struct filter filter_of(const char *path)
{
    char text[TEXT];
    struct filter filter = {0, 1};

    if (proc_read(path, text, sizeof text) <= 0)
        return filter;
    proc_number_parse(text, "Seccomp", &filter.mode);
    proc_number_parse(text, "Seccomp_filters", &filter.count);
    return filter;
}

/* As the library recognises it (preload/session/inherited.c). */
static bool is_containers(const struct examination *examination, struct filter filter)
{
    struct filter first = filter_of("/proc/1/status");

    return filter.count == 1 && first.mode == 2 && first.count == 1 &&
           (settings_getenv(examination->environment, "KUBERNETES_SERVICE_HOST") ||
            examination_has(examination, "/.dockerenv") ||
            examination_has(examination, "/run/.containerenv"));
}

static void judge_filter(struct examination *examination, const char *who)
{
    const struct setting_value *setting = &examination->options.settings.value[SETTING_SECCOMP];

    if (setting->variable && setting->number)
        FOUND(examination, NOTE,
              "%s a seccomp filter, and CPROF_SECCOMP=1 says that it returns errors and does not kill. If it "
              "kills, programs die at their start\nTry it with a program that may die",
              who);
    else
        FOUND(examination, STOPS,
              "%s a seccomp filter, which may kill a program for what a profiler calls, so nothing is "
              "profiled under it\nSet CPROF_SECCOMP=1 if the filter is known to return errors instead (in a "
              "systemd unit: "
              "SystemCallErrorNumber=EPERM)",
              who);
}

void check_inherited_filter(struct examination *examination)
{
    struct filter filter = filter_of("/proc/self/status");
    const struct setting_value *setting = &examination->options.settings.value[SETTING_SECCOMP];

    if (filter.mode == 2 && (setting->variable || !is_containers(examination, filter)))
        judge_filter(examination, "what is started from here inherits");
}

/* Of a process without the library: what it would meet. The library itself has said why it did not join. */
void check_filter(struct examination *examination)
{
    const struct process *process = &examination->process;
    char path[64], who[96];
    struct filter filter = {process->seccomp, process->filters}, parent;

    if (process->has_library || process->seccomp != 2)
        return;
    snprintf(path, sizeof path, "/proc/%d/status", (int)process->parent);
    parent = filter_of(path);
    snprintf(who, sizeof who, "process %d is under", (int)process->pid);
    if (process->parent && parent.mode == 2 && parent.count == filter.count &&
        is_containers(examination, filter))
        return;
    judge_filter(examination, who);
}
