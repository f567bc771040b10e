/* SPDX-License-Identifier: Apache-2.0 */
/* Input and output by descriptor: each may wait for the other side, a device or a full buffer. */
#include "waits.h"

WAITING(ssize_t, read, (int fd, void *buffer, size_t size), (fd, buffer, size))
WAITING_AS(ssize_t, __read_chk, read, (int fd, void *buffer, size_t size, size_t room),
           (fd, buffer, size, room))
WAITING(ssize_t, readv, (int fd, const struct iovec *parts, int count), (fd, parts, count))
WAITING(ssize_t, pread, (int fd, void *buffer, size_t size, off_t offset), (fd, buffer, size, offset))
WAITING_AS(ssize_t, pread64, pread, (int fd, void *buffer, size_t size, off64_t offset),
           (fd, buffer, size, offset))
WAITING_AS(ssize_t, __pread_chk, pread, (int fd, void *buffer, size_t size, off_t offset, size_t room),
           (fd, buffer, size, offset, room))
WAITING_AS(ssize_t, __pread64_chk, pread, (int fd, void *buffer, size_t size, off64_t offset, size_t room),
           (fd, buffer, size, offset, room))
WAITING(ssize_t, preadv, (int fd, const struct iovec *parts, int count, off_t offset),
        (fd, parts, count, offset))
WAITING_AS(ssize_t, preadv64, preadv, (int fd, const struct iovec *parts, int count, off64_t offset),
           (fd, parts, count, offset))
WAITING(ssize_t, preadv2, (int fd, const struct iovec *parts, int count, off_t offset, int flags),
        (fd, parts, count, offset, flags))
WAITING_AS(ssize_t, preadv64v2, preadv2,
           (int fd, const struct iovec *parts, int count, off64_t offset, int flags),
           (fd, parts, count, offset, flags))
WAITING(ssize_t, write, (int fd, const void *buffer, size_t size), (fd, buffer, size))
WAITING(ssize_t, writev, (int fd, const struct iovec *parts, int count), (fd, parts, count))
WAITING(ssize_t, pwrite, (int fd, const void *buffer, size_t size, off_t offset), (fd, buffer, size, offset))
WAITING_AS(ssize_t, pwrite64, pwrite, (int fd, const void *buffer, size_t size, off64_t offset),
           (fd, buffer, size, offset))
WAITING(ssize_t, pwritev, (int fd, const struct iovec *parts, int count, off_t offset),
        (fd, parts, count, offset))
WAITING_AS(ssize_t, pwritev64, pwritev, (int fd, const struct iovec *parts, int count, off64_t offset),
           (fd, parts, count, offset))
WAITING(ssize_t, pwritev2, (int fd, const struct iovec *parts, int count, off_t offset, int flags),
        (fd, parts, count, offset, flags))
WAITING_AS(ssize_t, pwritev64v2, pwritev2,
           (int fd, const struct iovec *parts, int count, off64_t offset, int flags),
           (fd, parts, count, offset, flags))
WAITING(ssize_t, recv, (int fd, void *buffer, size_t size, int flags), (fd, buffer, size, flags))
WAITING_AS(ssize_t, __recv_chk, recv, (int fd, void *buffer, size_t size, size_t room, int flags),
           (fd, buffer, size, room, flags))
WAITING(ssize_t, recvfrom,
        (int fd, void *buffer, size_t size, int flags, __SOCKADDR_ARG address, socklen_t *length),
        (fd, buffer, size, flags, address.__sockaddr__, length))
/* recvfrom() with one argument more than WAITING() can pass on. If the size is too large, the real function
   ends the program. */
ssize_t __recvfrom_chk(int fd, void *buffer, size_t size, size_t room, int flags, __SOCKADDR_ARG address,
                       socklen_t *length)
{
    return LIKELY(wait_is_wanted() && size <= room)
               ? recvfrom_waiting(fd, buffer, size, flags, address, length)
               : real.__recvfrom_chk(fd, buffer, size, room, flags, address, length);
}
WAITING(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags))
WAITING(int, recvmmsg,
        (int fd, struct mmsghdr *messages, unsigned int count, int flags, struct timespec *timeout),
        (fd, messages, count, flags, timeout))
WAITING(ssize_t, send, (int fd, const void *buffer, size_t size, int flags), (fd, buffer, size, flags))
WAITING(ssize_t, sendto,
        (int fd, const void *buffer, size_t size, int flags, __CONST_SOCKADDR_ARG address, socklen_t length),
        (fd, buffer, size, flags, address.__sockaddr__, length))
WAITING(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
WAITING(int, sendmmsg, (int fd, struct mmsghdr *messages, unsigned int count, int flags),
        (fd, messages, count, flags))
WAITING(int, accept, (int fd, __SOCKADDR_ARG address, socklen_t *length), (fd, address.__sockaddr__, length))
WAITING(int, accept4, (int fd, __SOCKADDR_ARG address, socklen_t *length, int flags),
        (fd, address.__sockaddr__, length, flags))
WAITING(int, connect, (int fd, __CONST_SOCKADDR_ARG address, socklen_t length),
        (fd, address.__sockaddr__, length))
WAITING(ssize_t, sendfile, (int to, int from, off_t *offset, size_t size), (to, from, offset, size))
WAITING_AS(ssize_t, sendfile64, sendfile, (int to, int from, off64_t *offset, size_t size),
           (to, from, offset, size))
WAITING(ssize_t, splice,
        (int from, off64_t *from_offset, int to, off64_t *to_offset, size_t size, unsigned int flags),
        (from, from_offset, to, to_offset, size, flags))
WAITING(ssize_t, copy_file_range,
        (int from, off64_t *from_offset, int to, off64_t *to_offset, size_t size, unsigned int flags),
        (from, from_offset, to, to_offset, size, flags))
WAITING(int, eventfd_read, (int fd, eventfd_t *value), (fd, value))
WAITING(ssize_t, mq_receive, (mqd_t queue, char *buffer, size_t size, unsigned int *priority),
        (queue, buffer, size, priority))
WAITING(ssize_t, mq_timedreceive,
        (mqd_t queue, char *buffer, size_t size, unsigned int *priority, const struct timespec *until),
        (queue, buffer, size, priority, until))
WAITING(int, mq_send, (mqd_t queue, const char *buffer, size_t size, unsigned int priority),
        (queue, buffer, size, priority))
WAITING(int, mq_timedsend,
        (mqd_t queue, const char *buffer, size_t size, unsigned int priority, const struct timespec *until),
        (queue, buffer, size, priority, until))
WAITING(int, msgsnd, (int queue, const void *message, size_t size, int flags), (queue, message, size, flags))
WAITING(ssize_t, msgrcv, (int queue, void *message, size_t size, long type, int flags),
        (queue, message, size, type, flags))
