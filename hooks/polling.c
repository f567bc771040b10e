/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for one of many descriptors. */
#include "../sampler/wait.h"
#include "hooks.h"

int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_poll);
    result = real.poll(fds, count, timeout);
    wait_leave(&wait);
    return result;
}

int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t size)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_poll);
    result = real.__poll_chk(fds, count, timeout, size);
    wait_leave(&wait);
    return result;
}

int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_ppoll);
    result = real.ppoll(fds, count, timeout, mask);
    wait_leave(&wait);
    return result;
}

int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask,
                size_t size)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_ppoll);
    result = real.__ppoll_chk(fds, count, timeout, mask, size);
    wait_leave(&wait);
    return result;
}

int select(int count, fd_set *read_fds, fd_set *write_fds, fd_set *except_fds, struct timeval *timeout)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_select);
    result = real.select(count, read_fds, write_fds, except_fds, timeout);
    wait_leave(&wait);
    return result;
}

int pselect(int count, fd_set *read_fds, fd_set *write_fds, fd_set *except_fds,
            const struct timespec *timeout, const sigset_t *mask)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_pselect);
    result = real.pselect(count, read_fds, write_fds, except_fds, timeout, mask);
    wait_leave(&wait);
    return result;
}

int epoll_wait(int fd, struct epoll_event *events, int most, int timeout)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_epoll_wait);
    result = real.epoll_wait(fd, events, most, timeout);
    wait_leave(&wait);
    return result;
}

int epoll_pwait(int fd, struct epoll_event *events, int most, int timeout, const sigset_t *mask)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_epoll_pwait);
    result = real.epoll_pwait(fd, events, most, timeout, mask);
    wait_leave(&wait);
    return result;
}

int epoll_pwait2(int fd, struct epoll_event *events, int most, const struct timespec *timeout,
                 const sigset_t *mask)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_epoll_pwait2);
    result = real.epoll_pwait2(fd, events, most, timeout, mask);
    wait_leave(&wait);
    return result;
}
