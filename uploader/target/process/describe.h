/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of a target's process beside its samples, for servers. One thread only. */
#ifndef CPROF_UPLOADER_DESCRIBE_H
#define CPROF_UPLOADER_DESCRIBE_H

#include "uploader/target/target.h"

/* Reads it, while the process lives, and tells it the program (program->facts). */
void target_describe(struct target *target);

/* Once a second: what the process publishes of itself, if that is new. */
void target_read_context(struct target *target);

#endif
