// SPDX-License-Identifier: Apache-2.0
// rates: works for as long as each line of its input says, in ms, with the same threads, and then says what it did
// until then: its CPU time, what it allocated, what of that it still has, and how long it waited and waited for a lock.
// A line "free" frees every other block that it has.
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "waits.h"

enum { KEEP = 1 << 20, THREADS = 5 };
static pthread_barrier_t begins, ends;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int64_t until;
static bool is_over;
static long long burnt, allocated, waited, lock_waited;
static void *kept[KEEP];
static size_t kept_size[KEEP], kept_count;
static unsigned seed = 1;

static bool goes_on(void)
{
    return now_ns(CLOCK_MONOTONIC) < until;
}

__attribute__((noinline)) static void burn_it(void)
{
    int64_t start = now_ns(CLOCK_THREAD_CPUTIME_ID);
    while (goes_on())
        ;
    burnt += now_ns(CLOCK_THREAD_CPUTIME_ID) - start;
}

__attribute__((noinline)) static void *allocate_it(size_t size)
{
    void *block = malloc(size);
    *(volatile char *)block = 1;
    return block;
}

/* 0.4 GB/s, of which a part in 64 is kept. */
static void allocate(void)
{
    while (goes_on()) {
        for (int i = 0; i < 400; i++) {
            size_t size = 16 + rand_r(&seed) % 2000;
            void *block = allocate_it(size);
            allocated += size;
            if (i % 64 || kept_count == KEEP) {
                free(block);
                continue;
            }
            kept[kept_count] = block;
            kept_size[kept_count++] = size;
        }
        rest(900000);
    }
}

__attribute__((noinline)) static void wait_it(int64_t ns)
{
    int64_t start = now_ns(CLOCK_MONOTONIC);
    rest(ns);
    waited += now_ns(CLOCK_MONOTONIC) - start;
}

static void wait_often(void)
{
    while (goes_on()) {
        wait_it(300000);
        wait_it(1200000);
        wait_it(15000000);
    }
}

__attribute__((noinline)) static void hold_it(void)
{
    pthread_mutex_lock(&lock);
    rest(2000000);
    pthread_mutex_unlock(&lock);
}

static void hold_often(void)
{
    while (goes_on()) {
        hold_it();
        rest(1000000);
    }
}

static void lock_often(void)
{
    while (goes_on()) {
        int64_t start = now_ns(CLOCK_MONOTONIC);
        pthread_mutex_lock(&lock);
        lock_waited += now_ns(CLOCK_MONOTONIC) - start;
        pthread_mutex_unlock(&lock);
        rest(300000);
    }
}

static void *work(void *what)
{
    for (;;) {
        pthread_barrier_wait(&begins);
        if (is_over)
            return NULL;
        ((void (*)(void))what)();
        pthread_barrier_wait(&ends);
    }
}

static void say(void)
{
    long long in_use = 0;
    for (size_t i = 0; i < kept_count; i++)
        in_use += kept[i] ? (long long)kept_size[i] : 0;
    printf("burnt %lld allocated %lld in_use %lld waited %lld lock_waited %lld\n", burnt, allocated, in_use,
           waited, lock_waited);
    fflush(stdout);
}

int main(void)
{
    static void (*const works[THREADS])(void) = {burn_it, allocate, wait_often, hold_often, lock_often};
    pthread_t thread[THREADS];
    char line[64];

    pthread_barrier_init(&begins, NULL, THREADS + 1);
    pthread_barrier_init(&ends, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, work, (void *)works[i]);
    while (fgets(line, sizeof line, stdin)) {
        if (!strncmp(line, "free", 4)) {
            for (size_t i = 0; i < kept_count; i += 2) {
                free(kept[i]);
                kept[i] = NULL;
            }
        } else {
            until = now_ns(CLOCK_MONOTONIC) + atoll(line) * 1000000;
            pthread_barrier_wait(&begins);
            pthread_barrier_wait(&ends);
        }
        say();
    }
    is_over = true;
    pthread_barrier_wait(&begins);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    return 0;
}
