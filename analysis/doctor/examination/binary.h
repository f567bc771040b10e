/* SPDX-License-Identifier: Apache-2.0 */
/* What a program's file says of itself. Every byte is foreign. One thread only. */
#ifndef CPROF_ANALYSIS_BINARY_H
#define CPROF_ANALYSIS_BINARY_H

#include <stdbool.h>
#include <stdint.h>

#include "uploader/elf/elf_file.h"

enum { BINARY_TEXT = 256, BINARY_NEEDED = 64, BINARY_PATHS = 1024 };

enum binary_kind { BINARY_OTHER, BINARY_SCRIPT, BINARY_ELF };

struct binary {
    enum binary_kind kind;
    char script[BINARY_TEXT];          /* of a script: its interpreter, */
    char script_argument[BINARY_TEXT]; /* and what stands behind it */
    /* Of an ELF file: */
    bool is_ours;             /* of this machine, and its word size */
    uint8_t bits;             /* 32 or 64 */
    uint16_t machine;         /* EM_* */
    char loader[BINARY_TEXT]; /* "": it has none */
    /* Of one that is ours: */
    bool is_dynamic;        /* it has a table for a loader */
    bool is_cut;            /* the file ends before what is to be loaded does */
    unsigned layout;        /* version of the segment that it was built for; 0: it is no part of cprof */
    unsigned needs_glibc;   /* 2.N at least; 0: not said */
    unsigned glibc;         /* it is glibc 2.N itself; 0: it is not */
    const char *allocator;  /* one that is inside; NULL: none is known */
    bool exports_malloc;    /* its own, for all libraries, too */
    const char *sanitizer;  /* whose run-time is inside, or needed; NULL: none */
    bool needs_to_be_first; /* its run-time ends programs in which it is not */
    bool is_go;             /* made by Go's compiler */
    bool has_unwind;        /* a table of call frame information */
    unsigned needed_count;  /* libraries, by the names that it gives */
    char needed[BINARY_NEEDED][96];
    char run_path[BINARY_PATHS]; /* where it wants them to be looked for */
};

/* Reads an open file, which stays open. 0 or negative errno. quick: without what takes a look at all symbols. */
int binary_read(struct binary *binary, int fd, bool quick);

/* What names its code. */
struct binary_names {
    unsigned percent; /* of its code that has names */
    bool has_lines;   /* debug information, in the file or beside it */
    bool has_debug;   /* a debug file was found */
    bool has_build_id;
    unsigned percent_unwound; /* of its functions that are in the table of call frame information */
};

/* fd is taken over. path: where the file lies in the root. 0 or negative errno. */
int binary_read_names(struct binary_names *names, int fd, const char *path, const struct file_search *search);

#endif
