/* SPDX-License-Identifier: Apache-2.0 */
#include "describe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "thread_context.h"
#include "uploader/base/clock.h"
#include "uploader/process/container_id.h"
#include "uploader/process/proc_text.h"
#include "uploader/process/tasks.h"
#include "uploader/target/context.h"

enum { GROUP_BYTES = 4096, MOUNT_BYTES = 64 * 1024 };

/* What is read of /proc. */
struct own_facts {
    char executable[FACTS_TEXT], command[FACTS_TEXT], container[CONTAINER_ID_BYTES];
};

static char *path_of(char path[64], pid_t tid, const char *name)
{
    snprintf(path, 64, "/proc/%d/%s", (int)tid, name);
    return path;
}

static void read_executable(pid_t tid, char text[FACTS_TEXT])
{
    static const char mark[] = " (deleted)";
    char path[64];
    ssize_t size = readlink(path_of(path, tid, "exe"), text, FACTS_TEXT - 1);

    text[size > 0 ? size : 0] = 0;
    if (size > (ssize_t)strlen(mark) && !strcmp(text + size - strlen(mark), mark))
        text[(size_t)size - strlen(mark)] = 0;
}

/* Of the container that the process is in. The mounts are many, and looked through only where the control group says
   nothing because the process, and we, are in the container's own namespace. */
static void read_container(pid_t tid, char id[CONTAINER_ID_BYTES])
{
    char path[64], group[GROUP_BYTES], *mounts;

    if (proc_read(path_of(path, tid, "cgroup"), group, sizeof group) > 0 && container_id_of_cgroup(group, id))
        return;
    *id = 0;
    mounts = strcmp(group, "0::/\n") == 0 ? malloc(MOUNT_BYTES) : NULL;
    if (mounts && proc_read(path_of(path, tid, "mountinfo"), mounts, MOUNT_BYTES) > 0 &&
        !container_id_of_mounts(mounts, id))
        *id = 0;
    free(mounts);
}

/* The first argument alone, because others may be secrets. It has some of them where the process has written a title for ps
   over it. The kernel reads it from the process's memory, where a stranger's may hang. */
static void read_command(const struct target *target, pid_t tid, char text[FACTS_TEXT])
{
    char path[64];

    if (target->owner.trusted)
        proc_read(path_of(path, tid, "cmdline"), text, FACTS_TEXT);
    if (strpbrk(text, " \t\n"))
        *text = 0;
}

static void read_own(const struct target *target, pid_t tid, struct own_facts *own)
{
    read_executable(tid, own->executable);
    read_command(target, tid, own->command);
    read_container(tid, own->container);
}

static const char *or_null(const char *text)
{
    return *text ? text : NULL;
}

void target_describe(struct target *target)
{
    const struct process_context *context = &target->context;
    struct own_facts own = {"", "", ""};
    struct facts facts = {.pid = target->source.pid};
    pid_t tid = target->pid ? task_living(target->pid, target->pid) : 0;

    if (!tid)
        return;
    if (target->programs->wants_facts)
        read_own(target, tid, &own);
    for (int i = 0; i < FACTS_OF_GROUP; i++)
        facts.text[i] = process_context_get(context, fact_keys[i]);
    if (*own.container)
        facts.text[FACT_CONTAINER] = own.container;
    facts.text[FACT_EXECUTABLE] = or_null(own.executable);
    facts.text[FACT_COMMAND] = or_null(own.command);
    process_facts_set(&target->program->facts, target->pid, &facts);
}

void target_read_context(struct target *target)
{
    pid_t tid = target->pid ? task_living(target->pid, target->pid) : 0;

    if (!tid)
        return;
    if (process_context_read(&target->context, &target->owner, target->pid, tid)) {
        target_forget_labels(target);
        target_describe(target);
    }
    target_find_thread_context(target, tid, monotonic_ns());
}
