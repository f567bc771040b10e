/* SPDX-License-Identifier: Apache-2.0 */
/* Where the files of a process are looked for. */
#ifndef CPROF_UPLOADER_PROCESS_FILES_H
#define CPROF_UPLOADER_PROCESS_FILES_H

#include "owner.h"

/* root_fd: an O_PATH descriptor of /proc/PID/root, taken while the process lived, or -1. exe_fd: its
   executable, or -1. Both are borrowed. pid: in its own namespace, for /tmp/perf-PID.map. */
struct process_files {
    int root_fd, exe_fd, pid;
    const struct owner *owner; /* borrowed; NULL: trusted */
    int own_pid;               /* in our own namespace; 0: not known */
};

#endif
