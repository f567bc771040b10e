/* SPDX-License-Identifier: Apache-2.0 */
#include "time_namespace.h"

#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

#include "uploader/base/clock.h"

/* Compares the time namespaces of two processes. false: they differ, or the kernel does not tell. */
static bool same_namespace(pid_t pid, const char *name, const char *other_pid, const char *other)
{
    char path[64], other_path[64];
    struct stat st, other_st;

    snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)pid, name);
    snprintf(other_path, sizeof other_path, "/proc/%s/ns/%s", other_pid, other);
    return !stat(path, &st) && !stat(other_path, &other_st) && st.st_ino == other_st.st_ino &&
           st.st_dev == other_st.st_dev;
}

/* The offset of CLOCK_MONOTONIC for the process's children, against the machine's. -1: the kernel does not
   tell. */
static int read_offset(const char *pid, int64_t *ns)
{
    char path[64];
    long long seconds, rest;
    FILE *file;
    int fields;

    snprintf(path, sizeof path, "/proc/%s/timens_offsets", pid);
    file = fopen(path, "re");
    if (!file)
        return -1;
    fields = fscanf(file, "monotonic %lld %lld", &seconds, &rest);
    fclose(file);
    if (fields != 2 || seconds < -INT64_MAX / SECOND_NS / 2 || seconds > INT64_MAX / SECOND_NS / 2)
        return -1;
    *ns = seconds * SECOND_NS + rest;
    return 0;
}

int64_t time_namespace_offset(pid_t pid, const struct clock_pair *its)
{
    char text[16], self[] = "self";
    int64_t its_ns, our_ns;

    snprintf(text, sizeof text, "%d", (int)pid);
    if (!pid || same_namespace(pid, "time", self, "time") || !same_namespace(pid, "time", text, "time"))
        return 0;
    /* The kernel shows the offsets of the process's children. They are in another namespace if the process
       has made one since. */
    if (same_namespace(pid, "time", text, "time_for_children") && !read_offset(text, &its_ns) &&
        !read_offset(self, &our_ns))
        return its_ns - our_ns;
    return (int64_t)(its->monotonic_ns - its->realtime_ns -
                     (uint64_t)(monotonic_ns() - clock_ns(CLOCK_REALTIME)));
}
