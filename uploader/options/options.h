/* SPDX-License-Identifier: Apache-2.0 */
/* What one uploader was told: the settings table, and what only the uploader knows. It does not change after
   the start. */
#ifndef CPROF_UPLOADER_OPTIONS_H
#define CPROF_UPLOADER_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "sampler/segment/layout.h"

#define CPROF_VERSION "0.1.0"

struct options {
    struct settings settings; /* of the uploader's own environment */
    char out[4096];           /* absolute directory, or "" */
    char kill_switch[4096];   /* absolute path, or "" */
    char socket[108];         /* the session's name; '@' first: abstract */
    int segment_fd;           /* -1, or a segment handed over by the program that started us */
    int listen_fd;            /* -1, or the session's socket, which that program has bound */
    uint64_t secrets;         /* settings_secrets() */
    pid_t segment_pid;        /* its process */
    int keeper_fd;            /* -1, or the keeper that started us */
    bool foreground;          /* under the launcher: messages also go to stderr */
    bool beside;              /* started by a target; has the target's stderr until it has started */
    bool keeps_stderr;        /* the keeper has it, too: a service's log */
    bool quiet;               /* the launcher prints no summary */
    bool check;               /* the launcher only says whether the program can be profiled */
    bool help, version;       /* asked for */
    const char *library;      /* what the launcher preloads, or NULL */
    const char
        *preloaded; /* the program's own LD_PRELOAD, which is not for us; NULL: as the environment says */
};

/*
 * Reads the arguments behind the command (argv[0]), and then the environment. An option --name=value of the
 * settings table is put into the environment under the setting's variable, so it wins there and the target
 * inherits it. Returns the index of the first argument that is no option, or -EINVAL after a line on stderr.
 * Wrong values in the environment are replaced by their defaults. A line says so, on stderr in the
 * foreground, else in the log.
 */
int options_parse(struct options *options, int argc, char **argv);

/* Prints every option of the settings table except the hidden ones (bits of 1 << enum setting). */
void options_print_help(FILE *file, uint64_t hidden);

/* Writes the values in use back into the environment, out and socket included, for the program that is
   started. */
void options_export(struct options *options);

/* The same for what a successor must find as this uploader did, from another working directory. */
void options_stay(const struct options *options);

#endif
