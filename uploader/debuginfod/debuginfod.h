/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Debug files from debuginfod servers, in the background: nothing here waits but debuginfod_wait(). It is off unless
 * DEBUGINFOD_URLS is set. A child process does the work (fetcher.h). It is started at the first request. There is a
 * ceiling for the number of files, for the bytes and time of each, and for the bytes of all. One thread only.
 */
#ifndef CPROF_UPLOADER_DEBUGINFOD_H
#define CPROF_UPLOADER_DEBUGINFOD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fetcher.h"

struct debuginfod;

/* NULL: no server is set, or no memory. */
struct debuginfod *debuginfod_new(void);
void debuginfod_free(struct debuginfod *debuginfod);

/* Asks for the debug file of a build id. false: no more files are fetched in this session. */
bool debuginfod_ask(struct debuginfod *debuginfod, const uint8_t *id, size_t size);

struct debuginfod_answer {
    uint8_t id[FETCH_ID_BYTES];
    size_t size;
    int fd; /* the receiver's; -1: there is no such file */
    char path[PATH_MAX];
};

/* The next answer, if there is one. */
bool debuginfod_next(struct debuginfod *debuginfod, struct debuginfod_answer *answer);

/* The file is not what was asked for. The client keeps what a server sends without looking at it, so it is removed. */
void debuginfod_reject(const struct debuginfod_answer *answer);

/* Waits until there is an answer, or so long. false: nothing is under way. */
bool debuginfod_wait(struct debuginfod *debuginfod, int ms);

#endif
