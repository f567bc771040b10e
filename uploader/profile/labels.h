/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The labels that a program gave its threads (cprof.h), and the traces that they worked for. Each set of labels is kept once
 * in a session, so equal ones have the same address. One thread only.
 */
#ifndef CPROF_UPLOADER_LABELS_H
#define CPROF_UPLOADER_LABELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "uploader/base/hash.h"

enum {
    PROFILE_LABELS = 16,           /* of one set */
    PROFILE_LABEL_SETS = 8192,     /* of a session; further ones are the set labels="[other]" */
    PROFILE_LABEL_TEXT = 2 * 1024, /* bytes of a set's keys and values with their NULs */
};

/* Sorted by key, each key once; UTF-8 without control characters; keys are not empty. None of them is a key that samples have anyway. */
struct profile_labels {
    uint32_t number; /* 0, 1, 2 ...: in its session */
    uint32_t count;
    struct profile_label {
        const char *key, *value;
        const char *plain; /* the key as [A-Za-z_][A-Za-z0-9_]*: another one for each key of the session */
    } label[];             /* the texts lie behind */
};

/* Zero is empty. */
struct label_sets {
    struct hash sets;
    struct hash keys, plain; /* struct label_key, by key and by its plain name */
    uint32_t count;
    uint64_t beyond; /* additions that went to the set labels="[other]" */
};

/* What a set is made of, in any order and of any bytes. Of labels with one key the first counts. plain is not used. */
struct label_list {
    unsigned count;
    struct profile_label label[PROFILE_LABELS];
};

/* Samples have labels with this key of their own: "pid", "trace_id" ... A program's gets the prefix "label_". */
bool label_is_reserved(const char *key);

/* The set with these labels, owned by `sets`. NULL: there are none, or no memory. */
const struct profile_labels *label_sets_get(struct label_sets *sets, const struct label_list *list);
void label_sets_free(struct label_sets *sets);

/* "key=value key=value", cut to fit; labels may be NULL. Returns text. */
char *profile_labels_text(const struct profile_labels *labels, char *text, size_t size);

/* A span of a trace. Bytes and digits are the same. root all zero, or "": not known. */
struct profile_trace {
    uint8_t trace[16], span[8], root[8];
    char trace_text[33], span_text[17], root_text[17];
};

/* From the bytes as W3C's traceparent has them. */
void profile_trace_make(struct profile_trace *trace, const void *trace_id, const void *span,
                        const void *root);

/* The traces of one profile. Zero is empty. */
struct trace_chunk;
struct traces {
    struct hash traces;
    struct trace_chunk *chunk;
};

/* The copy that `traces` has. NULL: it has none. */
const struct profile_trace *traces_find(const struct traces *traces, const struct profile_trace *trace);

/* The same; makes it if there is none. NULL: no memory. */
const struct profile_trace *traces_get(struct traces *traces, const struct profile_trace *trace);
void traces_free(struct traces *traces);

#endif
