/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one list of interposed functions: struct real, its look-up, the prototypes of the hooks and the export
 * map (scripts/exports) are made from it. A function that is added here needs a hook of that name in hooks/,
 * but those of CPROF_CALLED, which are looked up only.
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
    X(THREAD, int, pthread_key_create, (pthread_key_t * key, void (*destructor)(void *)), NULL)              \
    X(THREAD, int, tss_create, (tss_t * key, tss_dtor_t destructor), NULL)                                   \
    X(THREAD, int, pthread_setname_np, (pthread_t thread, const char *name), NULL)                           \
    X(THREAD, int, prctl, (int option, ...), NULL)                                                           \
    X(THREAD, long, syscall, (long number, ...), NULL)                                                       \
    X(THREAD, void, longjmp, (struct __jmp_buf_tag where[1], int value), NULL)                               \
    X(THREAD, void, _longjmp, (struct __jmp_buf_tag where[1], int value), NULL)                              \
    X(THREAD, void, siglongjmp, (struct __jmp_buf_tag where[1], int value), NULL)                            \
    X(THREAD, void, __longjmp_chk, (struct __jmp_buf_tag where[1], int value), NULL)                         \
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
    X(SIGNAL, int, sigaltstack, (const stack_t *stack, stack_t *old), NULL)                                  \
    X(SIGNAL, int, raise, (int sig), NULL)                                                                   \
    X(SIGNAL, int, gsignal, (int sig), NULL)                                                                 \
    X(SIGNAL, int, pthread_kill, (pthread_t thread, int sig), NULL)                                          \
    X(SIGNAL, int, pthread_sigqueue, (pthread_t thread, int sig, const union sigval value), NULL)            \
    X(SIGNAL, int, tgkill, (pid_t process, pid_t thread, int sig), NULL)                                     \
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

/* Locks: pthread, and C11's, which glibc leads past the pthread names. */
#define CPROF_LOCK(X)                                                                                        \
    X(LOCK, int, pthread_mutex_lock, (pthread_mutex_t * mutex), NULL)                                        \
    X(LOCK, int, pthread_mutex_timedlock, (pthread_mutex_t * mutex, const struct timespec *until), NULL)     \
    X(LOCK, int, pthread_mutex_clocklock,                                                                    \
      (pthread_mutex_t * mutex, clockid_t clock, const struct timespec *until), NULL)                        \
    X(LOCK, int, pthread_mutex_unlock, (pthread_mutex_t * mutex), NULL)                                      \
    X(LOCK, int, mtx_lock, (mtx_t * mutex), NULL)                                                            \
    X(LOCK, int, mtx_timedlock, (mtx_t * mutex, const struct timespec *until), NULL)                         \
    X(LOCK, int, mtx_unlock, (mtx_t * mutex), NULL)                                                          \
    X(LOCK, int, pthread_rwlock_rdlock, (pthread_rwlock_t * lock), NULL)                                     \
    X(LOCK, int, pthread_rwlock_timedrdlock, (pthread_rwlock_t * lock, const struct timespec *until), NULL)  \
    X(LOCK, int, pthread_rwlock_clockrdlock,                                                                 \
      (pthread_rwlock_t * lock, clockid_t clock, const struct timespec *until), NULL)                        \
    X(LOCK, int, pthread_rwlock_wrlock, (pthread_rwlock_t * lock), NULL)                                     \
    X(LOCK, int, pthread_rwlock_timedwrlock, (pthread_rwlock_t * lock, const struct timespec *until), NULL)  \
    X(LOCK, int, pthread_rwlock_clockwrlock,                                                                 \
      (pthread_rwlock_t * lock, clockid_t clock, const struct timespec *until), NULL)                        \
    X(LOCK, int, pthread_rwlock_unlock, (pthread_rwlock_t * lock), NULL)                                     \
    X(LOCK, int, pthread_spin_lock, (pthread_spinlock_t * lock), NULL)                                       \
    X(LOCK, int, pthread_spin_unlock, (pthread_spinlock_t * lock), NULL)

/*
 * Condition variables exist in two versions, and an object is of one of them. All that may touch one is here
 * and asks for the newer version, also for a program linked to the older one: both have the same size and the
 * same initialiser.
 */
#define CPROF_CONDITION(X)                                                                                   \
    X(CONDITION, int, pthread_cond_init, (pthread_cond_t * cond, const pthread_condattr_t *attr),            \
      "GLIBC_2.3.2")                                                                                         \
    X(CONDITION, int, pthread_cond_destroy, (pthread_cond_t * cond), "GLIBC_2.3.2")                          \
    X(CONDITION, int, pthread_cond_signal, (pthread_cond_t * cond), "GLIBC_2.3.2")                           \
    X(CONDITION, int, pthread_cond_broadcast, (pthread_cond_t * cond), "GLIBC_2.3.2")                        \
    X(CONDITION, int, pthread_cond_wait, (pthread_cond_t * cond, pthread_mutex_t * mutex), "GLIBC_2.3.2")    \
    X(CONDITION, int, pthread_cond_timedwait,                                                                \
      (pthread_cond_t * cond, pthread_mutex_t * mutex, const struct timespec *until), "GLIBC_2.3.2")         \
    X(CONDITION, int, pthread_cond_clockwait,                                                                \
      (pthread_cond_t * cond, pthread_mutex_t * mutex, clockid_t clock, const struct timespec *until), NULL) \
    X(CONDITION, int, cnd_signal, (cnd_t * cond), NULL)                                                      \
    X(CONDITION, int, cnd_broadcast, (cnd_t * cond), NULL)                                                   \
    X(CONDITION, int, cnd_wait, (cnd_t * cond, mtx_t * mutex), NULL)                                         \
    X(CONDITION, int, cnd_timedwait, (cnd_t * cond, mtx_t * mutex, const struct timespec *until), NULL)

/* What threads meet at. */
#define CPROF_SYNCHRONIZATION(X)                                                                             \
    X(SYNCHRONIZATION, int, semop, (int set, struct sembuf *operations, size_t count), NULL)                 \
    X(SYNCHRONIZATION, int, semtimedop,                                                                      \
      (int set, struct sembuf *operations, size_t count, const struct timespec *timeout), NULL)              \
    X(SYNCHRONIZATION, int, sem_wait, (sem_t * semaphore), NULL)                                             \
    X(SYNCHRONIZATION, int, sem_timedwait, (sem_t * semaphore, const struct timespec *until), NULL)          \
    X(SYNCHRONIZATION, int, sem_clockwait,                                                                   \
      (sem_t * semaphore, clockid_t clock, const struct timespec *until), NULL)                              \
    X(SYNCHRONIZATION, int, pthread_barrier_wait, (pthread_barrier_t * barrier), NULL)                       \
    X(SYNCHRONIZATION, int, pthread_join, (pthread_t thread, void **result), NULL)                           \
    X(SYNCHRONIZATION, int, pthread_timedjoin_np,                                                            \
      (pthread_t thread, void **result, const struct timespec *until), NULL)                                 \
    X(SYNCHRONIZATION, int, pthread_clockjoin_np,                                                            \
      (pthread_t thread, void **result, clockid_t clock, const struct timespec *until), NULL)                \
    X(SYNCHRONIZATION, int, thrd_join, (thrd_t thread, int *result), NULL)                                   \
    X(SYNCHRONIZATION, int, pthread_once, (pthread_once_t * once, void (*init)(void)), NULL)                 \
    X(SYNCHRONIZATION, void, call_once, (once_flag * once, void (*init)(void)), NULL)

/* Sleep. */
#define CPROF_SLEEP(X)                                                                                       \
    X(SLEEP, unsigned int, sleep, (unsigned int seconds), NULL)                                              \
    X(SLEEP, int, usleep, (useconds_t microseconds), NULL)                                                   \
    X(SLEEP, int, nanosleep, (const struct timespec *time, struct timespec *left), NULL)                     \
    X(SLEEP, int, clock_nanosleep,                                                                           \
      (clockid_t clock, int flags, const struct timespec *time, struct timespec *left), NULL)                \
    X(SLEEP, int, thrd_sleep, (const struct timespec *time, struct timespec *left), NULL)                    \
    X(SLEEP, int, pause, (void), NULL)                                                                       \
    X(SLEEP, int, sigsuspend, (const sigset_t *mask), NULL)

/* Many descriptors at once; __x_chk is what a program compiled with _FORTIFY_SOURCE calls. */
#define CPROF_POLLING(X)                                                                                     \
    X(POLLING, int, poll, (struct pollfd * fds, nfds_t count, int timeout), NULL)                            \
    X(POLLING, int, __poll_chk, (struct pollfd * fds, nfds_t count, int timeout, size_t size), NULL)         \
    X(POLLING, int, ppoll,                                                                                   \
      (struct pollfd * fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask), NULL)       \
    X(POLLING, int, __ppoll_chk,                                                                             \
      (struct pollfd * fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask,              \
       size_t size),                                                                                         \
      NULL)                                                                                                  \
    X(POLLING, int, select,                                                                                  \
      (int count, fd_set *read, fd_set *write, fd_set *except, struct timeval *timeout), NULL)               \
    X(POLLING, int, pselect,                                                                                 \
      (int count, fd_set *read, fd_set *write, fd_set *except, const struct timespec *timeout,               \
       const sigset_t *mask),                                                                                \
      NULL)                                                                                                  \
    X(POLLING, int, epoll_wait, (int fd, struct epoll_event *events, int most, int timeout), NULL)           \
    X(POLLING, int, epoll_pwait,                                                                             \
      (int fd, struct epoll_event *events, int most, int timeout, const sigset_t *mask), NULL)               \
    X(POLLING, int, epoll_pwait2,                                                                            \
      (int fd, struct epoll_event *events, int most, const struct timespec *timeout, const sigset_t *mask),  \
      NULL)

/* Input and output by descriptor. What stdio does inside libc does not come here. */
#define CPROF_IO(X)                                                                                          \
    X(IO, ssize_t, read, (int fd, void *buffer, size_t size), NULL)                                          \
    X(IO, ssize_t, __read_chk, (int fd, void *buffer, size_t size, size_t room), NULL)                       \
    X(IO, ssize_t, readv, (int fd, const struct iovec *parts, int count), NULL)                              \
    X(IO, ssize_t, pread, (int fd, void *buffer, size_t size, off_t offset), NULL)                           \
    X(IO, ssize_t, pread64, (int fd, void *buffer, size_t size, off64_t offset), NULL)                       \
    X(IO, ssize_t, __pread_chk, (int fd, void *buffer, size_t size, off_t offset, size_t room), NULL)        \
    X(IO, ssize_t, __pread64_chk, (int fd, void *buffer, size_t size, off64_t offset, size_t room), NULL)    \
    X(IO, ssize_t, preadv, (int fd, const struct iovec *parts, int count, off_t offset), NULL)               \
    X(IO, ssize_t, preadv64, (int fd, const struct iovec *parts, int count, off64_t offset), NULL)           \
    X(IO, ssize_t, preadv2, (int fd, const struct iovec *parts, int count, off_t offset, int flags), NULL)   \
    X(IO, ssize_t, preadv64v2, (int fd, const struct iovec *parts, int count, off64_t offset, int flags),    \
      NULL)                                                                                                  \
    X(IO, ssize_t, write, (int fd, const void *buffer, size_t size), NULL)                                   \
    X(IO, ssize_t, writev, (int fd, const struct iovec *parts, int count), NULL)                             \
    X(IO, ssize_t, pwrite, (int fd, const void *buffer, size_t size, off_t offset), NULL)                    \
    X(IO, ssize_t, pwrite64, (int fd, const void *buffer, size_t size, off64_t offset), NULL)                \
    X(IO, ssize_t, pwritev, (int fd, const struct iovec *parts, int count, off_t offset), NULL)              \
    X(IO, ssize_t, pwritev64, (int fd, const struct iovec *parts, int count, off64_t offset), NULL)          \
    X(IO, ssize_t, pwritev2, (int fd, const struct iovec *parts, int count, off_t offset, int flags), NULL)  \
    X(IO, ssize_t, pwritev64v2, (int fd, const struct iovec *parts, int count, off64_t offset, int flags),   \
      NULL)                                                                                                  \
    X(IO, ssize_t, recv, (int fd, void *buffer, size_t size, int flags), NULL)                               \
    X(IO, ssize_t, __recv_chk, (int fd, void *buffer, size_t size, size_t room, int flags), NULL)            \
    X(IO, ssize_t, recvfrom,                                                                                 \
      (int fd, void *buffer, size_t size, int flags, __SOCKADDR_ARG address, socklen_t *length), NULL)       \
    X(IO, ssize_t, __recvfrom_chk,                                                                           \
      (int fd, void *buffer, size_t size, size_t room, int flags, __SOCKADDR_ARG address,                    \
       socklen_t *length),                                                                                   \
      NULL)                                                                                                  \
    X(IO, ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), NULL)                               \
    X(IO, int, recvmmsg,                                                                                     \
      (int fd, struct mmsghdr *messages, unsigned int count, int flags, struct timespec *timeout), NULL)     \
    X(IO, ssize_t, send, (int fd, const void *buffer, size_t size, int flags), NULL)                         \
    X(IO, ssize_t, sendto,                                                                                   \
      (int fd, const void *buffer, size_t size, int flags, __CONST_SOCKADDR_ARG address, socklen_t length),  \
      NULL)                                                                                                  \
    X(IO, ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), NULL)                         \
    X(IO, int, sendmmsg, (int fd, struct mmsghdr *messages, unsigned int count, int flags), NULL)            \
    X(IO, int, accept, (int fd, __SOCKADDR_ARG address, socklen_t *length), NULL)                            \
    X(IO, int, accept4, (int fd, __SOCKADDR_ARG address, socklen_t *length, int flags), NULL)                \
    X(IO, int, connect, (int fd, __CONST_SOCKADDR_ARG address, socklen_t length), NULL)                      \
    X(IO, ssize_t, sendfile, (int to, int from, off_t *offset, size_t size), NULL)                           \
    X(IO, ssize_t, sendfile64, (int to, int from, off64_t *offset, size_t size), NULL)                       \
    X(IO, ssize_t, splice,                                                                                   \
      (int from, off64_t *from_offset, int to, off64_t *to_offset, size_t size, unsigned int flags), NULL)   \
    X(IO, ssize_t, copy_file_range,                                                                          \
      (int from, off64_t *from_offset, int to, off64_t *to_offset, size_t size, unsigned int flags), NULL)   \
    X(IO, int, eventfd_read, (int fd, eventfd_t *value), NULL)                                               \
    X(IO, ssize_t, mq_receive, (mqd_t queue, char *buffer, size_t size, unsigned int *priority), NULL)       \
    X(IO, ssize_t, mq_timedreceive,                                                                          \
      (mqd_t queue, char *buffer, size_t size, unsigned int *priority, const struct timespec *until), NULL)  \
    X(IO, int, msgsnd, (int queue, const void *message, size_t size, int flags), NULL)                       \
    X(IO, ssize_t, msgrcv, (int queue, void *message, size_t size, long type, int flags), NULL)              \
    X(IO, int, mq_send, (mqd_t queue, const char *buffer, size_t size, unsigned int priority), NULL)         \
    X(IO, int, mq_timedsend,                                                                                 \
      (mqd_t queue, const char *buffer, size_t size, unsigned int priority, const struct timespec *until),   \
      NULL)

/* Files that others have locked, or that go to the disk now. */
#define CPROF_FILES(X)                                                                                       \
    X(FILES, int, flock, (int fd, int operation), NULL)                                                      \
    X(FILES, int, lockf, (int fd, int command, off_t size), NULL)                                            \
    X(FILES, int, lockf64, (int fd, int command, off64_t size), NULL)                                        \
    X(FILES, int, fcntl, (int fd, int command, ...), NULL)                                                   \
    X(FILES, int, fcntl64, (int fd, int command, ...), NULL)                                                 \
    X(FILES, int, fsync, (int fd), NULL)                                                                     \
    X(FILES, int, syncfs, (int fd), NULL)                                                                    \
    X(FILES, int, fdatasync, (int fd), NULL)                                                                 \
    X(FILES, int, sync_file_range, (int fd, off64_t offset, off64_t size, unsigned int flags), NULL)         \
    X(FILES, int, msync, (void *address, size_t size, int flags), NULL)

/* Child processes. */
#define CPROF_CHILD(X)                                                                                       \
    X(CHILD, pid_t, wait, (int *status), NULL)                                                               \
    X(CHILD, pid_t, waitpid, (pid_t pid, int *status, int options), NULL)                                    \
    X(CHILD, pid_t, wait3, (int *status, int options, struct rusage *usage), NULL)                           \
    X(CHILD, pid_t, wait4, (pid_t pid, int *status, int options, struct rusage *usage), NULL)                \
    X(CHILD, int, waitid, (idtype_t type, id_t id, siginfo_t * info, int options), NULL)

/* Memory as a whole. */
#define CPROF_MEMORY(X)                                                                                      \
    X(MEMORY, int, mlockall, (int flags), NULL)                                                              \
    X(MEMORY, void *, mmap, (void *address, size_t size, int protection, int flags, int fd, off_t offset),   \
      NULL)                                                                                                  \
    X(MEMORY, void *, mmap64, (void *address, size_t size, int protection, int flags, int fd, off_t offset), \
      NULL)                                                                                                  \
    X(MEMORY, int, munmap, (void *address, size_t size), NULL)                                               \
    X(MEMORY, void *, mremap, (void *old, size_t old_size, size_t size, int flags, ...), NULL)               \
    X(MEMORY, int, brk, (void *address), NULL)                                                               \
    X(MEMORY, void *, sbrk, (intptr_t increment), NULL)

/* Not interposed: what hooks ask before they wait. */
#define CPROF_CALLED(X)                                                                                      \
    X(CALLED, int, pthread_mutex_trylock, (pthread_mutex_t * mutex), NULL)                                   \
    X(CALLED, int, mtx_trylock, (mtx_t * mutex), NULL)                                                       \
    X(CALLED, int, pthread_rwlock_trywrlock, (pthread_rwlock_t * lock), NULL)                                \
    X(CALLED, int, pthread_spin_trylock, (pthread_spinlock_t * lock), NULL)                                  \
    X(CALLED, int, pthread_rwlock_tryrdlock, (pthread_rwlock_t * lock), NULL)                                \
    X(CALLED, int, sem_getvalue, (sem_t * semaphore, int *value), NULL)

/* clang-format off */
#define CPROF_INTERPOSED(X) \
    CPROF_ALLOC(X) CPROF_OPERATOR(X) CPROF_THREAD(X) CPROF_SIGNAL(X) CPROF_EXEC(X) CPROF_LOCK(X) \
    CPROF_CONDITION(X) CPROF_SYNCHRONIZATION(X) CPROF_SLEEP(X) CPROF_POLLING(X) CPROF_IO(X) CPROF_FILES(X) CPROF_CHILD(X) \
    CPROF_MEMORY(X)
#define CPROF_LOOKED_UP(X) CPROF_INTERPOSED(X) CPROF_CALLED(X)
/* clang-format on */

#endif
