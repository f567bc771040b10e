// SPDX-License-Identifier: Apache-2.0
// Nanoseconds, the median of slices. locks pair: one uncontended lock and unlock, the fastest tenth of slices; read: one byte of a full
// pipe, by how much longer than libc's own read() in slices between; hot [ns]: four threads at one lock, held
// so long, per acquisition; pingpong: two threads and a condition, per turn. hot ns cpu: their CPU time, per
// acquisition; hot ns sleeps: how often they went to sleep, per 1,000 acquisitions of all slices.
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { SLICES = 31, READ_SLICES = 4001, THREADS = 4 };
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn = PTHREAD_COND_INITIALIZER;
static int whose, rounds;
static uint64_t hold_ns, counter;

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static uint64_t cpu(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static double sleeps(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_nvcsw;
}

static void pair(void)
{
    for (int i = 0; i < rounds; i++) {
        pthread_mutex_lock(&mutex);
        pthread_mutex_unlock(&mutex);
    }
}

static ssize_t (*libcs_read)(int, void *, size_t);
static int ends[2];

static double read_bytes(ssize_t (*function)(int, void *, size_t))
{
    enum { BYTES = 500 };
    static char bytes[BYTES];
    uint64_t start;

    if (write(ends[1], bytes, BYTES) != BYTES)
        exit(1);
    start = now();
    for (int i = 0; i < BYTES; i++)
        if (function(ends[0], bytes, 1) != 1)
            exit(1);
    return (double)(now() - start) / BYTES;
}

static double read_longer(void)
{
    double own = read_bytes(libcs_read);
    return read_bytes(read) - own;
}

static void *hold(void *unused)
{
    for (int i = 0; i < rounds / THREADS; i++) {
        pthread_mutex_lock(&mutex);
        counter++;
        for (uint64_t end = hold_ns ? now() + hold_ns : 0; end && now() < end;)
            ;
        pthread_mutex_unlock(&mutex);
    }
    return unused;
}

static void *play(void *me)
{
    pthread_mutex_lock(&mutex);
    for (int i = 0; i < rounds / 2; i++) {
        while (whose != (int)(intptr_t)me)
            pthread_cond_wait(&turn, &mutex);
        whose = !whose;
        pthread_cond_signal(&turn);
    }
    pthread_mutex_unlock(&mutex);
    return NULL;
}

static void in_threads(int count, void *(*run)(void *))
{
    pthread_t thread[THREADS];
    for (intptr_t i = 0; i < count; i++)
        pthread_create(&thread[i], NULL, run, (void *)i);
    for (int i = 0; i < count; i++)
        pthread_join(thread[i], NULL);
}

static void hot(void)
{
    in_threads(THREADS, hold);
}

static void pingpong(void)
{
    in_threads(2, play);
}

static const struct {
    const char *name;
    int rounds, part; /* the slice that counts is the last of this part */
    void (*run)(void);
} works[] = {{"pair", 200000, 10, pair}, {"hot", 2000000, 2, hot}, {"pingpong", 4000, 2, pingpong}};

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int reads(void)
{
    static double slice[READ_SLICES];

    libcs_read = (ssize_t(*)(int, void *, size_t))dlsym(dlopen("libc.so.6", RTLD_NOW), "read");
    if (pipe(ends))
        return 1;
    for (int s = 0; s < READ_SLICES; s++)
        slice[s] = read_longer();
    qsort(slice, READ_SLICES, sizeof *slice, compare);
    printf("%.3f\n", slice[READ_SLICES / 2]);
    return 0;
}

/* Of each slice, in ns, by this clock; the number of sleeps per 1,000 rounds of all of them. */
static void measure(void (*run)(void), uint64_t (*clock)(void), double slice[SLICES], double *slept)
{
    in_threads(1, hold); /* from here on libc knows of threads */
    *slept = -sleeps();
    for (int s = 0; s < SLICES; s++) {
        uint64_t start = clock();
        run();
        slice[s] = (double)(clock() - start) / rounds;
    }
    *slept = (*slept + sleeps()) * 1000 / SLICES / rounds;
    qsort(slice, SLICES, sizeof *slice, compare);
}

int main(int argc, char **argv)
{
    double slice[SLICES], slept;
    const char *what = argc > 3 ? argv[3] : "";

    if (argc > 2)
        hold_ns = strtoull(argv[2], NULL, 10);
    if (argc < 2)
        return 2;
    if (!strcmp(argv[1], "read"))
        return reads();
    for (unsigned i = 0; i < sizeof works / sizeof works[0]; i++) {
        if (strcmp(works[i].name, argv[1]) != 0)
            continue;
        rounds = works[i].rounds / (hold_ns ? 40 : 1);
        measure(works[i].run, !strcmp(what, "cpu") ? cpu : now, slice, &slept);
        printf("%.5f\n", !strcmp(what, "sleeps") ? slept : slice[SLICES / works[i].part]);
        return 0;
    }
    return 2;
}
