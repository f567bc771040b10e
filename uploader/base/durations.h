/* SPDX-License-Identifier: Apache-2.0 */
/* How often something took how long, in the classes that /metrics shows as a histogram. Zero is an empty one. One thread
   only. */
#ifndef CPROF_UPLOADER_DURATIONS_H
#define CPROF_UPLOADER_DURATIONS_H

#include <stdint.h>

/* X(ms): the upper bounds of the classes, rising. The last class, of everything above, has none. */
#define DURATION_BOUNDS(X)                                                                                   \
    X(5) X(10) X(25) X(50) X(100) X(250) X(500) X(1000) X(2500) X(5000) X(10000) X(30000)

#define X(ms) +1
enum { DURATION_CLASSES = 1 DURATION_BOUNDS(X) };
#undef X

struct durations {
    uint64_t count[DURATION_CLASSES]; /* of the class alone, not of those below */
    uint64_t sum_ns;
};

/* Bounds in ms, all but the last class's. */
extern const unsigned duration_bounds[DURATION_CLASSES - 1];

/* A negative time, after a clock was set, counts as 0. */
void durations_add(struct durations *durations, int64_t ns);

#endif
