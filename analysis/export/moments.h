/* SPDX-License-Identifier: Apache-2.0 */
/* When the values of a profile were recorded: out of a session's files of intervals. One thread only. */
#ifndef CPROF_ANALYSIS_MOMENTS_H
#define CPROF_ANALYSIS_MOMENTS_H

#include "analysis/tables/reading.h"

/* A value of a stack and a thread in one span. */
struct moment {
    int64_t start_ms, end_ms;
    const char *thread;
    uint32_t node;
    int64_t value;
};

struct moments {
    struct moment *item; /* by thread, then by time */
    size_t count, room;
};

/* All values of one type, each once: those that no interval has are of the whole time of the profile. States, such as memory
   in use, are of the whole time alone. The profile's tables get the stacks of the intervals. 0 or negative errno; to be freed
   in any case. */
int moments_read(struct moments *moments, struct reading *reading, struct read_profile *profile,
                 unsigned type);
void moments_free(struct moments *moments);

#endif
