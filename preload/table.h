/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one list of interposed functions: struct real, its look-up, the prototypes of the hooks and the export
 * map (scripts/exports) are made from it. A function that is added here needs a hook of that name in hooks/.
 *
 * X(family, return type, name, parameters, version): version is the symbol version that the real function is
 * asked for first, or NULL for the default one. This header includes nothing; real.h brings the types.
 */
#ifndef CPROF_PRELOAD_TABLE_H
#define CPROF_PRELOAD_TABLE_H

#define CPROF_ALLOC(X)                                                                                       \
    X(ALLOC, void *, malloc, (size_t size), NULL)                                                            \
    X(ALLOC, void, free, (void *block), NULL)                                                                \
    X(ALLOC, void *, calloc, (size_t count, size_t size), NULL)                                              \
    X(ALLOC, void *, realloc, (void *block, size_t size), NULL)                                              \
    X(ALLOC, void *, reallocarray, (void *block, size_t count, size_t size), NULL)                           \
    X(ALLOC, int, posix_memalign, (void **block, size_t alignment, size_t size), NULL)                       \
    X(ALLOC, void *, aligned_alloc, (size_t alignment, size_t size), NULL)                                   \
    X(ALLOC, void *, memalign, (size_t alignment, size_t size), NULL)                                        \
    X(ALLOC, void *, valloc, (size_t size), NULL)                                                            \
    X(ALLOC, void *, pvalloc, (size_t size), NULL)                                                           \
    X(ALLOC, void, free_sized, (void *block, size_t size), NULL)                                             \
    X(ALLOC, void, free_aligned_sized, (void *block, size_t alignment, size_t size), NULL)                   \
    X(ALLOC, void, cfree, (void *block), NULL)

/* C++ by its mangled names: m is size_t, St11align_val_t an alignment, RKSt9nothrow_t a reference nobody
 * reads. */
#define CPROF_OPERATOR(X)                                                                                    \
    X(OPERATOR, void *, _Znwm, (size_t size), NULL)                                                          \
    X(OPERATOR, void *, _Znam, (size_t size), NULL)                                                          \
    X(OPERATOR, void *, _ZnwmRKSt9nothrow_t, (size_t size, const void *nothrow), NULL)                       \
    X(OPERATOR, void *, _ZnamRKSt9nothrow_t, (size_t size, const void *nothrow), NULL)                       \
    X(OPERATOR, void *, _ZnwmSt11align_val_t, (size_t size, size_t alignment), NULL)                         \
    X(OPERATOR, void *, _ZnamSt11align_val_t, (size_t size, size_t alignment), NULL)                         \
    X(OPERATOR, void *, _ZnwmSt11align_val_tRKSt9nothrow_t,                                                  \
      (size_t size, size_t alignment, const void *nothrow), NULL)                                            \
    X(OPERATOR, void *, _ZnamSt11align_val_tRKSt9nothrow_t,                                                  \
      (size_t size, size_t alignment, const void *nothrow), NULL)                                            \
    X(OPERATOR, void, _ZdlPv, (void *block), NULL)                                                           \
    X(OPERATOR, void, _ZdaPv, (void *block), NULL)                                                           \
    X(OPERATOR, void, _ZdlPvm, (void *block, size_t size), NULL)                                             \
    X(OPERATOR, void, _ZdaPvm, (void *block, size_t size), NULL)                                             \
    X(OPERATOR, void, _ZdlPvRKSt9nothrow_t, (void *block, const void *nothrow), NULL)                        \
    X(OPERATOR, void, _ZdaPvRKSt9nothrow_t, (void *block, const void *nothrow), NULL)                        \
    X(OPERATOR, void, _ZdlPvSt11align_val_t, (void *block, size_t alignment), NULL)                          \
    X(OPERATOR, void, _ZdaPvSt11align_val_t, (void *block, size_t alignment), NULL)                          \
    X(OPERATOR, void, _ZdlPvmSt11align_val_t, (void *block, size_t size, size_t alignment), NULL)            \
    X(OPERATOR, void, _ZdaPvmSt11align_val_t, (void *block, size_t size, size_t alignment), NULL)            \
    X(OPERATOR, void, _ZdlPvSt11align_val_tRKSt9nothrow_t,                                                   \
      (void *block, size_t alignment, const void *nothrow), NULL)                                            \
    X(OPERATOR, void, _ZdaPvSt11align_val_tRKSt9nothrow_t,                                                   \
      (void *block, size_t alignment, const void *nothrow), NULL)

#define CPROF_THREAD(X)                                                                                      \
    X(THREAD, int, pthread_create,                                                                           \
      (pthread_t * thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg), NULL)             \
    X(THREAD, int, thrd_create, (thrd_t * thread, int (*start)(void *), void *arg), NULL)                    \
    X(THREAD, int, pthread_setname_np, (pthread_t thread, const char *name), NULL)                           \
    X(THREAD, int, prctl, (int option, ...), NULL)                                                           \
    X(THREAD, long, syscall, (long number, ...), NULL)                                                       \
    X(THREAD, void, makecontext, (ucontext_t * context, void (*start)(void), int count, ...), NULL)          \
    X(THREAD, int, dlclose, (void *handle), NULL)

#define CPROF_SIGNAL(X)                                                                                      \
    X(SIGNAL, int, sigaction, (int sig, const struct sigaction *action, struct sigaction *old), NULL)        \
    X(SIGNAL, real_handler *, signal, (int sig, real_handler *handler), NULL)                                \
    X(SIGNAL, real_handler *, bsd_signal, (int sig, real_handler *handler), NULL)                            \
    X(SIGNAL, real_handler *, ssignal, (int sig, real_handler *handler), NULL)                               \
    X(SIGNAL, real_handler *, sysv_signal, (int sig, real_handler *handler), NULL)                           \
    X(SIGNAL, real_handler *, __sysv_signal, (int sig, real_handler *handler), NULL)                         \
    X(SIGNAL, real_handler *, sigset, (int sig, real_handler *handler), NULL)                                \
    X(SIGNAL, int, sigignore, (int sig), NULL)                                                               \
    X(SIGNAL, int, siginterrupt, (int sig, int interrupt), NULL)                                             \
    X(SIGNAL, int, sigprocmask, (int how, const sigset_t *set, sigset_t *old), NULL)                         \
    X(SIGNAL, int, pthread_sigmask, (int how, const sigset_t *set, sigset_t *old), NULL)                     \
    X(SIGNAL, int, sigblock, (int mask), NULL)                                                               \
    X(SIGNAL, int, sigsetmask, (int mask), NULL)                                                             \
    X(SIGNAL, int, siggetmask, (void), NULL)                                                                 \
    X(SIGNAL, int, sighold, (int sig), NULL)                                                                 \
    X(SIGNAL, int, sigrelse, (int sig), NULL)                                                                \
    X(SIGNAL, int, sigpending, (sigset_t * set), NULL)                                                       \
    X(SIGNAL, int, sigwait, (const sigset_t *set, int *sig), NULL)                                           \
    X(SIGNAL, int, sigwaitinfo, (const sigset_t *set, siginfo_t *info), NULL)                                \
    X(SIGNAL, int, sigtimedwait, (const sigset_t *set, siginfo_t *info, const struct timespec *timeout),     \
      NULL)                                                                                                  \
    X(SIGNAL, int, signalfd, (int fd, const sigset_t *set, int flags), NULL)                                 \
    X(SIGNAL, int, pthread_attr_setsigmask_np, (pthread_attr_t * attr, const sigset_t *set), NULL)           \
    X(SIGNAL, int, pthread_attr_getsigmask_np, (const pthread_attr_t *attr, sigset_t *set), NULL)

#define CPROF_EXEC(X)                                                                                        \
    X(EXEC, int, execve, (const char *path, char *const argv[], char *const envp[]), NULL)                   \
    X(EXEC, int, execv, (const char *path, char *const argv[]), NULL)                                        \
    X(EXEC, int, execvp, (const char *file, char *const argv[]), NULL)                                       \
    X(EXEC, int, execvpe, (const char *file, char *const argv[], char *const envp[]), NULL)                  \
    X(EXEC, int, execl, (const char *path, const char *arg, ...), NULL)                                      \
    X(EXEC, int, execlp, (const char *file, const char *arg, ...), NULL)                                     \
    X(EXEC, int, execle, (const char *path, const char *arg, ...), NULL)                                     \
    X(EXEC, int, fexecve, (int fd, char *const argv[], char *const envp[]), NULL)                            \
    X(EXEC, int, execveat, (int fd, const char *path, char *const argv[], char *const envp[], int flags),    \
      NULL)                                                                                                  \
    X(EXEC, int, posix_spawn,                                                                                \
      (pid_t * pid, const char *path, const posix_spawn_file_actions_t *actions,                             \
       const posix_spawnattr_t *attr, char *const argv[], char *const envp[]),                               \
      NULL)                                                                                                  \
    X(EXEC, int, posix_spawnp,                                                                               \
      (pid_t * pid, const char *file, const posix_spawn_file_actions_t *actions,                             \
       const posix_spawnattr_t *attr, char *const argv[], char *const envp[]),                               \
      NULL)

#define CPROF_INTERPOSED(X) CPROF_ALLOC(X) CPROF_OPERATOR(X) CPROF_THREAD(X) CPROF_SIGNAL(X) CPROF_EXEC(X)

#endif
