/* SPDX-License-Identifier: Apache-2.0 */
/* Input and output by descriptor: each may wait for the other side, a device or a full buffer. */
#include "waits.h"

WAITS(ssize_t, read, (int fd, void *buffer, size_t size), (fd, buffer, size))
WAITS_AS(ssize_t, __read_chk, read, (int fd, void *buffer, size_t size, size_t room),
         (fd, buffer, size, room))
WAITS(ssize_t, readv, (int fd, const struct iovec *parts, int count), (fd, parts, count))
WAITS(ssize_t, pread, (int fd, void *buffer, size_t size, off_t offset), (fd, buffer, size, offset))
WAITS_AS(ssize_t, pread64, pread, (int fd, void *buffer, size_t size, off64_t offset),
         (fd, buffer, size, offset))
WAITS_AS(ssize_t, __pread_chk, pread, (int fd, void *buffer, size_t size, off_t offset, size_t room),
         (fd, buffer, size, offset, room))
WAITS_AS(ssize_t, __pread64_chk, pread, (int fd, void *buffer, size_t size, off64_t offset, size_t room),
         (fd, buffer, size, offset, room))
WAITS(ssize_t, preadv, (int fd, const struct iovec *parts, int count, off_t offset),
      (fd, parts, count, offset))
WAITS_AS(ssize_t, preadv64, preadv, (int fd, const struct iovec *parts, int count, off64_t offset),
         (fd, parts, count, offset))
WAITS(ssize_t, preadv2, (int fd, const struct iovec *parts, int count, off_t offset, int flags),
      (fd, parts, count, offset, flags))
WAITS_AS(ssize_t, preadv64v2, preadv2,
         (int fd, const struct iovec *parts, int count, off64_t offset, int flags),
         (fd, parts, count, offset, flags))
WAITS(ssize_t, write, (int fd, const void *buffer, size_t size), (fd, buffer, size))
WAITS(ssize_t, writev, (int fd, const struct iovec *parts, int count), (fd, parts, count))
WAITS(ssize_t, pwrite, (int fd, const void *buffer, size_t size, off_t offset), (fd, buffer, size, offset))
WAITS_AS(ssize_t, pwrite64, pwrite, (int fd, const void *buffer, size_t size, off64_t offset),
         (fd, buffer, size, offset))
WAITS(ssize_t, pwritev, (int fd, const struct iovec *parts, int count, off_t offset),
      (fd, parts, count, offset))
WAITS_AS(ssize_t, pwritev64, pwritev, (int fd, const struct iovec *parts, int count, off64_t offset),
         (fd, parts, count, offset))
WAITS(ssize_t, pwritev2, (int fd, const struct iovec *parts, int count, off_t offset, int flags),
      (fd, parts, count, offset, flags))
WAITS_AS(ssize_t, pwritev64v2, pwritev2,
         (int fd, const struct iovec *parts, int count, off64_t offset, int flags),
         (fd, parts, count, offset, flags))
WAITS(ssize_t, recv, (int fd, void *buffer, size_t size, int flags), (fd, buffer, size, flags))
WAITS_AS(ssize_t, __recv_chk, recv, (int fd, void *buffer, size_t size, size_t room, int flags),
         (fd, buffer, size, room, flags))
WAITS(ssize_t, recvfrom,
      (int fd, void *buffer, size_t size, int flags, __SOCKADDR_ARG address, socklen_t *length),
      (fd, buffer, size, flags, address, length))
WAITS_AS(ssize_t, __recvfrom_chk, recvfrom,
         (int fd, void *buffer, size_t size, size_t room, int flags, __SOCKADDR_ARG address,
          socklen_t *length),
         (fd, buffer, size, room, flags, address, length))
WAITS(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags))
WAITS(int, recvmmsg,
      (int fd, struct mmsghdr *messages, unsigned int count, int flags, struct timespec *timeout),
      (fd, messages, count, flags, timeout))
WAITS(ssize_t, send, (int fd, const void *buffer, size_t size, int flags), (fd, buffer, size, flags))
WAITS(ssize_t, sendto,
      (int fd, const void *buffer, size_t size, int flags, __CONST_SOCKADDR_ARG address, socklen_t length),
      (fd, buffer, size, flags, address, length))
WAITS(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
WAITS(int, sendmmsg, (int fd, struct mmsghdr *messages, unsigned int count, int flags),
      (fd, messages, count, flags))
WAITS(int, accept, (int fd, __SOCKADDR_ARG address, socklen_t *length), (fd, address, length))
WAITS(int, accept4, (int fd, __SOCKADDR_ARG address, socklen_t *length, int flags),
      (fd, address, length, flags))
WAITS(int, connect, (int fd, __CONST_SOCKADDR_ARG address, socklen_t length), (fd, address, length))
WAITS(ssize_t, mq_receive, (mqd_t queue, char *buffer, size_t size, unsigned int *priority),
      (queue, buffer, size, priority))
WAITS(ssize_t, mq_timedreceive,
      (mqd_t queue, char *buffer, size_t size, unsigned int *priority, const struct timespec *until),
      (queue, buffer, size, priority, until))
WAITS(int, mq_send, (mqd_t queue, const char *buffer, size_t size, unsigned int priority),
      (queue, buffer, size, priority))
WAITS(int, mq_timedsend,
      (mqd_t queue, const char *buffer, size_t size, unsigned int priority, const struct timespec *until),
      (queue, buffer, size, priority, until))
WAITS(int, msgsnd, (int queue, const void *message, size_t size, int flags), (queue, message, size, flags))
WAITS(ssize_t, msgrcv, (int queue, void *message, size_t size, long type, int flags),
      (queue, message, size, type, flags))
