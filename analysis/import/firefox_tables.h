/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of a processed profile of Firefox Profiler, as columns. Up to version 59 each thread has its own, from then on
 * all threads share them; both have the same shape here. The numbers are the file's and are checked when they are used.
 */
#ifndef CPROF_ANALYSIS_FIREFOX_TABLES_H
#define CPROF_ANALYSIS_FIREFOX_TABLES_H

#include "analysis/bytes/json_reader.h"
#include "analysis/tables/reading.h"

/* Whole numbers; null is -1. */
struct column {
    int32_t *value;
    size_t count, room;
};

struct firefox_tables {
    struct column stack_frame, stack_prefix;
    struct column frame_func, frame_line, frame_depth, frame_lib;
    struct column func_name, func_resource, func_source, func_file, func_line;
    struct column resource_lib, source_file;
    bool prefix_is_offset;
    const char **string;
    size_t strings, string_room;
};

/* The number at this place, or -1. */
static inline int32_t column_at(const struct column *column, int64_t at)
{
    return at >= 0 && (size_t)at < column->count ? column->value[at] : -1;
}

/* 0 or -ENOMEM; errors of the text are json's. */
int column_read(struct json *json, struct column *column);

/* Reads the value of the key that was read last if it is one of the tables, or passes over it. 0 or -ENOMEM. */
int firefox_tables_read(struct firefox_tables *tables, struct json *json, struct reading *reading);
void firefox_tables_free(struct firefox_tables *tables);

/* A text of the file, or "". */
const char *firefox_text(const struct firefox_tables *tables, int32_t number);

#endif
