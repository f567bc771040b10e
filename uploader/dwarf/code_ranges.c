/* SPDX-License-Identifier: Apache-2.0 */
#include "code_ranges.h"

#include <errno.h>
#include <stdlib.h>

#include "uploader/base/array.h"

enum { NEIGHBOURS = 16 }; /* ranges before an offset that may still cover it */

int code_ranges_add(struct code_ranges *ranges, const struct code_range *range)
{
    struct code_range *grown = array_reserve(ranges->range, &ranges->room, ranges->count, sizeof *grown);
    if (!grown)
        return -ENOMEM;
    ranges->range = grown;
    grown[ranges->count++] = *range;
    return 0;
}

static int compare(const void *a, const void *b)
{
    const struct code_range *left = a, *right = b;
    if (left->start != right->start)
        return left->start < right->start ? -1 : 1;
    if (left->size != right->size)
        return left->size > right->size ? -1 : 1; /* enclosing ones first */
    return left->owner < right->owner ? -1 : left->owner > right->owner;
}

void code_ranges_sort(struct code_ranges *ranges)
{
    size_t kept = 1;
    if (!ranges->count)
        return;
    qsort(ranges->range, ranges->count, sizeof *ranges->range, compare);
    for (size_t i = 1; i < ranges->count; i++) {
        const struct code_range *range = &ranges->range[i], *last = &ranges->range[kept - 1];
        if (range->start != last->start || range->size != last->size)
            ranges->range[kept++] = *range;
    }
    ranges->count = kept;
    ranges->range = array_fit(ranges->range, &ranges->room, kept, sizeof *ranges->range);
}

const struct code_range *code_ranges_find(const struct code_ranges *ranges, uint64_t offset)
{
    const size_t until = array_count_until(ranges->range, ranges->count, sizeof *ranges->range, offset);
    for (size_t i = 0; i < NEIGHBOURS && i < until; i++) {
        const struct code_range *range = &ranges->range[until - 1 - i];
        if (offset - range->start < range->size)
            return range;
    }
    return NULL;
}

void code_ranges_free(struct code_ranges *ranges)
{
    free(ranges->range);
    *ranges = (struct code_ranges){0};
}
