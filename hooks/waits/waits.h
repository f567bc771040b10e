/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks of functions that may wait as a whole, each of them a line:
 *
 *     WAITING(ssize_t, read, (int fd, void *buffer, size_t size), (fd, buffer, size))
 *
 * defines read(), which goes on in libc's read() by a jump where no profile of waits is on, and else calls it
 * between wait_enter() and wait_leave(). WAITING_AS() is for what goes by another function's name,
 * WAITING_FOR() for what tells whom it waits for (seg_thread.wait_object). WAITING_BRIEFLY() has a condition:
 * where it is true, the call waits no longer than BRIEF_NS, for which a forked child does not join.
 */
#ifndef CPROF_HOOKS_WAITS_H
#define CPROF_HOOKS_WAITS_H

#include "hooks/hooks.h"
#include "preload/real/machine.h"
#include "sampler/base/nofault.h"
#include "sampler/waits/wait.h"

#define WAITING(type, name, parameters, arguments)                                                           \
    WAITING_HOOK(type, name, name, 0, false, parameters, arguments)
#define WAITING_AS(type, name, kind, parameters, arguments)                                                  \
    WAITING_HOOK(type, name, kind, 0, false, parameters, arguments)
#define WAITING_FOR(type, name, object, parameters, arguments)                                               \
    WAITING_HOOK(type, name, name, object, false, parameters, arguments)
#define WAITING_BRIEFLY(type, name, kind, brief, parameters, arguments)                                      \
    WAITING_HOOK(type, name, kind, 0, !wait_has_segment() && (brief), parameters, arguments)

enum { BRIEF_NS = 20000000 };
#define BRIEF_MS(timeout)      ((unsigned)(timeout) < BRIEF_NS / 1000000)
#define BRIEF_TIMEVAL(timeout) ((timeout) && !(timeout)->tv_sec && (timeout)->tv_usec < BRIEF_NS / 1000)

static inline bool wait_is_brief(const struct timespec *time)
{
    return time && nofault_can_read(time, sizeof *time) && !time->tv_sec && time->tv_nsec < BRIEF_NS;
}

/* Two functions, since one that has a wait on its stack cannot end in a jump. */
#define WAITING_HOOK(type, name, kind, object, brief, parameters, arguments)                                 \
    MACHINE_RETURNS_BY_JUMP __attribute__((noinline)) static type name##_waiting parameters                  \
    {                                                                                                        \
        struct wait around;                                                                                  \
        type outcome;                                                                                        \
        wait_enter_wanted(&around, WAIT_PROFILES, WAIT_##kind, object, 0);                                   \
        outcome = (type)MACHINE_CALL(real.name, arguments);                                                  \
        wait_leave(&around);                                                                                 \
        return outcome;                                                                                      \
    }                                                                                                        \
    type name parameters                                                                                     \
    {                                                                                                        \
        return LIKELY(wait_is_wanted()) && !UNLIKELY(brief) ? name##_waiting arguments                       \
                                                            : real.name arguments;                           \
    }

#endif
