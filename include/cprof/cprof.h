/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cprof for programs that know of it. Nothing here is needed to be profiled, and nothing is to be linked: the
 * functions are weak, so a program that runs without libcprof.so finds them NULL. Ask through the macros.
 * Thread-safe and signal-safe.
 */
#ifndef CPROF_CPROF_H
#define CPROF_CPROF_H

#ifdef __cplusplus
extern "C" {
#endif

#define CPROF_API __attribute__((weak, visibility("default")))

/* Version of this interface: raised when something is added. Nothing is ever taken away. */
#define CPROF_API_VERSION 1
CPROF_API int cprof_api_version(void);

/* 1 while this process is recorded by an uploader, else 0. */
CPROF_API int cprof_is_profiling(void);

#define CPROF_IS_PROFILING() (cprof_is_profiling ? cprof_is_profiling() : 0)

#ifdef __cplusplus
}
#endif

#endif
