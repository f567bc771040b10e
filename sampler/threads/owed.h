/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU time of brief threads. The kernel looks at CPU timers at its ticks, 4 ms apart with 250 of them a
 * second. So a thread loses at its end what became due since the last tick: half a tick on average, most of
 * its time if it lives for a millisecond. And what a tick finds due in its first 4 ms is the more likely the
 * later that tick is.
 *
 * The latter is made up for by weight: the first sample of a thread that has run for t < tick stands for
 * tick / t as many. What was lost is known at the end. It goes to the next first sample of a thread of the
 * same kin, made at the same place to run the same function; what weights have added there beyond it, the
 * samples after that lack. So the sum is what was due, and who is sampled does not depend on when.
 *
 * Private, bounded (two kins may share a place, seldom), lock-free. Signal-safe, any thread.
 */
#ifndef CPROF_SAMPLER_OWED_H
#define CPROF_SAMPLER_OWED_H

#include <stdint.h>

#include "sampler/segment/layout.h"

uint64_t owed_kin(const struct segment *segment, uint32_t slot);

/* At a thread's end: periods of its CPU timer that became due. Not more than most are believed. */
void owed_add(uint64_t kin, uint64_t periods, uint32_t most);

/* With a thread's first sample, of so many periods at this CPU time: what it is to stand for. */
uint32_t owed_take(uint64_t kin, uint32_t periods, uint64_t cpu_ns);

/* Between two ticks of the kernel, ns. */
uint64_t owed_tick(void);

/* In a forked child. */
void owed_forget(void);

#endif
