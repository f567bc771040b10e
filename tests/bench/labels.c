// SPDX-License-Identifier: Apache-2.0
// What labels take, in nanoseconds, each the median of many slices: setting one that the process has used before, setting
// a trace; and what an allocation takes more, with a label, and with a label and an OpenTelemetry context, than without.
// If each allocation is a sample (CPROF_MEMORY_RATE=512), that is what a sample takes more.
// build: -rdynamic -Iinclude
#include <stdio.h>
#include <time.h>

#include "cprof/cprof.h"
#include "tests/e2e/otel_publish.h"

enum { CALLS = 20000, SLICES = 41 };

__thread void *otel_thread_ctx_v1;
static struct otel_record record;
static const unsigned char trace[16] = {1, 2, 3}, span[8] = {4};

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *slice)
{
    qsort(slice, SLICES, sizeof *slice, compare);
    return slice[SLICES / 2];
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void set_label(unsigned i)
{
    cprof_label_set("endpoint", i & 1 ? "/orders" : "/checkout");
}

static void set_trace(unsigned i)
{
    (void)i;
    cprof_trace_set(trace, span);
}

static void allocate(unsigned i)
{
    char *volatile block = malloc(4096 + (i & 1));
    free(block);
}

static double slice_of(void (*call)(unsigned))
{
    double began = now();
    for (unsigned i = 0; i < CALLS; i++)
        call(i);
    return (now() - began) / CALLS;
}

static double all_slices(void (*call)(unsigned))
{
    double slice[SLICES];
    for (int s = 0; s < SLICES; s++)
        slice[s] = slice_of(call);
    return median(slice);
}

/* 0: nothing; 1: a label; 2: also a context of three attributes. */
static void have(int what)
{
    cprof_label_clear("endpoint");
    cprof_trace_clear();
    otel_thread_ctx_v1 = what > 1 ? &record : NULL;
    if (what)
        cprof_label_set("endpoint", "/orders");
}

int main(void)
{
    static const char *const keys[] = {"route", "tenant", "region", NULL};
    double label = all_slices(set_label), traced = all_slices(set_trace), slice[3][SLICES];

    memset(record.trace, 7, sizeof record.trace);
    memset(record.span, 8, sizeof record.span);
    otel_attribute(&record, 0, "/checkout");
    otel_attribute(&record, 1, "example");
    otel_attribute(&record, 2, "eu-west-1");
    record.valid = 1;
    otel_publish("tlsdesc_v1_dev", keys);
    have(2);
    sleep(4); /* until the uploader has found the variable */
    for (int s = 0; s < SLICES; s++)
        for (int what = 0; what < 3; what++) {
            have(what);
            slice[what][s] = slice_of(allocate);
        }
    double bare = median(slice[0]), labelled = median(slice[1]), traced_sample = median(slice[2]);
    printf("%.1f %.1f %.0f %.0f %.0f\n", label, traced, bare, labelled - bare, traced_sample - bare);
    return 0;
}
