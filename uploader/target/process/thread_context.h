/* SPDX-License-Identifier: Apache-2.0 */
/* Tells a target where its threads have their OpenTelemetry thread context (seg_control.otel). One thread only. */
#ifndef CPROF_UPLOADER_TARGET_THREAD_CONTEXT_H
#define CPROF_UPLOADER_TARGET_THREAD_CONTEXT_H

#include "uploader/target/target.h"

/* Once a second, after target->context was read. tid: a thread of the process that lives. The variable is looked for as long
   as it is not found, more rarely each time, and again after modules were unloaded. */
void target_find_thread_context(struct target *target, pid_t tid, int64_t now_ns);

#endif
