/* SPDX-License-Identifier: Apache-2.0 */
/* What of a process is in memory, beside what it has in use. */
#ifndef CPROF_UPLOADER_RESIDENT_H
#define CPROF_UPLOADER_RESIDENT_H

#include "uploader/target/target.h"

/* Asks the kernel, and what is in use at that moment the segment: once a second at first, then less often. Of a process
   that was its program's last one, this stays with the program. */
void target_read_resident(struct target *target, int64_t now_ns);

#endif
