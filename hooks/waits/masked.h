/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks of functions that wait with a signal mask of their own, which may be NULL:
 *
 *     MASKED(int, sigsuspend, sigsuspend, (const sigset_t *mask), (mask), mask)
 *
 * defines sigsuspend(), a wait by the second name, whose mask is the last argument (preload/signals/sigprof.h
 * says why the mask matters).
 */
#ifndef CPROF_HOOKS_MASKED_H
#define CPROF_HOOKS_MASKED_H

#include "preload/signals/sigprof.h"
#include "waits.h"

#define MASKED(type, name, kind, parameters, arguments, mask)                                                \
    __attribute__((noinline)) static type name##_masked parameters                                           \
    {                                                                                                        \
        bool opened = sigprof_wait_mask_begin(mask);                                                         \
        struct wait around;                                                                                  \
        type outcome;                                                                                        \
        wait_enter(&around, WAIT_##kind);                                                                    \
        outcome = real.name arguments;                                                                       \
        wait_leave(&around);                                                                                 \
        sigprof_wait_mask_end(opened);                                                                       \
        return outcome;                                                                                      \
    }                                                                                                        \
    type name parameters                                                                                     \
    {                                                                                                        \
        return wait_is_wanted() || sigprof_wait_mask_matters(mask) ? name##_masked arguments                 \
                                                                   : real.name arguments;                    \
    }

#endif
