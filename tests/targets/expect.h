// SPDX-License-Identifier: Apache-2.0
/* What the target programs share. A target exits 0 when it observed exactly what it should, 77 when it cannot
 * run. */
#ifndef CPROF_TESTS_EXPECT_H
#define CPROF_TESTS_EXPECT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EXPECT(condition)                                                                                    \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            dprintf(2, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                               \
            _exit(1);                                                                                        \
        }                                                                                                    \
    } while (0)

#define SKIP(reason)                                                                                         \
    do {                                                                                                     \
        puts(reason);                                                                                        \
        exit(77);                                                                                            \
    } while (0)

/* Uses so much CPU time of this thread, and allocates meanwhile. */
static inline void burn(int ms)
{
    struct timespec now;
    int64_t end;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    end = now.tv_sec * INT64_C(1000000000) + now.tv_nsec + ms * INT64_C(1000000);
    do {
        for (int i = 0; i < 100; i++) {
            char *volatile block = (char *)malloc(100 + (size_t)i);
            free(block);
        }
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    } while (now.tv_sec * INT64_C(1000000000) + now.tv_nsec < end);
}

/* The child's exit status, or -signal. */
static inline int wait_for(pid_t child)
{
    int status;
    EXPECT(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

#endif
