/* SPDX-License-Identifier: Apache-2.0 */
#include "pull_state.h"

struct pull_row pull_rows[PULL_ROWS] = {
    {.name = "allocs",
     .id = KIND_ID_MEMORY,
     .help = "all allocations so far, sampled, and what of them is in use"},
    {.name = "block", .id = KIND_ID_BLOCK, .help = "where threads waited: locks, sockets, files, sleep"},
    {.name = "goroutine",
     .id = KIND_ID_THREADS,
     .help = "the stack of every thread, under Go's name; debug=2 lists them one by one"},
    {.name = "heap", .id = KIND_ID_MEMORY, .help = "the blocks that are in use, sampled"},
    {.name = "mutex", .id = KIND_ID_MUTEX, .help = "who held the locks that others waited for"},
    {.name = "off_cpu", .id = KIND_ID_OFF_CPU, .help = "time of all threads in which they did not run"},
    {.name = "profile",
     .id = KIND_ID_CPU,
     .is_timed = true,
     .help = "CPU time of the next 30 seconds, or of seconds=N"},
    {.name = "threadcreate",
     .id = KIND_ID_THREADCREATE,
     .help = "where the threads that are alive were created"},
    {.name = "threads",
     .id = KIND_ID_THREADS,
     .help = "the stack of every thread, what it waits for and for how long"},
    {.name = "wall", .id = KIND_ID_WALL, .help = "time of all threads, whether they ran or waited"},
};

/* Values have Go's names where Go has the profile. */
void pull_rows_init(void)
{
    for (int i = 0; i < PULL_ROWS; i++) {
        struct pull_row *row = &pull_rows[i];
        row->kind = profile_kinds[row->id];
        if (row->name[0] == 'g')
            row->kind.value[0].type = row->kind.period_type.type = row->name;
        if (row->name[0] == 'h')
            row->kind.default_value = 3; /* inuse_space */
    }
}
