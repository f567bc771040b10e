/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The merged profiles of an uploader that died, read back from the files that it wrote: of processes that had
 * ended before there is nothing else left. The files are ours, and are trusted no more than a segment.
 */
#ifndef CPROF_UPLOADER_RESTORE_H
#define CPROF_UPLOADER_RESTORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "uploader/base/hash.h"
#include "uploader/programs/programs.h"

/* Whose samples are left out: what they recorded comes by their segments. */
struct restore_without {
    const struct hash *pids;
    bool alive; /* all processes that live, too */
};

/* Adds the samples of one file, but those of `without`. time_ns: when its span began. 0 or
   negative errno, after which some may have been added. */
int restore_profile(struct programs *programs, struct profile *into, const uint8_t *data, size_t size,
                    const struct restore_without *without, int64_t *time_ns);

/* The same for all programs that have files in the directory, written since then (CLOCK_REALTIME). Threads
   are shown of live processes only, and are left out. */
void restore_programs(struct programs *programs, int directory, int64_t since_ns,
                      const struct restore_without *without);

#endif
