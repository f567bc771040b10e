/* SPDX-License-Identifier: Apache-2.0 */
/* Holds the overhead budgets of all programs. One thread only. */
#ifndef CPROF_UPLOADER_SESSION_OVERHEAD_H
#define CPROF_UPLOADER_SESSION_OVERHEAD_H

#include "uploader/session/members/state.h"

/* The CPU time that the uploader has used since *since_ns was for this program. since_ns: CLOCK_THREAD_CPUTIME_ID, and
   goes on. */
void session_charge(struct program *program, enum cost cost, int64_t *since_ns);

/* Once a second: what profiling took since, and rates that follow from that. */
void session_hold_budgets(struct session *session, int64_t now_ns);

#endif
