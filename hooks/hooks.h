/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules for the hooks: enter, real call, leave; no policy. They change nothing that the caller sees: errno is
 * the real function's, exceptions and cancellation pass through. A child of vfork() runs them in its parent's
 * memory: what they write there is taken back at their end, as the mark of a wait is.
 */
#ifndef CPROF_HOOKS_HOOKS_H
#define CPROF_HOOKS_HOOKS_H

#include "preload/real/real.h"

#define HOOK __attribute__((visibility("default")))

#define X(family, type, name, params, version) HOOK type name params;
CPROF_INTERPOSED(X)
#undef X

#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

#endif
