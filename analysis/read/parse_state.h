/* SPDX-License-Identifier: Apache-2.0 */
/* What parse.c and its siblings share while one file is read. */
#ifndef CPROF_ANALYSIS_PARSE_STATE_H
#define CPROF_ANALYSIS_PARSE_STATE_H

#include "analysis/bytes/wire.h"
#include "analysis/tables/tables.h"
#include "parse.h"
#include "uploader/base/hash.h"

/* Field numbers of pprof's profile.proto. */
enum profile_field {
    FIELD_SAMPLE_TYPE = 1,
    FIELD_SAMPLE = 2,
    FIELD_MAPPING = 3,
    FIELD_LOCATION = 4,
    FIELD_FUNCTION = 5,
    FIELD_STRING = 6,
    FIELD_TIME = 9,
    FIELD_DURATION = 10,
    FIELD_PERIOD_TYPE = 11,
    FIELD_PERIOD = 12,
    FIELD_COMMENT = 13,
    FIELD_DEFAULT_TYPE = 14,
};

enum { LABELS_MOST = 64, COMMENTS_MOST = 256, STACK_MOST = 1 << 16, LINES_MOST = 1024 };

/* Entries by their ids. Most files number them 1, 2, 3 ... */
struct by_id {
    uint32_t *entry; /* of id: index + 1; 0: there is none */
    size_t room;
    struct hash others; /* ids from room on */
};

struct parse_function {
    int64_t name, system_name, file, line;
};

/* frame[first .. first + count) is the location, its outermost frame first. */
struct parse_location {
    uint32_t first, count;
};

struct parse {
    struct reading *reading;
    struct read_profile *profile;
    const char *name;
    struct wire whole;

    size_t strings, mappings, functions, locations, samples; /* how many there are */
    const char **string;
    const char **mapping; /* its file */
    size_t mappings_read, functions_read, locations_read;
    struct parse_function *function;
    struct parse_location *location;
    struct by_id mapping_ids, function_ids, location_ids;
    uint32_t *frame;
    size_t frames, frames_room;

    struct read_type type[READ_TYPES];
    unsigned types;
    struct read_type period_type;
    int64_t time_ns, duration_ns, period, default_type;
    int64_t comment[COMMENTS_MOST];
    unsigned comments;
};

/* "" where the index makes no sense. */
static inline const char *parse_text(const struct parse *parse, int64_t index)
{
    return index >= 0 && (uint64_t)index < parse->strings ? parse->string[index] : parse->string[0];
}

/* 0, if the id is not there; else index + 1. */
uint32_t by_id_get(const struct by_id *ids, uint64_t id);

/* The third pass: mappings, functions and locations. The fourth: samples. 0 or negative errno, with the reason. */
int parse_tables(struct parse *parse);
int parse_samples(struct parse *parse);

#endif
