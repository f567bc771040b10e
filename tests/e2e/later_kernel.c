// SPDX-License-Identifier: Apache-2.0
// Preloaded: a kernel of 6.19 and later, which leaves a thread's rseq_cs as it is when the thread has waited
// in a system call.
#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/rseq.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

typedef uint64_t __attribute__((may_alias)) word;
static volatile word *section(void)
{
    return (volatile word *)((char *)__builtin_thread_pointer() + __rseq_offset +
                             offsetof(struct rseq, rseq_cs));
}

#define LEAVES(type, name, parameters, arguments)                                                            \
    type name parameters                                                                                     \
    {                                                                                                        \
        type(*real) parameters = (type(*) parameters)dlsym(RTLD_NEXT, #name);                                \
        word before = *section();                                                                            \
        type result = real arguments;                                                                        \
        *section() = before;                                                                                 \
        return result;                                                                                       \
    }
LEAVES(int, nanosleep, (const struct timespec *time, struct timespec *rest), (time, rest))
LEAVES(int, usleep, (useconds_t time), (time))
LEAVES(int, poll, (struct pollfd * fds, nfds_t count, int timeout), (fds, count, timeout))
LEAVES(ssize_t, read, (int fd, void *buffer, size_t size), (fd, buffer, size))
LEAVES(ssize_t, readv, (int fd, const struct iovec *parts, int count), (fd, parts, count))
LEAVES(int, pthread_join, (pthread_t thread, void **value), (thread, value))
