/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Included last by every file of sampler/. A function that is not signal-safe, or whose call would enter one
 * of the library's hooks again, does not compile.
 */
#ifndef CPROF_SAMPLER_POISON_H
#define CPROF_SAMPLER_POISON_H

#pragma GCC poison malloc calloc realloc free posix_memalign strdup
#pragma GCC poison printf fprintf snprintf sprintf puts fopen
#pragma GCC poison pthread_mutex_lock pthread_mutex_unlock pthread_cond_wait sem_wait
#pragma GCC poison open read write close mmap munmap fork waitpid syscall errno

#endif
