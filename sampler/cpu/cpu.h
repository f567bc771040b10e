/* SPDX-License-Identifier: Apache-2.0 */
/* CPU samples, taken by the signals of a thread's CPU timer. Signal-safe. */
#ifndef CPROF_SAMPLER_CPU_H
#define CPROF_SAMPLER_CPU_H

#include <signal.h>
#include <stdbool.h>

/* Called by the SIGPROF handler of preload/signals/sigprof.c for every SIGPROF. true: it was a timer of ours
   and was dealt with. errno untouched. */
bool cpu_signal(const siginfo_t *info, void *context);

/* true: the signal is one of our timers'. */
bool cpu_signal_is_ours(const siginfo_t *info);

/* A signal of ours was taken from the queue without being handled. The thread's next sample counts for it. */
void cpu_carry(const siginfo_t *info);

/* cpu_carries(): the thread has such signals. cpu_record_carried() takes their sample now, from these
   registers (struct arch_regs) in a frame on the thread's alternate stack. */
bool cpu_carries(void);
void cpu_record_carried(void *regs);

#endif
