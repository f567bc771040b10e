/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page of reports, report/ in one file, and the profiles that it shows: pprof files as they are, in base64, in the
 * page's data block. The page reads them itself and asks nothing of a network. What did not fit is counted there, too.
 * Names are anybody's; in the page they are JSON and cannot end its element. One thread only.
 */
#ifndef CPROF_UPLOADER_PAGE_H
#define CPROF_UPLOADER_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What stands around the profiles. Every text may be NULL, which is "". */
struct page_head {
    const char *html;    /* markup above all else, of a server: not escaped */
    const char *live;    /* URL, relative to the page, under which a server has the profiles of now */
    const char *side[2]; /* names of what is compared. Without the second one nothing is */
    const char *view;    /* the state that the page begins with, as in its URL after the # */
};

struct page_file {
    unsigned side;
    const char *program; /* NULL: the file's name */
    const char *service; /* NULL: the program */
    const char *kind;    /* of profile_kinds, or NULL: the page finds out */
    const char *name;    /* of the file, for messages */
    bool interval;       /* one of the spans of the session; else all of it */
    const void *data;    /* pprof, compressed with gzip or not */
    size_t size;
};

struct page_left_out {
    size_t intervals, bytes; /* files of intervals, and their size */
    size_t programs;
};

struct page {
    FILE *out;
    const struct page_head *head;
    bool has_files, has_sources;
};

/* begin, then any number of files, then any of sources, then end. head and out are borrowed until then. */
void page_begin(struct page *page, const struct page_head *head, FILE *out);
void page_add(struct page *page, const struct page_file *file);

/* The text of a source file, by the path that profiles have. After all files. */
void page_add_source(struct page *page, const char *path, const char *text);

/* 0, or -EIO or what errno says, with errors of out left as they are. left_out: NULL is nothing. */
int page_end(struct page *page, const struct page_left_out *left_out);

#endif
