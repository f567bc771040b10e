/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Profiles in pprof's format, of anybody, as tables: what `cprof diff`, `convert`, `explain` and `top` work on.
 *
 * A reading holds the profiles of one side. Files of the same program and kind are added up in one profile. The
 * bytes are foreign: they are checked, and everything has a ceiling. One thread only for one reading.
 *
 * Not here: what an address without a name belongs to (the frame is "[module]", as pprof shows it), and the values of
 * labels other than texts and numbers.
 */
#ifndef CPROF_ANALYSIS_READING_H
#define CPROF_ANALYSIS_READING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "uploader/base/store.h"

enum { READ_TYPES = 16, READ_ERROR = 512 };

struct read_type {
    const char *type, *unit; /* "cpu", "nanoseconds" */
};

/* Distinct in name, file and module. */
struct read_function {
    const char *name, *file; /* "" where not known */
    const char *module;      /* the mapped file's path; "" where not known */
    int64_t line;            /* where it starts; 0: not known */
};

/* Distinct. */
struct read_frame {
    uint32_t function;
    bool inlined; /* into the frame that is its caller */
    int64_t line; /* 0: not known */
};

/* A stack is the way from a node to the root. Node 0 is the root, which is no frame. A parent has a lower number. */
struct read_node {
    uint32_t parent, frame;
};

struct read_label {
    const char *key;
    const char *text; /* NULL: it is a number */
    int64_t number;
    const char *unit; /* of the number; "" */
};

/* Distinct sets of labels. Set 0 is empty. pid and thread are not among the labels. */
struct read_set {
    const char *thread; /* "" where not known */
    int64_t pid;        /* 0: not known */
    const struct read_label *label;
    uint32_t labels;
};

/* Distinct in node and set. Values that are all 0 are possible. */
struct read_sample {
    uint32_t node, set; /* node: the leaf */
};

/* A file of a session that holds one interval of a profile. */
struct read_interval {
    const char *path;
    int64_t start_ms;
};

struct read_profile {
    const char *kind;    /* "cpu", "memory", "mutex" ... of profile_kinds[], or the name of its first type */
    const char *program; /* the directory's name, or the first mapping's; "" where not known */
    const char *path;    /* the first file */
    unsigned files;      /* that were added up */

    struct read_type type[READ_TYPES];
    unsigned types, default_type;
    struct read_type period_type;
    int64_t period;
    int64_t start_ns, end_ns; /* CLOCK_REALTIME; 0 where not known */
    int64_t duration_ns;      /* of all files together, those of one span once; 0: not known */

    const char **comment; /* of the first file */
    size_t comments;
    struct read_function *function;
    size_t functions;
    struct read_frame *frame;
    size_t frames;
    struct read_node *node;
    size_t nodes;
    struct read_set *set;
    size_t sets;
    struct read_sample *sample;
    size_t samples;
    int64_t *value; /* of sample i and type t: value[i * types + t] */

    struct read_interval *interval; /* sorted by time; on disk, not read */
    size_t intervals;

    struct read_tables *tables; /* for further files */
};

struct reading {
    struct store store; /* all texts: the same text is the same pointer */
    struct read_profile **profile;
    size_t profiles, room;
    const char *program, *kind; /* of the files that are added next; NULL: as they say themselves */
    char error[READ_ERROR];     /* after a failure: one line for people, without "cprof: " */
};

void reading_init(struct reading *reading);
void reading_free(struct reading *reading);

/* Gives back what only further files would need. None can be added afterwards. */
void reading_trim(struct reading *reading);

/* The profile, or NULL. program NULL: the only one of that kind, or the one with the largest total. */
struct read_profile *reading_find(const struct reading *reading, const char *program, const char *kind);

/* The type's index, or -1. */
int read_profile_type(const struct read_profile *profile, const char *type);
int64_t read_profile_total(const struct read_profile *profile, unsigned type);

/* Writes error, and returns rc. */
int reading_fail(struct reading *reading, int rc, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The file's name without directories. */
const char *read_base_name(const char *path);

#endif
