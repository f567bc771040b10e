/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program's own OpenTelemetry SDK publishes of its process (OTEP 4719, "OTEL_CTX"): the resource, and how the
 * thread context is to be read (OTEP 4947). It lies in the process's memory, which is hostile: it is copied first, bounded,
 * and each text is made UTF-8. One thread only.
 *
 * Source of the layout: open-telemetry/opentelemetry-specification oteps/profiles/4719-process-ctx.md.
 */
#ifndef CPROF_UPLOADER_PROCESS_CONTEXT_H
#define CPROF_UPLOADER_PROCESS_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "uploader/process/owner.h"

enum {
    CONTEXT_PAYLOAD_MOST = 65536,
    CONTEXT_ATTRIBUTES = 32, /* of the resource; further ones are left out */
    CONTEXT_KEYS = 256,      /* of the thread context */
    CONTEXT_TEXT = 1024,     /* bytes of a text with its NUL; longer ones are cut */
};

struct context_attribute {
    const char *key, *value;
};

/* Zero is one that was not looked for yet. Texts are owned, and live until the next read or free. */
struct process_context {
    uint64_t
        published_ns; /* CLOCK_BOOTTIME of the process's; changes with the contents. 0: it publishes nothing */
    struct context_attribute attribute[CONTEXT_ATTRIBUTES]; /* of the resource: texts that are not empty */
    unsigned attributes;
    const char *schema; /* threadlocal.schema_version; NULL: there is no thread context to read */
    const char *thread_key[CONTEXT_KEYS]; /* threadlocal.attribute_key_map: the name of each index */
    unsigned thread_keys;
    char *texts;            /* all of them */
    uint64_t address;       /* of the header; 0: not found */
    int64_t next_search_ns; /* CLOCK_MONOTONIC */
    unsigned searches;
};

/* Reads it, if it changed. While it is not there, /proc/PID/maps is searched, more rarely each time. tid: a thread of the
   process that lives. true: something changed (a process that publishes no more changes nothing). */
bool process_context_read(struct process_context *context, const struct owner *owner, pid_t pid, pid_t tid);

/* The same of a payload. 0 or -EINVAL: then nothing changes; -ENOMEM. */
int process_context_decode(struct process_context *context, const uint8_t *payload, size_t size);

/* A resource attribute, or NULL. */
const char *process_context_get(const struct process_context *context, const char *key);

void process_context_free(struct process_context *context);

#endif
