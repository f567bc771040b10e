/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process that fetches debug files: elfutils' client, in a child of the uploader. A server that hangs, or sends
 * rubbish or without end, costs the uploader nothing, and the client's libraries are in this process alone.
 */
#ifndef CPROF_UPLOADER_DEBUGINFOD_FETCHER_H
#define CPROF_UPLOADER_DEBUGINFOD_FETCHER_H

#include <limits.h>
#include <stdint.h>

enum { FETCH_ID_BYTES = 32, FETCH_SECONDS = 300 /* of one file, unless DEBUGINFOD_MAXTIME says less */ };

/* Messages on the socket (SOCK_SEQPACKET): one answer to each request. */
struct fetch_request {
    uint32_t size; /* of the build id */
    uint8_t id[FETCH_ID_BYTES];
};
struct fetch_answer {
    int32_t error;       /* negative errno; -ENOSYS: there is no client. 0: */
    char text[PATH_MAX]; /* the file's path; with an error, what the error is about */
};

/* Serves until the socket is closed. SIGTERM ends it, also during a transfer. Called in a forked child. */
__attribute__((noreturn)) void fetcher_serve(int socket);

#endif
