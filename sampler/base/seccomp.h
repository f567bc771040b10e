/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which system calls this library may still make. Everything that seccomp_note_filter() has seen, and what
 * the process inherited, is kept as one set of forbidden calls for the whole process: a filter of one thread
 * counts for all of them.
 *
 * Before a system call that a program could forbid, its caller asks here, for all calls of an operation
 * together, so that none is left half done:
 *
 *     if (!seccomp_allows(CALL(memfd_create) | CALL(ftruncate)))
 *         return -EAGAIN;
 *
 * A call that is not in the table below gets a row there. It costs a load. Signal-safe, any thread.
 */
#ifndef CPROF_SAMPLER_SECCOMP_H
#define CPROF_SAMPLER_SECCOMP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * X(name): every system call of ours outside of the uploader's own process. What the arguments are is in
 * seccomp.c. `launch` stands for the start of an uploader: it would inherit the filter, so any filter forbids
 * it.
 */
#define SECCOMP_CALLS(X)                                                                                     \
    X(rt_sigreturn)                                                                                          \
    X(rt_sigprocmask)                                                                                        \
    X(rt_sigaction)                                                                                          \
    X(rt_sigtimedwait)                                                                                       \
    X(rt_sigqueueinfo)                                                                                       \
    X(rt_tgsigqueueinfo)                                                                                     \
    X(kill)                                                                                                  \
    X(tgkill)                                                                                                \
    X(sched_yield)                                                                                           \
    X(timer_create)                                                                                          \
    X(timer_settime)                                                                                         \
    X(timer_gettime)                                                                                         \
    X(timer_delete)                                                                                          \
    X(clock_gettime)                                                                                         \
    X(nanosleep)                                                                                             \
    X(getpid)                                                                                                \
    X(getppid)                                                                                               \
    X(getrusage)                                                                                             \
    X(gettid)                                                                                                \
    X(getuid)                                                                                                \
    X(prctl_name)                                                                                            \
    X(prctl_ptracer)                                                                                         \
    X(process_vm_readv)                                                                                      \
    X(mprotect)                                                                                              \
    X(mincore)                                                                                               \
    X(prlimit64)                                                                                             \
    X(memfd_create)                                                                                          \
    X(ftruncate)                                                                                             \
    X(fcntl)                                                                                                 \
    X(map)                                                                                                   \
    X(unmap)                                                                                                 \
    X(munlock)                                                                                               \
    X(mremap)                                                                                                \
    X(madvise)                                                                                               \
    X(close_fd)                                                                                              \
    X(socket)                                                                                                \
    X(connect)                                                                                               \
    X(getsockopt)                                                                                            \
    X(sendmsg)                                                                                               \
    X(newfstatat)                                                                                            \
    X(openat)                                                                                                \
    X(pread64)                                                                                               \
    X(faccessat)                                                                                             \
    X(launch)

#define X(name) CALL_##name,
enum seccomp_call { SECCOMP_CALLS(X) CALLS };
#undef X
_Static_assert(CALLS <= 64, "a bit each");

#define CALL(name) (UINT64_C(1) << CALL_##name)
#define CALL_EVERY (~UINT64_C(0))

/* Calls that belong to one operation. */
#define CALLS_TIMER (CALL(rt_sigreturn) | CALL(timer_create) | CALL(timer_settime) | CALL(gettid))
/* To deal with a SIGPROF that is the program's own. */
#define CALLS_OWN_SIGNAL                                                                                     \
    (CALL(rt_sigprocmask) | CALL(rt_sigaction) | CALL(rt_sigtimedwait) | CALL(rt_sigqueueinfo) |             \
     CALL(rt_tgsigqueueinfo) | CALL(kill) | CALL(tgkill) | CALL(sched_yield) | CALL(getpid) | CALL(gettid))
#define CALLS_SEGMENT                                                                                        \
    (CALL(prlimit64) | CALL(memfd_create) | CALL(ftruncate) | CALL(fcntl) | CALL(map) | CALL(unmap) |        \
     CALL(munlock) | CALL(mremap) | CALL(madvise) | CALL(close_fd) | CALL(getpid) | CALL(getppid))
#define CALLS_SESSION                                                                                        \
    (CALL(socket) | CALL(connect) | CALL(getsockopt) | CALL(sendmsg) | CALL(nanosleep) | CALL(close_fd) |    \
     CALL(prctl_ptracer))
/* To look at a program before it is executed. */
#define CALLS_FOLLOW                                                                                         \
    (CALL(rt_sigprocmask) | CALL(newfstatat) | CALL(openat) | CALL(pread64) | CALL(faccessat) |              \
     CALL(close_fd))

extern _Atomic uint64_t seccomp_forbidden __attribute__((visibility("hidden")));

static inline bool seccomp_allows(uint64_t calls)
{
    return __builtin_expect(!(atomic_load_explicit(&seccomp_forbidden, memory_order_relaxed) & calls), 1);
}

/* The calls that the filter (a struct sock_fprog of the program, at any address) would not let through. 0
   if the filter cannot be read, since the kernel will refuse it. Before it is installed. */
uint64_t seccomp_evaluate(const void *filter);

/* From now on these calls are not made. Returns those that were allowed before, for seccomp_permit() if the
   filter was not installed after all. */
uint64_t seccomp_forbid(uint64_t calls);
void seccomp_permit(uint64_t calls);

#endif
