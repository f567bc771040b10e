/* SPDX-License-Identifier: Apache-2.0 */
/* The attributes of a resource: whose profiles these are. One thread only. */
#ifndef CPROF_UPLOADER_RESOURCE_H
#define CPROF_UPLOADER_RESOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "uploader/otel/attributes.pb-c.h"

enum { RESOURCE_ATTRIBUTES = 64, RESOURCE_TEXT = 1024 /* bytes with the NUL; longer ones are cut */ };

/* Zero is an empty one. */
struct resource {
    struct resource_attribute {
        char *key, *text;
        int64_t number; /* if text is NULL */
    } attribute[RESOURCE_ATTRIBUTES];
    unsigned attributes;
};

/* Adds a copy, made UTF-8. What is there already stays, since what is stated more plainly is added first. Empty keys and
   texts are left out. false: it was not added. */
bool resource_add(struct resource *resource, const char *key, const char *text);
bool resource_add_number(struct resource *resource, const char *key, int64_t number);
void resource_free(struct resource *resource);

/* As a message, whose parts are borrowed from `resource` and this. */
struct resource_message {
    Cprof__Otel__Resource message;
    Cprof__Otel__KeyValue pair[RESOURCE_ATTRIBUTES], *list[RESOURCE_ATTRIBUTES];
    Cprof__Otel__AnyValue value[RESOURCE_ATTRIBUTES];
};
void resource_fill(const struct resource *resource, struct resource_message *to);

#endif
