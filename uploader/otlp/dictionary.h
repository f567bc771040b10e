/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dictionary of a request: seven tables that its profiles point into. An entry is there once, and entry 0 of each
 * table is its zero value. What nothing points to is not entered, except these. One thread only.
 *
 * Sources: opentelemetry-proto profiles/v1development/profiles.proto; the attributes are those of OpenTelemetry's semantic
 * conventions for profiles, and htlhash of its specification/profiles/mappings.md.
 */
#ifndef CPROF_UPLOADER_DICTIONARY_H
#define CPROF_UPLOADER_DICTIONARY_H

#include "uploader/base/hash.h"
#include "uploader/base/ids.h"
#include "uploader/base/store.h"
#include "uploader/profile/profile.h"
#include "wire.h"

/* Field numbers of the tables. */
enum dictionary_table {
    TABLE_MAPPING = 1,
    TABLE_LOCATION,
    TABLE_FUNCTION,
    TABLE_LINK,
    TABLE_STRING,
    TABLE_ATTRIBUTE,
    TABLE_STACK,
    TABLES
};

struct dictionary {
    struct wire bytes; /* the fields of the message */
    struct wire entry; /* the one that is being made */
    struct store store;
    struct hash entries;
    int32_t count[TABLES];
    struct ids locations; /* struct symbol_location; the index is in location_index, by number - 1 */
    struct ids stacks;    /* leaf (struct profile_frame) and frames; likewise */
    int32_t *location_index, *stack_index;
    size_t location_room, stack_room;
    const struct profile_meta *meta; /* .unnamed counts */
    int error;                       /* -ENOMEM, kept */
};

/* 0 or -ENOMEM. meta is borrowed. */
int dictionary_init(struct dictionary *dictionary, const struct profile_meta *meta);
void dictionary_free(struct dictionary *dictionary);

/* Each returns the index of its entry; after an error, 0. */
int32_t dictionary_string(struct dictionary *dictionary, const char *text);
int32_t dictionary_attribute(struct dictionary *dictionary, const char *key, const char *value);
int32_t dictionary_link(struct dictionary *dictionary, const uint8_t trace_id[16], const uint8_t span_id[8]);

/* An entry of any table but that of strings. */
int32_t dictionary_put(struct dictionary *dictionary, enum dictionary_table table,
                       const ProtobufCMessage *message);

/* The innermost `most` frames at most of a stack, which must live as long as the dictionary. */
int32_t dictionary_stack(struct dictionary *dictionary, const struct profile_frame *leaf, size_t most);

#endif
