/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU time of short threads. The kernel looks at CPU timers at its ticks, which are 4 ms apart at 250 Hz. So
 * a thread loses at its end what became due since the last tick. That is half a tick on average, and most of
 * its time if it lives for a millisecond. A second error is one of selection: of what becomes due within a
 * thread's first tick, the kernel is the more likely to find something the later that tick comes.
 *
 * Weights make up for the second: the first sample of a thread that has run for t < tick stands for tick / t
 * as many. The first is known at the thread's end: the missed periods go to the next thread that was created
 * at the same place to run the same function, and are added to its first sample. What weights have added
 * there beyond the truth is taken from the samples after that. So the sum is what was due, and which thread
 * is sampled does not depend on when it ran.
 *
 * Private, bounded (two creation sites may share a place, seldom), lock-free. Signal-safe, any thread.
 */
#ifndef CPROF_SAMPLER_MISSED_TICKS_H
#define CPROF_SAMPLER_MISSED_TICKS_H

#include <stdint.h>

#include "sampler/segment/layout.h"

/* A number for the place that created the thread of this slot, and the function that it runs. */
uint64_t creation_site(const struct segment *segment, uint32_t slot);

/* At a thread's end: periods of its CPU timer, of this length, that became due. Not more than most are believed. */
void missed_ticks_add(uint64_t site, uint64_t periods, uint32_t most, uint32_t period_ns);

/* With a thread's first sample, of so many periods of this length at this CPU time: how many it is to stand for. */
uint32_t missed_ticks_take(uint64_t site, uint32_t periods, uint64_t cpu_ns, uint32_t period_ns);

/* Between two ticks of the kernel, ns. */
uint64_t kernel_tick_ns(void);

/* In a forked child. */
void missed_ticks_forget(void);

#endif
