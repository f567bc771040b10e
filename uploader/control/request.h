/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `cprof ctl` asks. One message of text, at most CONTROL_REQUEST bytes:
 *
 *     cprof-ctl 1
 *     command on
 *     type cpu
 *     rate memory=1MiB
 *     program redis-server
 *     pid 123
 *     json 1
 *     timeout 30s
 *     whole cpu
 *     states 1
 *     past 1
 *
 * Only the first two lines are always there, type, whole and rate may come several times, and a line ends with a newline. The
 * answer is a row of messages (clients.h). A change of what a line means raises the number in the first one.
 */
#ifndef CPROF_UPLOADER_REQUEST_H
#define CPROF_UPLOADER_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sampler/segment/settings.h"
#include "uploader/budget/rates.h"

#define CONTROL_MAGIC "cprof-ctl "
enum { CONTROL_VERSION = 1, CONTROL_REQUEST = 2048, CONTROL_PROGRAM = 104, CONTROL_ERROR = 256 };

enum control_command {
    CONTROL_LIST,
    CONTROL_STATUS,
    CONTROL_ON,
    CONTROL_OFF,
    CONTROL_RATE,
    CONTROL_RESET,
    CONTROL_WRITE,
    CONTROL_DUMP,
    CONTROL_FLUSH,
    CONTROL_WATCH,
    CONTROL_COMMANDS
};
extern const char *const control_commands[CONTROL_COMMANDS];

struct control_request {
    enum control_command command;
    uint32_t types;                /* bits of enum profile_type */
    uint32_t whole;                /* of watch: likewise, those that are wanted of the session so far */
    bool states;                   /* of watch: blocks in use and threads, too */
    bool past;                     /* of watch: the intervals so far, too */
    struct rates_change change;    /* of on, off and rate */
    char program[CONTROL_PROGRAM]; /* "": any */
    int pid;                       /* 0: any */
    bool json;
    int64_t timeout_ns;
};

/* The names of the types, in the order of their bits. */
extern const char *const control_types[PROFILES];

/* The setting that is the rate of a type; -1: it has none of its own. */
int control_rate_setting(enum profile_type type);

/* A rate as its setting has it: samples a second, bytes, one of so many, ns. 0: it has none. */
uint64_t control_rate_number(const struct rates *rates, enum profile_type type);

/* 0, or -EINVAL and a line for the user. The bytes may be anybody's. */
int control_request_parse(const char *text, size_t length, struct control_request *request,
                          char error[CONTROL_ERROR]);

#endif
