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
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
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

/* What the uploader watches a program by: of its socket (Linux 6.5), or of its number. */
static int open_peer(int fd)
{
    enum { PEERPIDFD = 77 /* SO_PEERPIDFD, which old headers lack */ };
    int pidfd = -1;
    socklen_t size = sizeof pidfd;

    if (!getsockopt(fd, SOL_SOCKET, PEERPIDFD, &pidfd, &size))
        return pidfd;
    return errno == ENOPROTOOPT ? (int)syscall(SYS_pidfd_open, getpid(), 0) : -1;
}

static bool send_descriptor(int to, int from, int fd)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    char byte = 0;
    struct iovec bytes = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    struct cmsghdr *got;
    bool is_there;

    memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
    if (sendmsg(to, &message, MSG_NOSIGNAL) != 1 || recvmsg(from, &message, MSG_CMSG_CLOEXEC) != 1)
        return false;
    got = CMSG_FIRSTHDR(&message);
    is_there = got && got->cmsg_type == SCM_RIGHTS;
    if (is_there) {
        memcpy(&fd, CMSG_DATA(got), sizeof fd);
        close(fd);
    }
    return is_there;
}

/* As a program and its uploader do it: the call that fails, or NULL. */
static const char *try_meeting(int fd[3])
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t size = sizeof address;
    int pidfd;

    fd[0] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    fd[1] = fd[0] < 0 ? -1 : socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd[1] < 0)
        return "socket";
    if (bind(fd[0], (struct sockaddr *)&address, sizeof address.sun_family) || listen(fd[0], 1) ||
        getsockname(fd[0], (struct sockaddr *)&address, &size))
        return "bind, listen";
    if (connect(fd[1], (struct sockaddr *)&address, size))
        return "connect";
    fd[2] = accept4(fd[0], NULL, NULL, SOCK_CLOEXEC);
    if (fd[2] < 0)
        return "accept4";
    if (!send_descriptor(fd[1], fd[2], fd[0]))
        return "sendmsg, recvmsg";
    pidfd = open_peer(fd[2]);
    if (pidfd < 0)
        return "pidfd_open";
    close(pidfd);
    return NULL;
}

static void try_socket(struct examination *examination)
{
    int fd[3] = {-1, -1, -1};
    const char *call = try_meeting(fd);
    int error = errno;

    for (int i = 0; i < 3; i++)
        if (fd[i] >= 0)
            close(fd[i]);
    if (call && error != EMFILE && error != ENFILE)
        FOUND(examination, STOPS, "a program cannot join an uploader here (%s: %s)\n%s", call,
              strerror(error),
              error == ENOSYS && *call == 'p' ? "Linux 5.3 or later has it"
                                              : "A seccomp filter is why: allow the call (in a systemd unit: "
                                                "RestrictAddressFamilies= with AF_UNIX)");
}

static void try_proc(struct examination *examination)
{
    char text[TEXT];

    if (proc_read("/proc/self/status", text, sizeof text) <= 0)
        FOUND(examination, MISSING,
              "/proc is not mounted here: functions have no names, and threads that wait are not looked at\n"
              "mount -t proc proc /proc");
}

void check_kernel(struct examination *examination)
{
    struct utsname name;
    int major = 0, minor = 0;

    try_proc(examination);
    try_memfd(examination);
    try_timer(examination);
    try_socket(examination);
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

struct room {
    unsigned long long most, now;
};

/* Where the kernel tells of a resource: version 1 of control groups has a tree for each, version 2 one for all. */
static const struct tree {
    const char *line, *mount, *most, *now, *spare; /* spare: of memory.stat, what would be given back */
} process_trees[] = {{":pids:/", "/sys/fs/cgroup/pids", "pids.max", "pids.current", NULL},
                     {"0::/", "/sys/fs/cgroup", "pids.max", "pids.current", NULL}},
  memory_trees[] = {{":memory:/", "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
                     "\ntotal_inactive_file "},
                    {"0::/", "/sys/fs/cgroup", "memory.max", "memory.current", "\ninactive_file "}};

static bool read_file(const struct tree *tree, const char *group, const char *name, char *text, size_t size)
{
    char path[PATH_MAX + 128];

    snprintf(path, sizeof path, "%s%s/%s", tree->mount, group, name);
    return proc_read(path, text, size) > 0;
}

static bool read_number(const struct tree *tree, const char *group, const char *name,
                        unsigned long long *value)
{
    char text[64];
    return read_file(tree, group, name, text, sizeof text) && sscanf(text, "%llu", value) == 1;
}

static unsigned long long read_spare(const struct tree *tree, const char *group)
{
    char text[TEXT];
    const char *line = NULL;

    if (tree->spare && read_file(tree, group, "memory.stat", text, sizeof text))
        line = strstr(text, tree->spare);
    return line ? strtoull(line + strlen(tree->spare), NULL, 10) : 0;
}

/* Of the group and those that it is in, the one with the least left. A container may see its own as the mount. */
static bool find_room(const struct tree trees[2], const char *groups, struct room *room)
{
    bool found = false;

    for (int i = 0; i < 2; i++) {
        const char *line = strstr(groups, trees[i].line);
        char group[PATH_MAX];
        if (!line)
            continue;
        line += strlen(trees[i].line) - 1;
        snprintf(group, sizeof group, "%.*s", (int)strcspn(line, "\n"), line);
        for (char *end = group + strlen(group); end; end = strrchr(group, '/')) {
            unsigned long long most, now, spare;
            *end = 0;
            if (!read_number(&trees[i], group, trees[i].most, &most) ||
                !read_number(&trees[i], group, trees[i].now, &now))
                continue;
            spare = read_spare(&trees[i], group);
            now -= spare < now ? spare : now;
            if (!found || most - (now < most ? now : most) <
                              room->most - (room->now < room->most ? room->now : room->most))
                *room = (struct room){most, now};
            found = true;
        }
    }
    return found;
}

void check_group(struct examination *examination)
{
    char path[64] = "/proc/self/cgroup", text[TEXT];
    struct room room;

    if (examination->process.pid)
        snprintf(path, sizeof path, "/proc/%d/cgroup", (int)examination->process.pid);
    if (examination->process.is_joined || proc_read(path, text, sizeof text) <= 0)
        return;
    if (find_room(process_trees, text, &room) && room.now + 3 > room.most)
        FOUND(examination, STOPS,
              "the control group has %llu of %llu processes (pids.max): no uploader can be started\n"
              "Raise it: TasksMax=, or --pids-limit",
              room.now, room.most);
    if (find_room(memory_trees, text, &room) && room.now + (48ull << 20) > room.most)
        FOUND(examination, MISSING,
              "the control group uses %llu MiB of %llu MiB of memory, and the uploader needs 25 to 50 MiB of "
              "it\n"
              "Raise the limit by 64 MiB (MemoryMax=, --memory), or run one uploader as a service elsewhere "
              "(docs/containers.md)",
              room.now >> 20, room.most >> 20);
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
