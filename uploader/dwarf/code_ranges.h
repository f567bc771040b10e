/* SPDX-License-Identifier: Apache-2.0 */
/* Stretches of code and who they belong to. One thread only. */
#ifndef CPROF_UPLOADER_CODE_RANGES_H
#define CPROF_UPLOADER_CODE_RANGES_H

#include <stddef.h>
#include <stdint.h>

/* start: from the file's first code on. */
struct code_range {
    uint32_t start, size;
    uint32_t owner; /* the caller's number for whose code it is */
};
struct code_ranges {
    struct code_range *range;
    size_t count, room;
};

/* 0 or -ENOMEM. */
int code_ranges_add(struct code_ranges *ranges, const struct code_range *range);

/* Before the first search. Of equal ranges, the one with the lowest owner stays. Each unit that uses an inline function of
   C++ describes it, and linkers make all of them point at the one copy that is kept. */
void code_ranges_sort(struct code_ranges *ranges);

/* The innermost range that the offset is in, or NULL. */
const struct code_range *code_ranges_find(const struct code_ranges *ranges, uint64_t offset);
void code_ranges_free(struct code_ranges *ranges);

#endif
