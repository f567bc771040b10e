/* SPDX-License-Identifier: Apache-2.0 */
/* Part of layout.h: the functions that threads wait in, and those that make others wait. */
#ifndef CPROF_SAMPLER_LAYOUT_WAITS_H
#define CPROF_SAMPLER_LAYOUT_WAITS_H

/*
 * X(function, state, who). The function is the first frame of the stack. state groups threads in the threads
 * profile. who says what seg_thread.wait_object is, which leads to the thread that is waited for.
 */
#define LAYOUT_WAITS(X)                                                                                      \
    X(pthread_mutex_lock, "lock", MUTEX)                                                                     \
    X(pthread_mutex_timedlock, "lock", MUTEX)                                                                \
    X(pthread_mutex_clocklock, "lock", MUTEX)                                                                \
    X(mtx_lock, "lock", MUTEX)                                                                               \
    X(mtx_timedlock, "lock", MUTEX)                                                                          \
    X(pthread_rwlock_rdlock, "lock", RWLOCK)                                                                 \
    X(pthread_rwlock_timedrdlock, "lock", RWLOCK)                                                            \
    X(pthread_rwlock_clockrdlock, "lock", RWLOCK)                                                            \
    X(pthread_rwlock_wrlock, "lock", RWLOCK)                                                                 \
    X(pthread_rwlock_timedwrlock, "lock", RWLOCK)                                                            \
    X(pthread_rwlock_clockwrlock, "lock", RWLOCK)                                                            \
    X(pthread_cond_wait, "condition", NOBODY)                                                                \
    X(pthread_cond_timedwait, "condition", NOBODY)                                                           \
    X(pthread_cond_clockwait, "condition", NOBODY)                                                           \
    X(cnd_wait, "condition", NOBODY)                                                                         \
    X(cnd_timedwait, "condition", NOBODY)                                                                    \
    X(sem_wait, "semaphore", NOBODY)                                                                         \
    X(sem_timedwait, "semaphore", NOBODY)                                                                    \
    X(sem_clockwait, "semaphore", NOBODY)                                                                    \
    X(semop, "semaphore", NOBODY)                                                                            \
    X(semtimedop, "semaphore", NOBODY)                                                                       \
    X(pthread_barrier_wait, "barrier", NOBODY)                                                               \
    X(pthread_join, "join", THREAD)                                                                          \
    X(pthread_timedjoin_np, "join", THREAD)                                                                  \
    X(pthread_clockjoin_np, "join", THREAD)                                                                  \
    X(thrd_join, "join", THREAD)                                                                             \
    X(pthread_once, "once", NOBODY)                                                                          \
    X(call_once, "once", NOBODY)                                                                             \
    X(futex, "futex", NOBODY)                                                                                \
    X(sleep, "sleep", NOBODY)                                                                                \
    X(usleep, "sleep", NOBODY)                                                                               \
    X(nanosleep, "sleep", NOBODY)                                                                            \
    X(clock_nanosleep, "sleep", NOBODY)                                                                      \
    X(thrd_sleep, "sleep", NOBODY)                                                                           \
    X(poll, "poll", NOBODY)                                                                                  \
    X(ppoll, "poll", NOBODY)                                                                                 \
    X(select, "poll", NOBODY)                                                                                \
    X(pselect, "poll", NOBODY)                                                                               \
    X(epoll_wait, "poll", NOBODY)                                                                            \
    X(epoll_pwait, "poll", NOBODY)                                                                           \
    X(epoll_pwait2, "poll", NOBODY)                                                                          \
    X(read, "io", NOBODY)                                                                                    \
    X(readv, "io", NOBODY)                                                                                   \
    X(pread, "io", NOBODY)                                                                                   \
    X(preadv, "io", NOBODY)                                                                                  \
    X(preadv2, "io", NOBODY)                                                                                 \
    X(write, "io", NOBODY)                                                                                   \
    X(writev, "io", NOBODY)                                                                                  \
    X(pwrite, "io", NOBODY)                                                                                  \
    X(pwritev, "io", NOBODY)                                                                                 \
    X(pwritev2, "io", NOBODY)                                                                                \
    X(recv, "io", NOBODY)                                                                                    \
    X(recvfrom, "io", NOBODY)                                                                                \
    X(recvmsg, "io", NOBODY)                                                                                 \
    X(recvmmsg, "io", NOBODY)                                                                                \
    X(send, "io", NOBODY)                                                                                    \
    X(sendto, "io", NOBODY)                                                                                  \
    X(sendmsg, "io", NOBODY)                                                                                 \
    X(sendmmsg, "io", NOBODY)                                                                                \
    X(accept, "io", NOBODY)                                                                                  \
    X(accept4, "io", NOBODY)                                                                                 \
    X(connect, "io", NOBODY)                                                                                 \
    X(sendfile, "io", NOBODY)                                                                                \
    X(splice, "io", NOBODY)                                                                                  \
    X(copy_file_range, "io", NOBODY)                                                                         \
    X(eventfd_read, "io", NOBODY)                                                                            \
    X(mq_receive, "io", NOBODY)                                                                              \
    X(mq_timedreceive, "io", NOBODY)                                                                         \
    X(mq_send, "io", NOBODY)                                                                                 \
    X(mq_timedsend, "io", NOBODY)                                                                            \
    X(msgrcv, "io", NOBODY)                                                                                  \
    X(msgsnd, "io", NOBODY)                                                                                  \
    X(fsync, "io", NOBODY)                                                                                   \
    X(fdatasync, "io", NOBODY)                                                                               \
    X(sync_file_range, "io", NOBODY)                                                                         \
    X(syncfs, "io", NOBODY)                                                                                  \
    X(msync, "io", NOBODY)                                                                                   \
    X(wait, "child", NOBODY)                                                                                 \
    X(waitpid, "child", NOBODY)                                                                              \
    X(wait3, "child", NOBODY)                                                                                \
    X(wait4, "child", NOBODY)                                                                                \
    X(waitid, "child", NOBODY)                                                                               \
    X(flock, "lock", NOBODY)                                                                                 \
    X(lockf, "lock", NOBODY)                                                                                 \
    X(fcntl, "lock", NOBODY)                                                                                 \
    X(sigwait, "signal", NOBODY)                                                                             \
    X(sigwaitinfo, "signal", NOBODY)                                                                         \
    X(sigtimedwait, "signal", NOBODY)                                                                        \
    X(sigsuspend, "signal", NOBODY)                                                                          \
    X(pause, "signal", NOBODY)

/* X(function): who is in it has made others wait. */
#define LAYOUT_RELEASES(X)                                                                                   \
    X(pthread_mutex_unlock)                                                                                  \
    X(mtx_unlock)                                                                                            \
    X(pthread_spin_unlock)                                                                                   \
    X(pthread_rwlock_unlock)                                                                                 \
    X(futex_wake)

/* X(function): it gave the program memory. */
#define LAYOUT_MAPPED(X)                                                                                     \
    X(mmap)                                                                                                  \
    X(mremap)                                                                                                \
    X(brk)                                                                                                   \
    X(sbrk)

enum wait_kind {
    WAIT_NONE,
#define X(function, state, who) WAIT_##function,
    LAYOUT_WAITS(X)
#undef X
        WAITS,
    RELEASES_BEFORE = WAITS - 1,
#define X(function) RELEASE_##function,
    LAYOUT_RELEASES(X)
#undef X
#define X(function) MAPPED_##function,
        LAYOUT_MAPPED(X)
#undef X
            WAIT_FUNCTIONS
};

/* Of a pthread_mutex_t, a pthread_rwlock_t the address; a pthread_t. */
enum wait_object { WAIT_FOR_NOBODY, WAIT_FOR_MUTEX, WAIT_FOR_RWLOCK, WAIT_FOR_THREAD };

#endif
