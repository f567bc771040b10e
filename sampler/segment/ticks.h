/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processor's counter of time, which both sides read. Its rate is found by the uploader from two readings
 * with their CLOCK_MONOTONIC. The program must ask clock.h, since it may be forbidden to read the counter.
 * Signal-safe.
 */
#ifndef CPROF_SAMPLER_TICKS_H
#define CPROF_SAMPLER_TICKS_H

#include <stdint.h>

#if defined(__x86_64__)
static inline uint64_t ticks_read(void)
{
    return __builtin_ia32_rdtsc();
}
#elif defined(__aarch64__)
/*
 * The virtual counter has 1 to 1,000 MHz, as the machine's maker chose. It is multiplied by a power of two, so
 * that a tick is 0.47 to 0.93 ns everywhere: the constants of the sampler that are ticks are made for that.
 * isb: without it the processor may read the counter before the instructions that stand before it.
 */
static inline uint64_t ticks_read(void)
{
    uint64_t hz, count;
    __asm__ volatile("mrs %0, cntfrq_el0\n\tisb\n\tmrs %1, cntvct_el0" : "=r"(hz), "=r"(count) : : "memory");
    return count << (unsigned)(__builtin_clzll(hz | 1) - 33) % 64;
}
#else
#error "ticks.h: which counter has this processor?"
#endif

#endif
