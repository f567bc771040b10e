/* SPDX-License-Identifier: Apache-2.0 */
/* Foreign bytes, read in pieces and unpacked if they are gzipped, so that a large file needs little memory. One thread only. */
#ifndef CPROF_ANALYSIS_SOURCE_H
#define CPROF_ANALYSIS_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

enum { SOURCE_PIECE = 64 * 1024 };

/* What a file unpacks to at most. */
#define SOURCE_MOST ((uint64_t)2 << 30)

struct source {
    const char *name; /* for messages */
    gzFile file;      /* NULL: the bytes are all in piece */
    uint8_t *own;     /* what piece is, if it is to be freed */
    const uint8_t *piece;
    size_t at, end;
    uint64_t total, line; /* unpacked bytes before piece; lines begun, from 1 */
    int error;            /* negative errno, kept: the bytes end there */
};

/* "-" is standard input. The first piece is read at once. 0 or negative errno. */
int source_open(struct source *source, const char *path);
void source_open_bytes(struct source *source, const char *name, const uint8_t *data, size_t size);
void source_close(struct source *source);

/* Reads the next piece. false: there is none. */
bool source_fill(struct source *source);

/* The next byte, without taking it; -1: the end. */
static inline int source_peek(struct source *source)
{
    return source->at < source->end || source_fill(source) ? source->piece[source->at] : -1;
}

static inline int source_take(struct source *source)
{
    int byte = source_peek(source);

    source->at += byte >= 0;
    source->line += byte == '\n';
    return byte;
}

/* A line without its end, cut to size - 1 bytes; zero bytes become '?'. Its length, or -1 at the end. */
long source_line(struct source *source, char *line, size_t size);

/* All that is left. *data is malloc'ed. 0 or negative errno. */
int source_rest(struct source *source, uint8_t **data, size_t *size);

#endif
