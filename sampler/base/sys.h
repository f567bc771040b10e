/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls without libc. They do not touch errno, are no cancellation points, and are never interposed.
 * sys_call(SYS_x, ...) takes up to six arguments and returns the kernel's value or negative
 * errno. Signal-safe. Also the names of errors, which libc's <errno.h> has together with a variable.
 */
#ifndef CPROF_SAMPLER_SYS_H
#define CPROF_SAMPLER_SYS_H

#include <asm/errno.h>
#include <sys/syscall.h>

#include "arch.h"

#define SYS_ARGS_(n, a, b, c, d, e, f, ...)                                                                  \
    arch_syscall((n), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define sys_call(...) SYS_ARGS_(__VA_ARGS__, 0, 0, 0, 0, 0, 0)

/* What the kernel's rt_sigaction takes. */
struct sys_sigaction {
    void *handler;
    unsigned long flags;
    void *restorer;
    uint64_t mask;
};

#endif
