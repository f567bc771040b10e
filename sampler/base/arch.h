/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that depends on the processor: registers, their capture, raw system calls (the time stamp
 * counter is in sampler/segment/ticks.h). Another architecture is another arch_*.h with the same names.
 * Signal-safe, no libc.
 */
#ifndef CPROF_SAMPLER_ARCH_H
#define CPROF_SAMPLER_ARCH_H

#include <stdint.h>

#include "sampler/segment/ticks.h"

#if defined(__x86_64__)
#include "arch_x86_64.h"
#elif defined(__aarch64__)
#include "arch_aarch64.h"
#else
#error "cprof knows x86-64 and aarch64; add sampler/base/arch_<machine>.h"
#endif

static inline uint64_t arch_ticks(void)
{
    return ticks_read();
}

#endif
