/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A page of reports (uploader/page/) out of files that lie anywhere: of one side, or of two that it compares. Files are
 * read, checked and written one after the other, so that the page may be larger than what is kept in memory.
 *
 *     error = making_open(&making, path, &head);
 *     while (!error && ...)
 *         error = making_add(&making, side, path);
 *     error = making_close(&making, error);
 *
 * One thread only.
 */
#ifndef CPROF_ANALYSIS_MAKING_H
#define CPROF_ANALYSIS_MAKING_H

#include <limits.h>

#include "sources.h"
#include "uploader/options/paths.h"
#include "uploader/page/page.h"

enum { MAKING_ERROR = 512 };

struct making {
    struct page page;
    struct draft draft;
    char name[NAME_MAX + 1]; /* of the file */
    struct page_left_out left_out;
    struct sources *sources;   /* if they are to be in the page: set it after making_open() */
    size_t files, passed_over; /* that are in the page; that are no profiles, in directories that have some */
    size_t room, interval_room;
    size_t bytes;             /* of the page, after making_close() */
    char error[MAKING_ERROR]; /* after a failure: one line for people, without "cprof: " */
};

/* path: of the page; "-" is standard output. head is borrowed. 0 or negative errno with the reason in error. */
int making_open(struct making *making, const char *path, const struct page_head *head);

/* Adds what a path names: a file, "-" for standard input, or a directory of a session with its intervals, of one of its
   programs, or of any profiles. 0 or negative errno with the reason in error; -ENODATA: there is no profile. */
int making_add(struct making *making, unsigned side, const char *path);

/* Adds the bytes of one file, whose name is for messages. */
int making_add_bytes(struct making *making, unsigned side, const char *name, const void *data, size_t size);

/* Puts the page in its place, or removes what there is of it if error is not 0. 0 or negative errno. */
int making_close(struct making *making, int error);

#endif
