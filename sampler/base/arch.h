/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that depends on the processor: registers, their capture, the time stamp counter, raw system
 * calls. Another architecture is another arch_*.h with the same names. Signal-safe, no libc.
 */
#ifndef CPROF_SAMPLER_ARCH_H
#define CPROF_SAMPLER_ARCH_H

#include <stdint.h>

#if defined(__x86_64__)
#include "arch_x86_64.h"
#else
#error "cprof knows x86-64 so far; add sampler/arch_<machine>.h"
#endif

#endif
