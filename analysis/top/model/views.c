/* SPDX-License-Identifier: Apache-2.0 */
#include "views.h"

#include <string.h>

const struct view views[VIEWS] = {
    [VIEW_CPU] = {"cpu", "CPU time", KIND_ID_CPU, 1},
    [VIEW_ALLOC] = {"alloc", "Allocated bytes", KIND_ID_MEMORY, 1},
    [VIEW_ALLOC_BLOCKS] = {"blocks", "Allocated blocks", KIND_ID_MEMORY, 0},
    [VIEW_LIVE] = {"live", "Live bytes", KIND_ID_MEMORY, 3},
    [VIEW_LIVE_BLOCKS] = {"live_blocks", "Live blocks", KIND_ID_MEMORY, 2},
    [VIEW_MUTEX] = {"mutex", "Mutex delay", KIND_ID_MUTEX, 1},
    [VIEW_CONTENTIONS] = {"contentions", "Mutex contentions", KIND_ID_MUTEX, 0},
    [VIEW_BLOCK] = {"block", "Block delay", KIND_ID_BLOCK, 1},
    [VIEW_EVENTS] = {"events", "Blocking events", KIND_ID_BLOCK, 0},
    [VIEW_WALL] = {"wall", "Wall time", KIND_ID_WALL, 1},
    [VIEW_OFF_CPU] = {"off_cpu", "Off CPU", KIND_ID_OFF_CPU, 1},
    [VIEW_THREADS] = {"threads", "Threads", KIND_ID_THREADS, 0},
    [VIEW_CREATED] = {"created", "Threads created", KIND_ID_THREADCREATE, 0},
};

const char *view_unit(enum view_id id)
{
    return profile_kinds[views[id].kind].value[views[id].value].unit;
}

bool view_is_state(enum view_id id)
{
    return profile_kinds[views[id].kind].snapshot_values >> views[id].value & 1;
}

int view_find(const char *name)
{
    for (int i = 0; i < VIEWS; i++)
        if (!strcmp(name, views[i].name))
            return i;
    for (int i = 0; i < VIEWS; i++)
        if (!strcmp(name, profile_kinds[views[i].kind].name))
            return i;
    for (int i = 0; i < VIEWS; i++)
        if (!strcmp(name, profile_kinds[views[i].kind].value[views[i].value].type))
            return i;
    return -1;
}
