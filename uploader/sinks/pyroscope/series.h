/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The labels of a pushed series, and the request that carries one of its profiles to a Pyroscope server.
 * Pure, except for random bytes. One thread only.
 */
#ifndef CPROF_UPLOADER_SERIES_H
#define CPROF_UPLOADER_SERIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "uploader/profile/profile.h"
#include "uploader/upload/sink.h"

enum {
    SERIES_UUID_BYTES = 37,    /* with the NUL */
    SERIES_LABELS = 30,        /* as many as the server takes */
    SERIES_NAME_BYTES = 256,   /* with the NUL; longer ones are cut */
    SERIES_VALUE_BYTES = 1024, /* with the NUL; longer ones are cut */
};

struct series_label {
    char *name, *value;
    char *given; /* the name as it was given */
};

/* Zero is an empty one. */
struct series {
    struct series_label label[SERIES_LABELS];
    unsigned labels;
    bool as_given; /* names are sent as they are, in UTF-8, and not as [A-Za-z_][A-Za-z0-9_]* */
    const struct profile_kind *kind;
};

enum series_note { SERIES_ADDED, SERIES_RENAMED, SERIES_TAKEN, SERIES_RESERVED, SERIES_FULL, SERIES_EMPTY };

/* Adds a copy. Unless names are sent as given, the name is made [A-Za-z_][A-Za-z0-9_]*; if another one has become the
   same, _2, _3 ... is added. Returns what became of it; only SERIES_ADDED and SERIES_RENAMED added it. ours: may begin
   with two underscores. */
enum series_note series_add(struct series *series, const char *name, const char *value, bool ours);
/* Adds the labels of a program: those of its kind (which is set), service_name, CPROF_LABELS, the resource
   attributes, and what its processes say of themselves. Logs what is wrong with them unless quiet. */
void series_label(struct series *series, const struct upload *upload, const char *resource,
                  const struct facts *facts, bool quiet);
/* Says on stderr what is no label in CPROF_LABELS, when a session starts. Later there is a log alone. */
void series_check(const char *labels);
const char *series_get(const struct series *series, const char *name);
void series_free(struct series *series);

/* A new name for one profile (RFC 4122, version 4). */
void series_make_uuid(char text[SERIES_UUID_BYTES]);

/* A push request of push.v1 with one profile, which is borrowed. The caller frees it; NULL without memory. */
uint8_t *series_push_request(const struct series *series, const uint8_t *profile, size_t size,
                             size_t *body_size);

#endif
