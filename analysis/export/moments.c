/* SPDX-License-Identifier: Apache-2.0 */
#include "moments.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/import/merge.h"
#include "analysis/read/read.h"
#include "uploader/base/array.h"
#include "uploader/base/hash.h"

enum { MILLION = 1000000 };

struct reader {
    struct moments *moments;
    struct reading *reading;
    struct read_profile *profile;
    unsigned type;
    struct hash seen; /* by node and set: the sum in intervals, as the number + 1 in sum */
    int64_t *sum;
    size_t sums, room;
};

static int add_moment(struct moments *moments, const struct moment *moment)
{
    struct moment *grown;

    if (!moment->value)
        return 0;
    grown = array_reserve(moments->item, &moments->room, moments->count, sizeof *grown);
    if (!grown)
        return -ENOMEM;
    moments->item = grown;
    moments->item[moments->count++] = *moment;
    return 0;
}

/* What intervals have of this sample. NULL without memory. */
static int64_t *seen_sum(struct reader *reader, uint32_t node, uint32_t set)
{
    const uint64_t key = (uint64_t)node << 32 | set;
    uintptr_t number = (uintptr_t)hash_get(&reader->seen, key);
    int64_t *grown;

    if (number)
        return &reader->sum[number - 1];
    grown = array_reserve(reader->sum, &reader->room, reader->sums, sizeof *grown);
    if (!grown || (reader->sum = grown, hash_put(&reader->seen, key, (void *)(reader->sums + 1))))
        return NULL;
    reader->sum[reader->sums] = 0;
    return &reader->sum[reader->sums++];
}

static int add_interval(struct reader *reader, const struct read_profile *part, int64_t start_ms)
{
    struct moment moment = {.start_ms = start_ms, .end_ms = start_ms + part->duration_ns / MILLION};
    struct merge_map map;
    int rc = merge_tables(reader->reading, reader->profile, part, &map);
    int type = read_profile_type(part, reader->profile->type[reader->type].type);

    for (size_t i = 0; i < part->samples && !rc && type >= 0; i++) {
        uint32_t set = map.set[part->sample[i].set];
        int64_t *sum = seen_sum(reader, map.node[part->sample[i].node], set);
        moment.node = map.node[part->sample[i].node];
        moment.thread = reader->profile->set[set].thread;
        moment.value = part->value[i * part->types + (unsigned)type];
        rc = sum ? add_moment(reader->moments, &moment) : -ENOMEM;
        if (sum && __builtin_add_overflow(*sum, moment.value, sum))
            *sum = INT64_MAX;
    }
    merge_map_free(&map);
    return rc;
}

/* A file that is gone by now, or damaged, is as one that was never there. */
static int read_interval(struct reader *reader, const struct read_interval *interval)
{
    struct reading part;
    int rc = 0;

    reading_init(&part);
    if (!reading_add(&part, interval->path))
        for (size_t i = 0; i < part.profiles && !rc; i++)
            rc = add_interval(reader, part.profile[i], interval->start_ms);
    reading_free(&part);
    return rc;
}

/* What of the whole is in no interval. */
static int add_rest(struct reader *reader)
{
    const struct read_profile *profile = reader->profile;
    struct moment moment = {.start_ms = profile->start_ns / MILLION, .end_ms = profile->end_ns / MILLION};
    int rc = 0;

    for (size_t i = 0; i < profile->samples && !rc; i++) {
        const struct read_sample *sample = &profile->sample[i];
        uintptr_t number = (uintptr_t)hash_get(&reader->seen, (uint64_t)sample->node << 32 | sample->set);
        moment.node = sample->node;
        moment.thread = profile->set[sample->set].thread;
        moment.value =
            profile->value[i * profile->types + reader->type] - (number ? reader->sum[number - 1] : 0);
        rc = add_moment(reader->moments, &moment);
    }
    return rc;
}

/* Ties by what a run does not change, so that the same files give the same output. */
static int compare(const void *a, const void *b)
{
    const struct moment *one = a, *other = b;
    int threads = strcmp(one->thread, other->thread);

    if (threads)
        return threads;
    if (one->start_ms != other->start_ms)
        return one->start_ms < other->start_ms ? -1 : 1;
    return (one->node > other->node) - (one->node < other->node);
}

int moments_read(struct moments *moments, struct reading *reading, struct read_profile *profile,
                 unsigned type)
{
    struct reader reader = {.moments = moments, .reading = reading, .profile = profile, .type = type};
    const bool is_state =
        !strncmp(profile->type[type].type, "inuse_", 6) || !strcmp(profile->kind, "threads");
    int rc = 0;

    *moments = (struct moments){.count = 0};
    for (size_t i = 0; i < profile->intervals && !rc && !is_state; i++)
        rc = read_interval(&reader, &profile->interval[i]);
    if (!rc)
        rc = add_rest(&reader);
    if (moments->count)
        qsort(moments->item, moments->count, sizeof *moments->item, compare);
    hash_free(&reader.seen);
    free(reader.sum);
    return rc;
}

void moments_free(struct moments *moments)
{
    free(moments->item);
}
