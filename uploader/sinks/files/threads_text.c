/* SPDX-License-Identifier: Apache-2.0 */
#include "threads_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "uploader/base/clock.h"

enum {
    NAMED = 8, /* threads of a group that are named */
    LABELS_TEXT = 1024
};

static const struct profile_sample **list_threads(const struct profile *threads, uint32_t pid, size_t *count)
{
    const struct profile_sample **list = malloc((profile_count(threads) + 1) * sizeof(*list));
    size_t cursor = 0;

    *count = 0;
    while (list && (list[*count] = profile_next(threads, &cursor)))
        *count += !pid || list[*count]->pid == pid;
    return list;
}

static const char *state_of(const struct profile_sample *sample)
{
    return sample->about.state ? sample->about.state : "";
}

/* Samples of one stack share the pointer to its frames. */
static int by_stack(const void *left, const void *right)
{
    const struct profile_sample *a = *(const struct profile_sample *const *)left,
                                *b = *(const struct profile_sample *const *)right;
    if (a->stack != b->stack)
        return a->stack < b->stack ? -1 : 1;
    return strcmp(state_of(a), state_of(b));
}

static int by_wait(const void *left, const void *right)
{
    const struct profile_sample *a = *(const struct profile_sample *const *)left,
                                *b = *(const struct profile_sample *const *)right;
    if (a->about.waited_ns != b->about.waited_ns)
        return a->about.waited_ns > b->about.waited_ns ? -1 : 1;
    return a->about.tid < b->about.tid ? -1 : a->about.tid > b->about.tid;
}

static void put_time(FILE *out, int64_t ns)
{
    if (ns >= 600 * SECOND_NS)
        fprintf(out, "%" PRId64 " minutes", ns / (60 * SECOND_NS));
    else
        fprintf(out, "%.3f s", (double)ns / (double)SECOND_NS);
}

/* "lock: pthread_mutex_lock, 12.345 s, held by 12346 "buyer"" */
static void put_state(FILE *out, const struct profile_sample *sample)
{
    fputs(state_of(sample), out);
    if (sample->about.wait && *sample->about.wait)
        fprintf(out, ": %s", sample->about.wait);
    if (sample->about.waited_ns) {
        fputs(", ", out);
        put_time(out, sample->about.waited_ns);
    }
    if (sample->about.holder)
        fprintf(out, ", %s %" PRIu32, strcmp(state_of(sample), "join") ? "held by" : "of",
                sample->about.holder);
    if (sample->about.holder_name)
        fprintf(out, " \"%s\"", sample->about.holder_name);
}

/* Behind a thread's state: " endpoint=/checkout trace_id=4bf9... span_id=00f0...". */
static void put_labels(FILE *out, const struct profile_sample *sample)
{
    char text[LABELS_TEXT];

    if (sample->labels)
        fprintf(out, " %s", profile_labels_text(sample->labels, text, sizeof text));
    if (sample->trace)
        fprintf(out, " trace_id=%s span_id=%s", sample->trace->trace_text, sample->trace->span_text);
}

static int by_number(const void *left, const void *right)
{
    const struct profile_sample *a = *(const struct profile_sample *const *)left,
                                *b = *(const struct profile_sample *const *)right;
    if (a->pid != b->pid)
        return a->pid < b->pid ? -1 : 1;
    return a->about.tid < b->about.tid ? -1 : a->about.tid > b->about.tid;
}

/* Where in the list, which is in the order of by_number(), the one is that this one waits for; or count. */
static size_t find_holder(const struct profile_sample **list, size_t count, size_t waiter)
{
    const struct profile_sample wanted = {.pid = list[waiter]->pid,
                                          .about = {.tid = list[waiter]->about.holder}},
                                *key = &wanted;
    const struct profile_sample **found =
        wanted.about.tid ? bsearch(&key, list, count, sizeof(*list), by_number) : NULL;
    return found ? (size_t)(found - list) : count;
}

static void put_circle(FILE *out, const struct profile_sample **list, size_t count, size_t first)
{
    size_t at = first;

    fprintf(out, "# deadlock in process %" PRIu32 ": ", list[first]->pid);
    do {
        fprintf(out, "%" PRIu32 " \"%s\" waits for ", list[at]->about.tid, list[at]->thread);
        at = find_holder(list, count, at);
    } while (at != first);
    fprintf(out, "%" PRIu32 " \"%s\"\n", list[first]->about.tid, list[first]->thread);
}

/* Each thread waits for one other at most: whoever comes back to where he was on the same way is in a circle.
 */
static int put_circles(FILE *out, const struct profile_sample **list, size_t count)
{
    size_t *way = calloc(count + 1, sizeof(*way)); /* 1 + the thread from which it was reached */

    if (!way)
        return -ENOMEM;
    qsort(list, count, sizeof(*list), by_number);
    for (size_t start = 0; start < count; start++) {
        size_t at = start;
        while (at < count && !way[at]) {
            way[at] = start + 1;
            at = find_holder(list, count, at);
        }
        if (at < count && way[at] == start + 1)
            put_circle(out, list, count, at);
    }
    free(way);
    return 0;
}

/* What a reader of a dump looks for first. Changes the order of the list. */
static int put_head(FILE *out, const struct profile_sample **list, size_t count, const char *name)
{
    int64_t total = 0, longest_ns = 0;
    size_t locks = 0;

    for (size_t i = 0; i < count; i++) {
        total += list[i]->value[0];
        if (strcmp(state_of(list[i]), "lock") != 0)
            continue;
        locks++;
        if (list[i]->about.waited_ns > longest_ns)
            longest_ns = list[i]->about.waited_ns;
    }
    fprintf(out, "%s profile: total %" PRId64 "\n", name, total);
    if (locks) {
        fprintf(out, "# %zu wait%s for a lock, the longest for ", locks, locks == 1 ? "s" : "");
        put_time(out, longest_ns);
        putc('\n', out);
    }
    return put_circles(out, list, count);
}

/* google/pprof's parser refuses a line without an address. */
static void put_addresses(FILE *out, const struct profile_sample *sample)
{
    bool any = false;

    fputs(" @", out);
    for (const struct profile_frame *frame = sample->stack; frame; frame = frame->caller) {
        if (frame->location->module)
            fprintf(out, " 0x%" PRIx64, frame->location->address);
        any |= frame->location->module != NULL;
    }
    fputs(any ? "\n" : " 0x1\n", out);
}

static void put_grouped_frames(FILE *out, const struct profile_sample *sample)
{
    for (const struct profile_frame *frame = sample->stack; frame; frame = frame->caller) {
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

static void put_members(FILE *out, const struct profile_sample *const *list, size_t count)
{
    for (size_t i = 0; i < count && i < NAMED; i++) {
        fprintf(out, "# \"%s\" %" PRIu32 " of process %" PRIu32 " [", list[i]->thread, list[i]->about.tid,
                list[i]->pid);
        put_state(out, list[i]);
        putc(']', out);
        put_labels(out, list[i]);
        putc('\n', out);
    }
    if (count > NAMED)
        fprintf(out, "# and %zu more\n", count - NAMED);
}

struct group {
    size_t first, count;
};

static int by_size(const void *left, const void *right)
{
    const struct group *a = left, *b = right;
    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    return a->first < b->first ? -1 : a->first > b->first;
}

static size_t find_groups(const struct profile_sample **list, size_t count, struct group *group)
{
    size_t groups = 0;

    qsort(list, count, sizeof(*list), by_stack);
    for (size_t i = 0; i < count; i++) {
        if (!i || by_stack(&list[i - 1], &list[i]) != 0)
            group[groups++] = (struct group){.first = i};
        group[groups - 1].count++;
    }
    qsort(group, groups, sizeof(*group), by_size);
    return groups;
}

static int put_grouped(FILE *out, const struct profile_sample **list, size_t count)
{
    struct group *group = calloc(count + 1, sizeof(*group));
    size_t groups = group ? find_groups(list, count, group) : 0;

    for (size_t i = 0; i < groups; i++) {
        const struct profile_sample **member = list + group[i].first;
        int64_t threads = 0;
        for (size_t n = 0; n < group[i].count; n++)
            threads += member[n]->value[0];
        qsort(member, group[i].count, sizeof(*member), by_wait);
        fprintf(out, "%" PRId64, threads);
        put_addresses(out, member[0]);
        put_members(out, member, group[i].count);
        put_grouped_frames(out, member[0]);
    }
    free(group);
    return group ? 0 : -ENOMEM;
}

static void put_one(FILE *out, const struct profile_sample *sample)
{
    if (sample->about.tid) {
        fprintf(out, "thread %" PRIu32 " \"%s\" of process %" PRIu32 " [", sample->about.tid, sample->thread,
                sample->pid);
        put_state(out, sample);
        putc(']', out);
        put_labels(out, sample);
        fputs(":\n", out);
    } else { /* told apart no longer */
        fprintf(out, "%" PRId64 " threads \"%s\" of processes that ended:\n", sample->value[0],
                sample->thread);
    }
    for (const struct profile_frame *frame = sample->stack; frame; frame = frame->caller) {
        for (unsigned n = 0; n < frame->location->line_count; n++) {
            const struct symbol_line *line = &frame->location->lines[n];
            fprintf(out, "%s\n", line->function);
            if (line->file && *line->file)
                fprintf(out, "\t%s:%" PRId64 "\n", line->file, line->line);
        }
    }
    putc('\n', out);
}

/* "goroutine 123 [lock, 2 minutes]:", and for each frame "name(...)" and a tab with file and line. */
static void put_as_go(FILE *out, const struct profile_sample *sample)
{
    fprintf(out, "goroutine %" PRIu32 " [%s", sample->about.tid, state_of(sample));
    if (sample->about.waited_ns >= 60 * SECOND_NS)
        fprintf(out, ", %" PRId64 " minutes", sample->about.waited_ns / (60 * SECOND_NS));
    fputs("]:\n", out);
    for (const struct profile_frame *frame = sample->stack; frame; frame = frame->caller) {
        for (unsigned n = 0; n < frame->location->line_count; n++) {
            const struct symbol_line *line = &frame->location->lines[n];
            const char *module = frame->location->module ? frame->location->module->name : "unknown";
            fprintf(out, "%s(...)\n\t%s:%" PRId64 "\n", line->function, *line->file ? line->file : module,
                    line->line);
        }
    }
    putc('\n', out);
}

static void put_each(FILE *out, const struct profile_sample **list, size_t count, enum threads_form form)
{
    qsort(list, count, sizeof(*list), by_wait);
    for (size_t i = 0; i < count; i++)
        form == THREADS_EACH ? put_one(out, list[i]) : put_as_go(out, list[i]);
}

int threads_text_write_of(FILE *out, const struct profile *threads, uint32_t pid, enum threads_form form,
                          const char *name)
{
    size_t count;
    const struct profile_sample **list = list_threads(threads, pid, &count);
    int error;

    if (!list)
        return -ENOMEM;
    error = form == THREADS_AS_GO ? 0 : put_head(out, list, count, name);
    if (!error && form == THREADS_GROUPED)
        error = put_grouped(out, list, count);
    else if (!error)
        put_each(out, list, count, form);
    free(list);
    return error;
}

int threads_text_write(FILE *out, const struct profile *threads, enum threads_form form, const char *name)
{
    return threads_text_write_of(out, threads, 0, form, name);
}
