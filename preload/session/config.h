/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings of this process. The constructor reads them once and keeps them, because programs overwrite
 * their environment in place later (to show a status in ps), and an uploader may have to be started after
 * that.
 */
#ifndef CPROF_PRELOAD_CONFIG_H
#define CPROF_PRELOAD_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "sampler/process/process.h"

enum { CONFIG_ENVIRONMENT = 128 };

struct config {
    bool enabled;
    bool may_start;       /* an uploader, where none answers: not where CPROF_SOCKET names one */
    unsigned uid;         /* effective, at the start: it may change, the session's name does not */
    char socket[108];     /* the session's; '@' first: abstract */
    uint64_t secrets;     /* what its name does not tell; see struct hello */
    const char *uploader; /* CPROF_UPLOADER, or NULL: beside the library */
    const char *library;  /* directory of libcprof.so, absolute */
    const char *log;      /* CPROF_LOG, or NULL */
    struct process_settings process;
    char *environment[CONFIG_ENVIRONMENT]; /* for an uploader; NULL-terminated */
};
extern struct config config __attribute__((visibility("hidden")));

/* Fills config. library_path: as the loader has it. */
void config_read(char *const *environment, const char *library_path);

/* Prints one line on stderr for each wrong setting. Only the process that started the session's uploader
   does this, so that it is said once and not by every program of a test suite. */
void config_complain(char *const *environment);

/* One line "cprof: a b c" to stderr. Signal-safe. */
void config_say(const char *const *words, unsigned count);

/* The same to the file that CPROF_LOG names, if it does: what is no fault of the installation. */
void config_log(const char *const *words, unsigned count);

#endif
