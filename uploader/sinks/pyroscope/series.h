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
#include "uploader/programs/sink.h"

enum {
    SERIES_LABELS = 30,        /* as many as the server takes */
    SERIES_NAME_BYTES = 256,   /* with the NUL; longer ones are cut */
    SERIES_VALUE_BYTES = 1024, /* with the NUL; longer ones are cut */
};

struct series_label {
    char *name, *value;
};

/* Zero is an empty one. */
struct series {
    struct series_label label[SERIES_LABELS];
    unsigned labels;
    const struct profile_kind *kind;
};

enum series_note { SERIES_ADDED, SERIES_RENAMED, SERIES_TAKEN, SERIES_RESERVED, SERIES_FULL, SERIES_EMPTY };

/* Adds a copy, the name made one that the server takes: [A-Za-z_][A-Za-z0-9_]*. Returns what became of it;
   only SERIES_ADDED and SERIES_RENAMED added it. ours: may begin with two underscores. */
enum series_note series_add(struct series *series, const char *name, const char *value, bool ours);
/* Adds the labels of a program: those of its kind (which is set), service_name, CPROF_LABELS and the resource
   attributes. Logs what is wrong with them unless quiet. */
void series_label(struct series *series, const struct upload *upload, const char *resource, bool quiet);
const char *series_get(const struct series *series, const char *name);
void series_free(struct series *series);

/* A push request of push.v1 with one profile, which is borrowed. The caller frees it; NULL without memory. */
uint8_t *series_push_request(const struct series *series, const uint8_t *profile, size_t size,
                             size_t *body_size);

#endif
