/* SPDX-License-Identifier: Apache-2.0 */
/* Where packed messages go: a buffer for protobuf-c that compresses what is appended. One thread only. */
#ifndef CPROF_UPLOADER_OUTPUT_H
#define CPROF_UPLOADER_OUTPUT_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

enum { STAGE_BYTES = 16 * 1024 };

struct output {
    ProtobufCBuffer base; /* first, because protobuf-c passes it to the append function */
    uint8_t stage[STAGE_BYTES];
    size_t staged;
    uint8_t *data; /* the result; the caller may take it and set NULL */
    size_t size, room;
    size_t raw; /* bytes before compression */
    z_stream zip;
    int error; /* negative errno, kept */
};

/* What is appended later, in one piece. Its bytes count as raw ones of out from the start, and errors are kept there. */
struct output_list {
    ProtobufCBuffer base;
    struct output *out;
    uint8_t *data;
    size_t size, room;
};

/* 0 or -ENOMEM. */
int output_init(struct output *out);

/* Everything that was appended is in data. 0 or a negative errno. */
int output_finish(struct output *out);
void output_free(struct output *out);

void output_list_init(struct output_list *list, struct output *out);
/* Also frees it. */
void output_append_list(struct output *out, struct output_list *list);
void output_list_free(struct output_list *list);

#endif
