// SPDX-License-Identifier: Apache-2.0
/* What the target programs use and older C libraries lack. Included after the system's headers. */
#ifndef CPROF_TESTS_OLDER_LIBC_H
#define CPROF_TESTS_OLDER_LIBC_H

#include <features.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef __GLIBC__
#define LIBC_HAS(major, minor) __GLIBC_PREREQ(major, minor)
#else
#define LIBC_HAS(major, minor) 0
#endif

#if defined(__GLIBC__) && !LIBC_HAS(2, 33)
#define mallinfo2 mallinfo
#endif
#if !LIBC_HAS(2, 34)
#define execveat(...) ((int)syscall(SYS_execveat, __VA_ARGS__))
#endif
#if !LIBC_HAS(2, 35)
#define epoll_pwait2(...) ((int)syscall(SYS_epoll_pwait2, __VA_ARGS__, 8))
#endif
#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

#endif
