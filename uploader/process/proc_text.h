/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The texts of /proc, without the files: what names hold in them is the program's to choose. Each takes a
 * NUL-terminated text, which may be cut anywhere, and changes nothing of what it returns when it fails.
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
    uint64_t code, stack; /* addresses of the program's code and first stack; 0 or 1 to who may not know */
};
bool proc_stat_parse(const char *text, struct proc_stat *stat);

/* /proc/PID/task/TID/syscall: in which call, and where it left for the kernel. */
struct proc_call {
    bool running;
    long number;     /* -1: in none */
    uint64_t sp, pc; /* 0: not told */
};
bool proc_call_parse(const char *text, struct proc_call *call);

/* /proc/PID/task/TID/schedstat */
bool proc_schedstat_parse(const char *text, int64_t *cpu_ns, int64_t *queued_ns);

/* The last number of a line "NAME:\tNUMBER\tNUMBER" of a text such as status and fdinfo, of all that begin so
   the first. */
bool proc_number_parse(const char *text, const char *name, int *number);

/* A line of /proc/PID/maps. path points into the text, and has no newline. */
struct proc_mapping {
    uint64_t start, end, offset, inode;
    dev_t device;
    char flags[5];
    const char *path;
};
bool proc_mapping_parse(char *line, struct proc_mapping *mapping);

/* Reads a file of /proc as text, as far as it fits. Its length, or negative errno; the text is terminated,
   and empty after an error. */
ssize_t proc_read(const char *path, char *text, size_t size);

#endif
