/* SPDX-License-Identifier: Apache-2.0 */
/* publishes SERVICE SECONDS: publishes its process context (OTEL_CTX) as an OpenTelemetry SDK does, and computes. With "fork" in
   front, a child does the same as SERVICE-child meanwhile. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint8_t payload[1024];
static size_t size;

static void put_text(uint8_t *to, size_t *used, int field, const char *text)
{
    to[(*used)++] = (uint8_t)(field << 3 | 2);
    to[(*used)++] = (uint8_t)strlen(text);
    memcpy(to + *used, text, strlen(text));
    *used += strlen(text);
}

/* KeyValue{key=1, value=2 {string=1}} as field 1 of Resource, which is field 1 of the payload. */
static void put_attribute(uint8_t *resource, size_t *used, const char *key, const char *text)
{
    uint8_t pair[250], value[120];
    size_t pair_size = 0, value_size = 0;

    put_text(value, &value_size, 1, text);
    put_text(pair, &pair_size, 1, key);
    pair[pair_size++] = 2 << 3 | 2;
    pair[pair_size++] = (uint8_t)value_size;
    memcpy(pair + pair_size, value, value_size);
    pair_size += value_size;
    resource[(*used)++] = 1 << 3 | 2;
    resource[(*used)++] = (uint8_t)pair_size;
    memcpy(resource + *used, pair, pair_size);
    *used += pair_size;
}

static void make_payload(const char *service)
{
    uint8_t resource[120];
    size_t used = 0;

    put_attribute(resource, &used, "service.name", service);
    put_attribute(resource, &used, "service.version", "1.2.3");
    size = 0;
    payload[size++] = 1 << 3 | 2;
    payload[size++] = (uint8_t)used;
    memcpy(payload + size, resource, used);
    size += used;
}

static void publish(const char *service)
{
    struct header {
        char signature[8];
        uint32_t version, size;
        uint64_t published_ns;
        const void *payload;
    } * header;
    struct timespec now;
    int fd = memfd_create("OTEL_CTX", MFD_CLOEXEC);

    make_payload(service);
    if (fd < 0 || ftruncate(fd, 4096))
        exit(1);
    header = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    close(fd);
    madvise(header, 4096, MADV_DONTFORK);
    memcpy(header->signature, "OTEL_CTX", 8);
    header->version = 2;
    header->size = (uint32_t)size;
    header->payload = payload;
    clock_gettime(CLOCK_BOOTTIME, &now);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    header->published_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    prctl(0x53564d41 /* PR_SET_VMA */, 0, header, 4096, "OTEL_CTX");
}

static volatile uint64_t sum;
static void compute(double seconds)
{
    struct timespec start, now;

    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        for (int i = 0; i < 1000000; i++)
            sum += (uint64_t)i;
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9 < seconds);
}

int main(int argc, char **argv)
{
    const int forks = argc > 3 && !strcmp(argv[1], "fork");
    const char *service = argv[1 + forks];
    char other[100];
    pid_t child = forks ? fork() : -1;

    if (child == 0) {
        snprintf(other, sizeof other, "%s-child", service);
        service = other;
    }
    publish(service);
    compute(atof(argv[2 + forks]));
    if (child > 0)
        wait(NULL);
    return 0;
}
