/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of preload/ and hooks/ that are written in assembly. Another architecture is another
   machine_*.h. */
#ifndef CPROF_PRELOAD_MACHINE_H
#define CPROF_PRELOAD_MACHINE_H

#if defined(__x86_64__)
#include "machine_x86_64.h"
#elif defined(__aarch64__)
#include "machine_aarch64.h"
#else
#error "cprof knows x86-64 and aarch64; add preload/real/machine_<machine>.h"
#endif

/* A function of hidden visibility that is written in assembly, as text between others. */
#define MACHINE_FUNCTION(name, body)                                                                         \
    ".globl " name "\n\t.hidden " name "\n\t.type " name ", %function\n" name ":\n\t.cfi_startproc\n\t" body \
    ".cfi_endproc\n\t.size " name ", . - " name "\n\t"

#endif
