/* SPDX-License-Identifier: Apache-2.0 */
/* Input and output by descriptor: each may wait for the other side, a device or a full buffer. */
#include "../sampler/wait.h"
#include "hooks.h"

ssize_t read(int fd, void *buffer, size_t size)
{
    struct wait wait;
    ssize_t result;

    wait_enter(&wait, WAIT_read);
    result = real.read(fd, buffer, size);
    wait_leave(&wait);
    return result;
}

ssize_t __read_chk(int fd, void *buffer, size_t size, size_t room)
{
    struct wait wait;
    ssize_t result;

    wait_enter(&wait, WAIT_read);
    result = real.__read_chk(fd, buffer, size, room);
    wait_leave(&wait);
    return result;
}

ssize_t readv(int fd, const struct iovec *parts, int count)
{
    struct wait wait;
    ssize_t result;

    wait_enter(&wait, WAIT_readv);
    result = real.readv(fd, parts, count);
    wait_leave(&wait);
    return result;
}

ssize_t pread(int fd, void *buffer, size_t size, off_t offset)
{
    struct wait wait;
    ssize_t result;

    wait_enter(&wait, WAIT_pread);
    result = real.pread(fd, buffer, size, offset);
    wait_leave(&wait);
    return result;
}

ssize_t pread64(int fd, void *buffer, size_t size, off64_t offset)
{
    struct wait wait;
    ssize_t result;

    wait_enter(&wait, WAIT_pread);
    result = real.pread64(fd, buffer, size, offset);
    wait_leave(&wait);
    return result;
}

ssize_t __pread_chk(int fd, void *buffer, size_t size, off_t offset, size_t room)
{
    struct wait wait;
    ssize_t result;

    wait_enter(&wait, WAIT_pread);
    result = real.__pread_chk(fd, buffer, size, offset, room);
    wait_leave(&wait);
    return result;
}

ssize_t __pread64_chk(int fd, void *buffer, size_t size, off64_t offset, size_t room)
{
    struct wait wait;
    ssize_t result;

    wait_enter(&wait, WAIT_pread);
    result = real.__pread64_chk(fd, buffer, size, offset, room);
    wait_leave(&wait);
    return result;
}

ssize_t preadv(int fd, const struct iovec *parts, int count, off_t offset)
{
    struct wait wait;
    ssize_t result;

    wait_enter(&wait, WAIT_preadv);
    result = real.preadv(fd, parts, count, offset);
    wait_leave(&wait);
    return result;
}

ssize_t preadv64(int fd, const struct iovec *parts, int count, off64_t offset)
{
    struct wait wait;
    ssize_t result;

    wait_enter(&wait, WAIT_preadv);
    result = real.preadv64(fd, parts, count, offset);
    wait_leave(&wait);
    return result;
}

ssize_t preadv2(int fd, const struct iovec *parts, int count, off_t offset, int flags)
{
    struct wait wait;
    ssize_t result;

    wait_enter(&wait, WAIT_preadv2);
    result = real.preadv2(fd, parts, count, offset, flags);
    wait_leave(&wait);
    return result;
}

ssize_t preadv64v2(int fd, const struct iovec *parts, int count, off64_t offset, int flags)
{
    struct wait wait;
    ssize_t result;

    wait_enter(&wait, WAIT_preadv2);
    result = real.preadv64v2(fd, parts, count, offset, flags);
    wait_leave(&wait);
    return result;
}

ssize_t write(int fd, const void *buffer, size_t size)
{
    struct wait wait;
    ssize_t result;

    wait_enter(&wait, WAIT_write);
    result = real.write(fd, buffer, size);
    wait_leave(&wait);
    return result;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    struct wait wait;
    ssize_t result;

    wait_enter(&wait, WAIT_writev);
    result = real.writev(fd, parts, count);
    wait_leave(&wait);
    return result;
}

ssize_t pwrite(int fd, const void *buffer, size_t size, off_t offset)
{
    struct wait wait;
    ssize_t result;

    wait_enter(&wait, WAIT_pwrite);
    result = real.pwrite(fd, buffer, size, offset);
    wait_leave(&wait);
    return result;
}

ssize_t pwrite64(int fd, const void *buffer, size_t size, off64_t offset)
{
    struct wait wait;
    ssize_t result;

    wait_enter(&wait, WAIT_pwrite);
    result = real.pwrite64(fd, buffer, size, offset);
    wait_leave(&wait);
    return result;
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    struct wait wait;
    ssize_t result;

    wait_enter(&wait, WAIT_pwritev);
    result = real.pwritev(fd, parts, count, offset);
    wait_leave(&wait);
    return result;
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset)
{
    struct wait wait;
    ssize_t result;

    wait_enter(&wait, WAIT_pwritev);
    result = real.pwritev64(fd, parts, count, offset);
    wait_leave(&wait);
    return result;
}

ssize_t pwritev2(int fd, const struct iovec *parts, int count, off_t offset, int flags)
{
    struct wait wait;
    ssize_t result;

    wait_enter(&wait, WAIT_pwritev2);
    result = real.pwritev2(fd, parts, count, offset, flags);
    wait_leave(&wait);
    return result;
}

ssize_t pwritev64v2(int fd, const struct iovec *parts, int count, off64_t offset, int flags)
{
    struct wait wait;
    ssize_t result;

    wait_enter(&wait, WAIT_pwritev2);
    result = real.pwritev64v2(fd, parts, count, offset, flags);
    wait_leave(&wait);
    return result;
}

ssize_t recv(int fd, void *buffer, size_t size, int flags)
{
    struct wait wait;
    ssize_t result;

    wait_enter(&wait, WAIT_recv);
    result = real.recv(fd, buffer, size, flags);
    wait_leave(&wait);
    return result;
}

ssize_t __recv_chk(int fd, void *buffer, size_t size, size_t room, int flags)
{
    struct wait wait;
    ssize_t result;

    wait_enter(&wait, WAIT_recv);
    result = real.__recv_chk(fd, buffer, size, room, flags);
    wait_leave(&wait);
    return result;
}

ssize_t recvfrom(int fd, void *buffer, size_t size, int flags, __SOCKADDR_ARG address, socklen_t *length)
{
    struct wait wait;
    ssize_t result;

    wait_enter(&wait, WAIT_recvfrom);
    result = real.recvfrom(fd, buffer, size, flags, address, length);
    wait_leave(&wait);
    return result;
}

ssize_t __recvfrom_chk(int fd, void *buffer, size_t size, size_t room, int flags, __SOCKADDR_ARG address,
                       socklen_t *length)
{
    struct wait wait;
    ssize_t result;

    wait_enter(&wait, WAIT_recvfrom);
    result = real.__recvfrom_chk(fd, buffer, size, room, flags, address, length);
    wait_leave(&wait);
    return result;
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    struct wait wait;
    ssize_t result;

    wait_enter(&wait, WAIT_recvmsg);
    result = real.recvmsg(fd, message, flags);
    wait_leave(&wait);
    return result;
}

int recvmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags, struct timespec *timeout)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_recvmmsg);
    result = real.recvmmsg(fd, messages, count, flags, timeout);
    wait_leave(&wait);
    return result;
}

ssize_t send(int fd, const void *buffer, size_t size, int flags)
{
    struct wait wait;
    ssize_t result;

    wait_enter(&wait, WAIT_send);
    result = real.send(fd, buffer, size, flags);
    wait_leave(&wait);
    return result;
}

ssize_t sendto(int fd, const void *buffer, size_t size, int flags, __CONST_SOCKADDR_ARG address,
               socklen_t length)
{
    struct wait wait;
    ssize_t result;

    wait_enter(&wait, WAIT_sendto);
    result = real.sendto(fd, buffer, size, flags, address, length);
    wait_leave(&wait);
    return result;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    struct wait wait;
    ssize_t result;

    wait_enter(&wait, WAIT_sendmsg);
    result = real.sendmsg(fd, message, flags);
    wait_leave(&wait);
    return result;
}

int sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_sendmmsg);
    result = real.sendmmsg(fd, messages, count, flags);
    wait_leave(&wait);
    return result;
}

int accept(int fd, __SOCKADDR_ARG address, socklen_t *length)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_accept);
    result = real.accept(fd, address, length);
    wait_leave(&wait);
    return result;
}

int accept4(int fd, __SOCKADDR_ARG address, socklen_t *length, int flags)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_accept4);
    result = real.accept4(fd, address, length, flags);
    wait_leave(&wait);
    return result;
}

int connect(int fd, __CONST_SOCKADDR_ARG address, socklen_t length)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_connect);
    result = real.connect(fd, address, length);
    wait_leave(&wait);
    return result;
}

ssize_t mq_receive(mqd_t queue, char *buffer, size_t size, unsigned int *priority)
{
    struct wait wait;
    ssize_t result;

    wait_enter(&wait, WAIT_mq_receive);
    result = real.mq_receive(queue, buffer, size, priority);
    wait_leave(&wait);
    return result;
}

ssize_t mq_timedreceive(mqd_t queue, char *buffer, size_t size, unsigned int *priority,
                        const struct timespec *until)
{
    struct wait wait;
    ssize_t result;

    wait_enter(&wait, WAIT_mq_timedreceive);
    result = real.mq_timedreceive(queue, buffer, size, priority, until);
    wait_leave(&wait);
    return result;
}

int mq_send(mqd_t queue, const char *buffer, size_t size, unsigned int priority)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_mq_send);
    result = real.mq_send(queue, buffer, size, priority);
    wait_leave(&wait);
    return result;
}

int mq_timedsend(mqd_t queue, const char *buffer, size_t size, unsigned int priority,
                 const struct timespec *until)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_mq_timedsend);
    result = real.mq_timedsend(queue, buffer, size, priority, until);
    wait_leave(&wait);
    return result;
}

int msgsnd(int queue, const void *message, size_t size, int flags)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_msgsnd);
    result = real.msgsnd(queue, message, size, flags);
    wait_leave(&wait);
    return result;
}

ssize_t msgrcv(int queue, void *message, size_t size, long type, int flags)
{
    struct wait wait;
    ssize_t result;

    wait_enter(&wait, WAIT_msgrcv);
    result = real.msgrcv(queue, message, size, type, flags);
    wait_leave(&wait);
    return result;
}
