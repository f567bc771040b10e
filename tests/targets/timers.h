// SPDX-License-Identifier: Apache-2.0
// POSIX timers of the process.
#include <stdio.h>
#include <string.h>

static inline int count_timers(void)
{
    FILE *file = fopen("/proc/self/timers", "re");
    char line[256];
    int timers = 0;
    while (file && fgets(line, sizeof line, file))
        timers += !strncmp(line, "ID:", 3);
    if (file)
        fclose(file);
    return timers;
}
