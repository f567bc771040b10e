// SPDX-License-Identifier: Apache-2.0
/* What an OpenTelemetry SDK publishes: the process context (OTEP 4719) with the names of attributes, and records of threads
 * (OTEP 4947). */
#ifndef CPROF_TESTS_OTEL_PUBLISH_H
#define CPROF_TESTS_OTEL_PUBLISH_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct otel_record {
    uint8_t trace[16], span[8], valid, flags;
    uint16_t size;
    uint8_t attributes[612];
};

static inline void otel_attribute(struct otel_record *record, int index, const char *value)
{
    size_t size = strlen(value);
    record->attributes[record->size++] = (uint8_t)index;
    record->attributes[record->size++] = (uint8_t)size;
    memcpy(record->attributes + record->size, value, size);
    record->size = (uint16_t)(record->size + size);
}

/* A protobuf field of bytes. */
static inline size_t otel_put(uint8_t *out, int field, const void *bytes, size_t size)
{
    size_t at = 0, rest = size;
    out[at++] = (uint8_t)(field << 3 | 2);
    for (; rest > 127; rest >>= 7)
        out[at++] = (uint8_t)(rest | 128);
    out[at++] = (uint8_t)rest;
    memcpy(out + at, bytes, size);
    return at + size;
}

static inline size_t otel_put_pair(uint8_t *out, const char *key, const uint8_t *value, size_t size)
{
    uint8_t pair[4096];
    size_t used = otel_put(pair, 1, key, strlen(key));
    used += otel_put(pair + used, 2, value, size);
    return otel_put(out, 2, pair, used);
}

static inline void otel_publish(const char *schema, const char *const *keys)
{
    static uint8_t payload[8192];
    uint8_t value[4096], list[4096];
    size_t size, used = 0, listed = 0;
    struct timespec now;
    int fd = memfd_create("OTEL_CTX", MFD_CLOEXEC);
    uint8_t *page;

    size = otel_put(value, 1, schema, strlen(schema));
    used += otel_put_pair(payload + used, "threadlocal.schema_version", value, size);
    for (; *keys; keys++) {
        size = otel_put(value, 1, *keys, strlen(*keys));
        listed += otel_put(list + listed, 1, value, size);
    }
    size = otel_put(value, 5, list, listed);
    used += otel_put_pair(payload + used, "threadlocal.attribute_key_map", value, size);
    if (fd == -1 || ftruncate(fd, 4096))
        abort();
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    close(fd);
    memcpy(page, "OTEL_CTX", 8);
    *(uint32_t *)(page + 8) = 2;
    *(uint32_t *)(page + 12) = (uint32_t)used;
    *(uint64_t *)(page + 24) = (uintptr_t)payload;
    clock_gettime(CLOCK_BOOTTIME, &now);
    __sync_synchronize();
    *(uint64_t *)(page + 16) = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

#endif
