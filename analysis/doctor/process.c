/* SPDX-License-Identifier: Apache-2.0 */
/* A process that runs: is the library in it, why not, and what stands in its way. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checks.h"

enum { DEPTH = 32 };
static const char library_name[] = "libcprof.so";

void check_process(struct examination *examination)
{
    const struct process *process = &examination->process;

    if (process->is_zombie)
        FOUND(examination, STOPS,
              "process %d (%s) has ended, and its parent has not asked for its status\n"
              "Name one that runs",
              (int)process->pid, process->name);
    else if (!*examination->path && process->is_readable)
        FOUND(examination, STOPS, "process %d (%s) is a thread of the kernel\nName a program's process",
              (int)process->pid, process->name);
    else if (!process->is_readable || !process->environment_text)
        FOUND(examination, STOPS,
              "what process %d (%s) of user %u has mapped is not shown to user %u\n"
              "Ask as that user or as root, in its user namespace and with CAP_SYS_PTRACE",
              (int)process->pid, process->name, (unsigned)process->uid, (unsigned)geteuid());
    if (process->is_replaced)
        FOUND(examination, NOTE,
              "the file of process %d was deleted or replaced since it started: names come from its "
              "memory, which has those of exported functions\nStart it again",
              (int)process->pid);
    if (process->tracer > 0)
        FOUND(examination, NOTE,
              "process %d is traced by process %d, a debugger or strace: its stops are in the profiles "
              "of waits, and its calls take longer",
              (int)process->pid, (int)process->tracer);
}

/* The closest of its ancestors that has the library in its environment or its memory; 0: none. */
static pid_t ancestor_with_library(pid_t pid, char name[32], pid_t *child, char child_name[32])
{
    *child = pid;
    for (int depth = 0; depth < DEPTH && pid > 1; depth++) {
        struct process process = {.pid = pid};
        size_t size;
        char *text;
        bool has;
        process_read_status(&process);
        text = process_text(pid, "environ", ENVIRONMENT_MOST, &size);
        has = depth && text && memmem(text, size, library_name, sizeof library_name - 1);
        free(text);
        snprintf(has ? name : child_name, 32, "%s", process.name);
        if (has)
            return pid;
        *child = pid;
        pid = process.parent;
    }
    return 0;
}

static void say_no_preload(struct examination *examination)
{
    const struct process *process = &examination->process;
    char name[32] = "", child_name[32] = "";
    pid_t child, ancestor = ancestor_with_library(process->pid, name, &child, child_name);
    static const char remedy[] =
        "Set LD_PRELOAD and the CPROF_ variables where the program itself is started: in the "
        "service's unit, behind env -i or sudo, or start it by cprof";

    if (examination->root_fd >= 0 && !process->preload[0] && process->environment_is_whole)
        FOUND(examination, STOPS,
              "process %d (%s) has another root directory%s%s and no LD_PRELOAD: it was started without, or "
              "the library is not at its place there, and a profiled program then takes it out\n"
              "Copy the bundle (make bundle) to the same place in that root, or set LD_PRELOAD to where it "
              "is there",
              (int)process->pid, process->name, *examination->root ? ", " : "", examination->root);
    else if (ancestor && child == process->pid)
        FOUND(examination, STOPS,
              "LD_PRELOAD was taken away from process %d (%s): its parent %d (%s) has it\n%s",
              (int)process->pid, process->name, (int)ancestor, name, remedy);
    else if (ancestor)
        FOUND(examination, STOPS,
              "LD_PRELOAD was taken away on the way to process %d (%s): %d (%s) has it, and its child %d "
              "(%s) does not\n%s",
              (int)process->pid, process->name, (int)ancestor, name, (int)child, child_name, remedy);
    else if (!process->environment_is_whole)
        FOUND(examination, STOPS,
              "libcprof.so is not loaded into process %d (%s), and it has overwritten its environment, "
              "so whether LD_PRELOAD was set is not known\nStart it again with LD_PRELOAD, or by cprof",
              (int)process->pid, process->name);
    else
        FOUND(examination, STOPS,
              "process %d (%s) was started without LD_PRELOAD, so libcprof.so is not in it\n"
              "A process cannot be joined later: start it again with LD_PRELOAD, or by cprof. If LD_PRELOAD "
              "was set, what "
              "started it has cleared the environment",
              (int)process->pid, process->name);
}

void check_loaded(struct examination *examination)
{
    const struct process *process = &examination->process;

    if (process->has_library && process->library_is_gone)
        FOUND(examination, MISSING,
              "%s was replaced since process %d started: what it starts has another version than it, "
              "and an uploader of another version refuses it\nStart it again",
              process->library, (int)process->pid);
    if (process->has_library || !process->is_readable || !*examination->path ||
        findings_have(&examination->findings, "static") || findings_have(&examination->findings, "machine"))
        return;
    if (process->is_secure)
        FOUND(examination, STOPS,
              "process %d (%s) was started with more rights than its starter had (set-user-id, file "
              "capabilities, or a rule of a security module), so the loader ignored LD_PRELOAD\n"
              "Start it as the user that it is to be, without the bit",
              (int)process->pid, process->name);
    else if (!strstr(process->preload, library_name) && *process->preload)
        FOUND(examination, STOPS,
              "LD_PRELOAD of process %d (%s) is %s, which names no libcprof.so\n"
              "Add it: LD_PRELOAD=.../libcprof.so:%s",
              (int)process->pid, process->name, process->preload, process->preload);
    else if (!*process->preload)
        say_no_preload(examination);
    else if (!findings_have(&examination->findings, "preload"))
        FOUND(examination, STOPS,
              "LD_PRELOAD of process %d (%s) names libcprof.so, and it is not loaded: it was not there, or "
              "could not be loaded, when the process started\nStart it again; its stderr says what the "
              "loader says",
              (int)process->pid, process->name);
}

/* Other programs' libraries that look at the same things. */
void check_profilers(struct examination *examination)
{
    static const struct {
        const char *library, *name;
    } others[] = {{"libprofiler.so", "gperftools' CPU profiler"},
                  {"libheaptrack_", "heaptrack"},
                  {"vgpreload_", "valgrind"},
                  {"libmemusage.so", "memusage"},
                  {"libfaketime", "libfaketime"},
                  {"libasyncProfiler.so", "async-profiler"},
                  {"libbytehound", "bytehound"},
                  {"libdmalloc", "dmalloc"},
                  {"libefence", "Electric Fence"},
                  {"libpyroscope", "a Pyroscope client"}};
    const struct process *process = &examination->process;
    const char *preload = process->pid ? process->preload : examination->preloaded;

    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        bool found = strstr(preload, others[i].library);
        for (unsigned m = 0; m < process->mapped_count && !found; m++)
            found = strstr(process->mapped[m].path, others[i].library);
        if (found)
            FOUND(examination, NOTE,
                  "%s is loaded as well: both work, and what each of them costs is in the figures of the "
                  "other\nTake it out for exact figures",
                  others[i].name);
    }
    if (strstr(preload, "libasan.so") && strstr(preload, library_name) &&
        strstr(preload, library_name) < strstr(preload, "libasan.so"))
        FOUND(examination, STOPS,
              "LD_PRELOAD names libasan.so behind libcprof.so, and AddressSanitizer ends programs in which "
              "it is not the first\nWrite LD_PRELOAD=libasan.so.N:.../libcprof.so");
}

void check_process_limits(struct examination *examination)
{
    const struct process *process = &examination->process;

    if (process->is_readable)
        limits_judge(examination, &process->usage, process->has_library);
}

void check_stacks(struct examination *examination)
{
    const struct process *process = &examination->process;

    if (process->is_undumpable && examination->process.session_uid != 0)
        FOUND(examination, MISSING,
              "process %d (%s) is not dumpable, so nobody but root may read its stacks: wall, off_cpu and "
              "threads show only the function that a thread waits in\n"
              "It has changed its user, or says PR_SET_DUMPABLE. An uploader of root's can read it "
              "(cprof-uploader serve)",
              (int)process->pid, process->name);
}
