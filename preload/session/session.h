/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way from this process to the session's uploader: struct process_ops of the sampler. Raw system calls
 * only; signal-safe; no descriptor is kept.
 */
#ifndef CPROF_PRELOAD_SESSION_H
#define CPROF_PRELOAD_SESSION_H

#include <stdbool.h>

#include "sampler/process/process.h"

/* See struct process_ops. */
int session_hand_over(int memfd, const struct segment *segment);
bool session_uploader_alive(int uploader_pid, uint64_t silent_ns);
bool session_next(void);

/* true: until the next call an uploader that is started may use the process's stderr, which is what it was
   when the program started. */
void session_may_speak(bool may);

/* This process started the session's uploader. */
bool session_is_first(void);

/* After a join that failed: says on stderr why this program runs unprofiled. true: so will those that it
   starts. Not signal-safe. */
bool session_explain(int error);

#endif
