/* SPDX-License-Identifier: Apache-2.0 */
#include "profile.h"

const struct profile_kind profile_kinds[KIND_IDS] = {
    [KIND_ID_CPU] =
        {
            .name = "cpu",
            .push_name = "process_cpu",
            .values = 2,
            .value = {{"samples", "count"}, {"cpu", "nanoseconds"}},
            .default_value = 1,
            .period_type = {"cpu", "nanoseconds"},
        },
    [KIND_ID_MEMORY] =
        {
            .name = "memory",
            .push_name = "memory",
            .values = 4,
            .value = {{"alloc_objects", "count"},
                      {"alloc_space", "bytes"},
                      {"inuse_objects", "count"},
                      {"inuse_space", "bytes"}},
            .default_value = 1, /* at a program's end hardly anything is in use: an empty first sight */
            .period_type = {"space", "bytes"},
            .snapshot_values = 1u << 2 | 1u << 3,
        },
    [KIND_ID_MUTEX] =
        {
            .name = "mutex",
            .push_name = "mutex",
            .values = 2,
            .value = {{"contentions", "count"}, {"delay", "nanoseconds"}},
            .default_value = 1,
            .period_type = {"contentions", "count"},
        },
    [KIND_ID_BLOCK] =
        {
            .name = "block",
            .push_name = "block",
            .values = 2,
            .value = {{"contentions", "count"}, {"delay", "nanoseconds"}},
            .default_value = 1,
            .period_type = {"contentions", "count"},
        },
    [KIND_ID_WALL] =
        {
            .name = "wall",
            .push_name = "wall",
            .values = 2,
            .value = {{"samples", "count"}, {"wall", "nanoseconds"}},
            .default_value = 1,
            .period_type = {"wall", "nanoseconds"},
        },
    [KIND_ID_OFF_CPU] =
        {
            .name = "off_cpu",
            .push_name = "off_cpu",
            .values = 2,
            .value = {{"samples", "count"}, {"off_cpu", "nanoseconds"}},
            .default_value = 1,
            .period_type = {"off_cpu", "nanoseconds"},
        },
    [KIND_ID_THREADS] =
        {
            .name = "threads",
            .push_name = "threads",
            .values = 1,
            .value = {{"threads", "count"}},
            .default_value = 0,
            .period_type = {"threads", "count"},
            .snapshot_values = 1u << 0,
        },
    [KIND_ID_THREADCREATE] =
        {
            .name = "threadcreate",
            .push_name = "threadcreate",
            .values = 1,
            .value = {{"threadcreate", "count"}},
            .default_value = 0,
            .period_type = {"threadcreate", "count"},
            .snapshot_values = 1u << 0,
        },
};
