/* SPDX-License-Identifier: Apache-2.0 */
#include "process_context.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "uploader/base/clock.h"
#include "uploader/encoding/utf8.h"
#include "uploader/otel/attributes.pb-c.h"
#include "uploader/process/proc_text.h"

enum {
    VERSION = 2,
    TRIES = 3,               /* while the process publishes another one */
    LINE_BYTES = 4096 + 128, /* of /proc/PID/maps */
    LINES_MOST = 65536,
    SEARCHES_OFTEN = 8, /* an SDK is set up soon after the program's start, or never */
};
#define SEARCH_GAP_NS    (5 * SECOND_NS)
#define SEARCH_RARELY_NS (60 * SECOND_NS)

/* As it lies in the process's memory, in its byte order. */
struct header {
    char signature[8];
    uint32_t version, size;
    uint64_t published_ns; /* 0: it is being changed */
    uint64_t payload;      /* address */
};
_Static_assert(sizeof(struct header) == 32, "the layout is OpenTelemetry's");

/* A private mapping of a memfd, or anonymous; named or not. It is no code. */
static bool is_context(const struct proc_mapping *mapping)
{
    static const char *const names[] = {"[anon_shmem:OTEL_CTX]", "[anon:OTEL_CTX]", "/memfd:OTEL_CTX",
                                        "/memfd:OTEL_CTX (deleted)"};

    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(mapping->path, names[i]))
            return mapping->flags[0] == 'r' && mapping->flags[2] != 'x' &&
                   mapping->end - mapping->start >= sizeof(struct header);
    return false;
}

/* The address of the header; 0: there is none. */
static uint64_t find_header(pid_t pid, pid_t tid)
{
    char path[64], line[LINE_BYTES];
    struct proc_mapping mapping;
    uint64_t found = 0;
    FILE *maps;

    snprintf(path, sizeof path, "/proc/%d/task/%d/maps", (int)pid, (int)tid);
    maps = fopen(path, "re");
    for (unsigned i = 0; maps && !found && i < LINES_MOST && fgets(line, sizeof line, maps); i++)
        if (strstr(line, "OTEL_CTX") && proc_mapping_parse(line, &mapping) && is_context(&mapping))
            found = mapping.start;
    if (maps)
        fclose(maps);
    return found;
}

static bool copy(const struct owner *owner, pid_t tid, uint64_t address, void *to, size_t size)
{
    const struct iovec local = {to, size}, remote = {(void *)(uintptr_t)address, size};

    return owner_copy(owner, tid, &local, &remote, 1) == (ssize_t)size;
}

static bool copy_header(const struct owner *owner, pid_t tid, uint64_t address, struct header *header)
{
    return copy(owner, tid, address, header, sizeof *header) &&
           !memcmp(header->signature, "OTEL_CTX", sizeof header->signature) && header->version == VERSION;
}

/* --- the payload --- */

/* Texts are put one behind the other into the room of the payload: each is shorter than what it was read from. */
static const char *keep_text(char **end, const char *text)
{
    char *kept = *end;

    if (!text || !*text)
        return NULL;
    utf8_clean(kept, CONTEXT_TEXT, text, true);
    *end += strlen(kept) + 1;
    return kept;
}

static const char *text_of(const Cprof__Otel__KeyValue *pair)
{
    return pair->value ? pair->value->string_value : NULL;
}

static bool is_key(const Cprof__Otel__KeyValue *pair, const char *key)
{
    return pair->key && !strcmp(pair->key, key);
}

static void take_resource(struct process_context *context, const Cprof__Otel__Resource *resource, char **end)
{
    for (size_t i = 0; resource && i < resource->n_attributes; i++) {
        const Cprof__Otel__KeyValue *pair = resource->attributes[i];
        struct context_attribute *to = &context->attribute[context->attributes];
        if (context->attributes == CONTEXT_ATTRIBUTES)
            return;
        if (!pair->key || !*pair->key || !text_of(pair) || process_context_get(context, pair->key))
            continue;
        to->key = keep_text(end, pair->key);
        to->value = keep_text(end, text_of(pair));
        context->attributes += to->value != NULL;
    }
}

static void take_keys(struct process_context *context, const Cprof__Otel__AnyValue *value, char **end)
{
    const Cprof__Otel__TextList *list = value ? value->array_value : NULL;

    if (context->thread_keys)
        return;
    for (size_t i = 0; list && i < list->n_values && i < CONTEXT_KEYS; i++) {
        const char *name = keep_text(end, list->values[i]->string_value);
        context->thread_key[i] = name ? name : "";
        context->thread_keys++;
    }
}

static void take_thread_context(struct process_context *context, const Cprof__Otel__ProcessContext *message,
                                char **end)
{
    for (size_t i = 0; i < message->n_attributes; i++) {
        const Cprof__Otel__KeyValue *pair = message->attributes[i];
        if (is_key(pair, "threadlocal.schema_version") && !context->schema)
            context->schema = keep_text(end, text_of(pair));
        else if (is_key(pair, "threadlocal.attribute_key_map"))
            take_keys(context, pair->value, end);
    }
}

static void forget(struct process_context *context)
{
    free(context->texts);
    context->texts = NULL;
    context->schema = NULL;
    context->attributes = context->thread_keys = 0;
}

int process_context_decode(struct process_context *context, const uint8_t *payload, size_t size)
{
    Cprof__Otel__ProcessContext *message;
    char *texts, *end;

    if (!size || size > CONTEXT_PAYLOAD_MOST)
        return -EINVAL;
    message = cprof__otel__process_context__unpack(NULL, size, payload);
    if (!message)
        return -EINVAL;
    end = texts = malloc(size + CONTEXT_TEXT);
    if (texts) {
        forget(context);
        context->texts = texts;
        take_resource(context, message->resource, &end);
        take_thread_context(context, message, &end);
    }
    cprof__otel__process_context__free_unpacked(message, NULL);
    return texts ? 0 : -ENOMEM;
}

const char *process_context_get(const struct process_context *context, const char *key)
{
    for (unsigned i = 0; i < context->attributes; i++)
        if (!strcmp(context->attribute[i].key, key))
            return context->attribute[i].value;
    return NULL;
}

/* --- reading --- */

/* The header, if what it points to is new. */
static int read_header(const struct process_context *context, const struct owner *owner, pid_t tid,
                       struct header *header)
{
    if (!copy_header(owner, tid, context->address, header))
        return -ENOENT;
    return !header->published_ns || header->published_ns == context->published_ns ? -EAGAIN : 0;
}

/* What was copied counts if the time stamp is the same before and after. The process frees the old payload at once, so
   a copy may fail or hold anything meanwhile. */
static int read_payload(struct process_context *context, const struct owner *owner, pid_t tid,
                        struct header *header)
{
    uint8_t *payload = malloc(CONTEXT_PAYLOAD_MOST);
    int rc = payload ? -EAGAIN : -ENOMEM;

    for (int i = 0; i < TRIES && rc == -EAGAIN; i++) {
        const struct header before = *header;
        bool good =
            before.size <= CONTEXT_PAYLOAD_MOST && copy(owner, tid, before.payload, payload, before.size);
        rc = copy_header(owner, tid, context->address, header) ? 0 : -ENOENT;
        if (!rc && header->published_ns != before.published_ns)
            rc = header->published_ns ? -EAGAIN : -EBUSY;
        else if (!rc)
            rc = good ? process_context_decode(context, payload, before.size) : -EINVAL;
    }
    free(payload);
    return rc;
}

static void search(struct process_context *context, pid_t pid, pid_t tid)
{
    const int64_t now_ns = monotonic_ns();

    if (now_ns < context->next_search_ns)
        return;
    context->address = find_header(pid, tid);
    context->searches++;
    context->next_search_ns =
        now_ns + (context->searches < SEARCHES_OFTEN ? SEARCH_GAP_NS : SEARCH_RARELY_NS);
}

bool process_context_read(struct process_context *context, const struct owner *owner, pid_t pid, pid_t tid)
{
    struct header header;
    int rc;

    if (!context->address)
        search(context, pid, tid);
    if (!context->address)
        return false;
    rc = read_header(context, owner, tid, &header);
    if (!rc)
        rc = read_payload(context, owner, tid, &header);
    if (rc == -ENOENT)
        context->address = 0;
    if (!rc)
        context->published_ns = header.published_ns;
    return !rc;
}

void process_context_free(struct process_context *context)
{
    forget(context);
    *context = (struct process_context){0};
}
