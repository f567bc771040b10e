/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parses the texts of /proc. A program chooses the names in them. Each function takes a text with a NUL,
 * which may be cut anywhere. If it fails, it changes nothing of what it returns.
 */
#ifndef CPROF_UPLOADER_PROC_TEXT_H
#define CPROF_UPLOADER_PROC_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* /proc/PID/stat, and a thread's. */
struct proc_stat {
    char letter;   /* state, as ps shows it: R, S, D, T, t, Z, X, I */
    char name[16]; /* as it is, whatever the bytes */
    pid_t parent;
    unsigned flags;       /* the kernel's PF_* */
    uint64_t start;       /* in the kernel's ticks (sysconf(_SC_CLK_TCK)) of CLOCK_BOOTTIME */
    uint64_t code, stack; /* addresses of the program's code and first stack; 0 or 1 if they are not shown */
};
bool proc_stat_parse(const char *text, struct proc_stat *stat);

/* /proc/PID/task/TID/syscall: the call that a thread is in, and where it entered the kernel. */
struct proc_call {
    bool running;
    long number;     /* -1: in none */
    uint64_t sp, pc; /* 0: not told */
};
bool proc_call_parse(const char *text, struct proc_call *call);

/* /proc/PID/task/TID/schedstat */
bool proc_schedstat_parse(const char *text, int64_t *cpu_ns, int64_t *queued_ns);

/* The last number of the first line that begins with "NAME:\t", in a text such as status and fdinfo. */
bool proc_number_parse(const char *text, const char *name, int *number);

/* A line of /proc/PID/maps. path points into the text, and has no newline. */
struct proc_mapping {
    uint64_t start, end, offset, inode;
    dev_t device;
    char flags[5];
    const char *path;
};
bool proc_mapping_parse(char *line, struct proc_mapping *mapping);

/* Reads a file of /proc as text, as far as it fits. Returns its length, or negative errno. The text has a
   NUL, and is empty after an error. */
ssize_t proc_read(const char *path, char *text, size_t size);

#endif
