/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of preload/ and hooks/ that are written in assembly. Another architecture is another
   machine_*.h. */
#ifndef CPROF_PRELOAD_MACHINE_H
#define CPROF_PRELOAD_MACHINE_H

#if defined(__x86_64__)
#include "machine_x86_64.h"
#else
#error "cprof knows x86-64 so far; add preload/machine_<machine>.h"
#endif

#endif
