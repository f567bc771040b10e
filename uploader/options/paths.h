/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening files for writing. Root may be told to write to a directory of another user, who could put a link
 * there at any time. So every component is opened from its parent's descriptor, and never through a link. In
 * a path that a setting names, links of root's and of our own user are followed. -ELOOP: another link was
 * met.
 */
#ifndef CPROF_UPLOADER_PATHS_H
#define CPROF_UPLOADER_PATHS_H

#include <stdbool.h>
#include <stdio.h>

/* A directory that a setting names. make: its missing parts are made. A descriptor or negative errno. */
int path_open_directory(const char *path, bool make);

/* A file that a setting names, to append to. A descriptor or negative errno. */
int path_open_log(const char *path);

/* A directory below one of ours, made if it is missing. A descriptor or negative errno. */
int path_enter(int parent, const char *name);

/* What errno says of a link is of no help. */
const char *path_error(int error);

/* One file, which is written under another name and then renamed. So a reader finds the old or the new file,
   never a part. The name is shorter than NAME_MAX - 8. */
struct draft {
    int directory;
    const char *name;
    char temporary[256];
    FILE *out;
};

/* 0 or negative errno. */
int draft_open(struct draft *draft, int directory, const char *name);
/* Renames the file, or removes it after an error (the result of writing). 0 or negative errno. */
int draft_finish(struct draft *draft, int error);

#endif
