/* SPDX-License-Identifier: Apache-2.0 */
/* Which container a process is in, by texts of /proc, as Docker, Podman, containerd and CRI-O write them. Pure. */
#ifndef CPROF_UPLOADER_CONTAINER_ID_H
#define CPROF_UPLOADER_CONTAINER_ID_H

#include <stdbool.h>

enum { CONTAINER_ID_BYTES = 65 /* 64 hex digits and a NUL */ };

/* Of /proc/PID/cgroup: the last id of the longest path. */
bool container_id_of_cgroup(const char *text, char id[CONTAINER_ID_BYTES]);

/* Of /proc/PID/mountinfo, for a process that sees no more of its control group than "/". */
bool container_id_of_mounts(const char *text, char id[CONTAINER_ID_BYTES]);

#endif
