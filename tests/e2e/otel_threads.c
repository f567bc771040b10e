// SPDX-License-Identifier: Apache-2.0
// Threads with OpenTelemetry contexts. LIBRARY: where the variable is, "" if it is linked. Then "shares", or what is wrong
// with the records: "hostile". Begins with a line of its input, or 2.5 s after it if there is none. "shares" prints how
// long it slept, "slept_1 NS" and "slept_3 NS".
#include "otel_publish.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>

#ifdef LINKED
void otel_set(void *record);
static void (*set)(void *record) = otel_set;
#else
static void (*set)(void *record);
#endif
static volatile uint64_t sink;

static int64_t now(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

__attribute__((noinline)) static void use_cpu(int64_t ms)
{
    int64_t end = now(CLOCK_THREAD_CPUTIME_ID) + ms * 1000000;
    while (now(CLOCK_THREAD_CPUTIME_ID) < end)
        for (int i = 0; i < 1000; i++)
            sink += (uint64_t)i;
}

static int64_t slept[4];

__attribute__((noinline)) static void sleep_ms(int factor, int ms)
{
    int64_t start = now(CLOCK_MONOTONIC);
    usleep(1000 * (useconds_t)ms);
    slept[factor] += now(CLOCK_MONOTONIC) - start;
}

/* A record for each request, as a writer does that swaps the pointer. */
static void *serve(void *argument)
{
    int factor = *(const int *)argument;

    for (int request = 0; request < 20; request++) {
        struct otel_record *record = calloc(1, sizeof *record);
        memset(record->trace, 0x10 * factor, sizeof record->trace);
        memset(record->span, 0x10 * factor + 1, sizeof record->span);
        otel_attribute(record, 0, factor > 1 ? "3333333333333333" : "1111111111111111");
        otel_attribute(record, 1, factor > 1 ? "/large" : "/small");
        otel_attribute(record, 200, "of an index without a name");
        record->valid = 1;
        set(record);
        use_cpu(20 * factor);
        sleep_ms(factor, 20 * factor);
        set(NULL);
        free(record);
    }
    return NULL;
}

static void run_shares(void)
{
    static const int factors[] = {1, 3};
    pthread_t thread[2];

    for (int i = 0; i < 2; i++)
        pthread_create(&thread[i], NULL, serve, (void *)&factors[i]);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    use_cpu(200);
    printf("slept_1 %lld\nslept_3 %lld\n", (long long)slept[1], (long long)slept[3]);
}

static void try(void *record)
{
    set(record);
    use_cpu(60);
    for (int i = 0; i < 300; i++)
        free(malloc(4096));
    usleep(10000);
}

/* Records that lie nowhere, in part, at odd addresses, say anything, or go while they are read. */
static void run_hostile(void)
{
    uint8_t *page = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct otel_record *record = (struct otel_record *)page,
                       *last = (struct otel_record *)(page + 2 * 4096 - 28);

    munmap(page + 2 * 4096, 4096);
    for (uintptr_t bits = 1; bits; bits <<= 5)
        try((void *)bits);
    try((void *)UINTPTR_MAX);
    try((void *)(UINTPTR_MAX << 47));
    try((void *)run_shares);
    memset(record, 0xff, sizeof *record);
    try(record);
    record->valid = 1;
    try(record);
    record->size = 3;
    try(record);
    record->size = 612;
    memset(record->attributes, 1, sizeof record->attributes);
    try(record);
    for (size_t i = 0; i < sizeof record->attributes; i++)
        record->attributes[i] = (uint8_t)(i * 37);
    try(record);
    try((uint8_t *)record + 1);
    last->valid = 1; /* its attributes would lie behind the end */
    last->size = 100;
    try(last);
    for (int i = 0; i < 3000; i++) { /* attributes without end */
        char value[32];
        record->size = 0;
        snprintf(value, sizeof value, "%d", i);
        otel_attribute(record, i % 7, value);
        set(record);
        free(malloc(4096));
    }
    try(record);
    set(record);
    use_cpu(30);
    munmap(page, 2 * 4096);
    use_cpu(100);
    for (int i = 0; i < 20; i++) { /* unmapped behind libc's back, as libc's own free() does */
        page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        ((struct otel_record *)page)->valid = 1;
        set(page);
        use_cpu(12);
        syscall(SYS_munmap, page, 4096);
        use_cpu(12);
    }
    set(NULL);
    puts("lives");
}

int main(int count, char **word)
{
    static const char *const keys[] = {
        "datadog.local_root_span_id", "http.route", "a", "b", "c", "d", "e", NULL};
    const char *library = count > 1 ? word[1] : "", *what = count > 2 ? word[2] : "shares";
    void *handle = *library ? dlopen(library, RTLD_NOW | RTLD_LOCAL) : NULL;

    if (*library && !handle) {
        puts(dlerror());
        return 1;
    }
    if (handle)
        *(void **)&set = dlsym(handle, "otel_set");
    otel_publish(count > 3 ? word[3] : "tlsdesc_v1_dev", keys);
    set(NULL);
    if (getchar() == EOF)
        usleep(2500000); /* the uploader looks once a second */
    if (!strcmp(what, "hostile"))
        run_hostile();
    else
        run_shares();
    return 0;
}
