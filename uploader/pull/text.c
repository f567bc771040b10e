/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* One stack, whatever process and thread it is of. */
struct line {
    const struct profile_frame *stack;
    int64_t value[PROFILE_VALUES];
};

static void add(int64_t *sum, int64_t value)
{
    if (__builtin_add_overflow(*sum, value, sum))
        *sum = INT64_MAX;
}

static int by_stack(const void *left, const void *right)
{
    const struct line *a = left, *b = right;
    return (a->stack > b->stack) - (a->stack < b->stack);
}

/* The last value is the one that is looked for: bytes, or time. */
static int by_value(const void *left, const void *right)
{
    const struct line *a = left, *b = right;
    for (unsigned i = PROFILE_VALUES; i--;)
        if (a->value[i] != b->value[i])
            return a->value[i] < b->value[i] ? 1 : -1;
    return 0;
}

static struct line *list_stacks(const struct profile *profile, size_t *count)
{
    struct line *list = malloc((profile_count(profile) + 1) * sizeof *list);
    const struct profile_sample *sample;
    size_t all = 0, cursor = 0;

    *count = 0;
    while (list && (sample = profile_next(profile, &cursor))) {
        list[all].stack = sample->stack;
        memcpy(list[all++].value, sample->value, sizeof sample->value);
    }
    if (list)
        qsort(list, all, sizeof *list, by_stack);
    for (size_t i = 0; i < all; i++) {
        if (!*count || list[*count - 1].stack != list[i].stack) {
            list[(*count)++] = list[i];
            continue;
        }
        for (unsigned v = 0; v < PROFILE_VALUES; v++)
            add(&list[*count - 1].value[v], list[i].value[v]);
    }
    if (list)
        qsort(list, *count, sizeof *list, by_value);
    return list;
}

static void put_frames(FILE *out, const struct profile_frame *stack)
{
    fputs(" @", out);
    for (const struct profile_frame *frame = stack; frame; frame = frame->caller)
        fprintf(out, " 0x%" PRIx64, frame->location->address ? frame->location->address : 1);
    if (!stack)
        fputs(" 0x1", out); /* a line without an address is malformed */
    putc('\n', out);
    for (const struct profile_frame *frame = stack; frame; frame = frame->caller) {
        const struct symbol_location *location = frame->location;
        for (unsigned n = 0; n < location->line_count; n++) {
            const struct symbol_line *line = &location->lines[n];
            fprintf(out, "#\t0x%" PRIx64 "\t%s", location->address, line->function);
            if (line->file && *line->file)
                fprintf(out, "\t%s:%" PRId64, line->file, line->line);
            putc('\n', out);
        }
    }
    putc('\n', out);
}

/* Readers take two columns if both pairs are equal. Go adds a byte, too. */
static void put_heap_numbers(FILE *out, const int64_t value[PROFILE_VALUES], bool is_head)
{
    bool is_equal = is_head && value[2] == value[0] && value[3] == value[1];
    fprintf(out, "%" PRId64 ": %" PRId64 " [%" PRId64 ": %" PRId64 "]", value[2], value[3], value[0],
            value[1] + is_equal);
}

/* "heapprofile" says that the numbers are scaled up already. */
static void put_heap(FILE *out, const struct line *list, size_t count, const int64_t total[PROFILE_VALUES])
{
    fputs("heap profile: ", out);
    put_heap_numbers(out, total, true);
    fputs(" @ heapprofile\n", out);
    for (size_t i = 0; i < count; i++) {
        put_heap_numbers(out, list[i].value, false);
        put_frames(out, list[i].stack);
    }
}

static void put_times(FILE *out, const struct line *list, size_t count, bool is_mutex)
{
    fprintf(out, "--- %s:\ncycles/second=1000000000\n%s", is_mutex ? "mutex" : "contention",
            is_mutex ? "sampling period=1\n" : "");
    for (size_t i = 0; i < count; i++) {
        fprintf(out, "%" PRId64 " %" PRId64, list[i].value[1], list[i].value[0]);
        put_frames(out, list[i].stack);
    }
}

static void put_counts(FILE *out, const struct line *list, size_t count, int64_t total, const char *name)
{
    fprintf(out, "%s profile: total %" PRId64 "\n", name, total);
    for (size_t i = 0; i < count; i++) {
        fprintf(out, "%" PRId64, list[i].value[0]);
        put_frames(out, list[i].stack);
    }
}

int text_write(FILE *out, const struct profile *profile, const char *name)
{
    const struct profile_kind *kind = profile_get_kind(profile);
    int64_t total[PROFILE_VALUES] = {0};
    size_t count;
    struct line *list = list_stacks(profile, &count);

    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        for (unsigned v = 0; v < kind->values; v++)
            add(&total[v], list[i].value[v]);
    if (kind == &profile_kinds[KIND_ID_MEMORY])
        put_heap(out, list, count, total);
    else if (kind->values == 2)
        put_times(out, list, count, kind == &profile_kinds[KIND_ID_MUTEX]);
    else
        put_counts(out, list, count, total[0], name);
    free(list);
    return 0;
}
