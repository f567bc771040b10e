/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for one of many descriptors. */
#include "masked.h"

WAITING_BRIEFLY(int, poll, poll, BRIEF_MS(timeout), (struct pollfd * fds, nfds_t count, int timeout),
                (fds, count, timeout))
WAITING_BRIEFLY(int, __poll_chk, poll, BRIEF_MS(timeout),
                (struct pollfd * fds, nfds_t count, int timeout, size_t size), (fds, count, timeout, size))
MASKED(int, ppoll, ppoll,
       (struct pollfd * fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask),
       (fds, count, timeout, mask), mask)
MASKED(int, __ppoll_chk, ppoll,
       (struct pollfd * fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask, size_t size),
       (fds, count, timeout, mask, size), mask)
WAITING_BRIEFLY(int, select, select, BRIEF_TIMEVAL(timeout),
                (int count, fd_set *read_fds, fd_set *write_fds, fd_set *except_fds, struct timeval *timeout),
                (count, read_fds, write_fds, except_fds, timeout))
MASKED(int, pselect, pselect,
       (int count, fd_set *read_fds, fd_set *write_fds, fd_set *except_fds, const struct timespec *timeout,
        const sigset_t *mask),
       (count, read_fds, write_fds, except_fds, timeout, mask), mask)
WAITING_BRIEFLY(int, epoll_wait, epoll_wait, BRIEF_MS(timeout),
                (int fd, struct epoll_event *events, int most, int timeout), (fd, events, most, timeout))
MASKED(int, epoll_pwait, epoll_pwait,
       (int fd, struct epoll_event *events, int most, int timeout, const sigset_t *mask),
       (fd, events, most, timeout, mask), mask)
MASKED(int, epoll_pwait2, epoll_pwait2,
       (int fd, struct epoll_event *events, int most, const struct timespec *timeout, const sigset_t *mask),
       (fd, events, most, timeout, mask), mask)
