// SPDX-License-Identifier: Apache-2.0
/*
 * Stacks of every odd shape that compilers and libc make, for the seconds given: deep recursion, callbacks
 * out of libc, calls through a PLT, arrays of variable size, realigned stacks, handlers on an alternate
 * stack, coroutines, threads.
 */
#include <alloca.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static volatile unsigned sink;
static ucontext_t outside, inside;

__attribute__((noinline)) static void work(unsigned rounds)
{
    while (rounds-- > 0)
        sink = sink * 5 + rounds;
}

__attribute__((noinline)) static void recurse(unsigned depth)
{
    if (depth > 0)
        recurse(depth - 1);
    work(20);
    sink++;
}

static int by_value(const void *a, const void *b)
{
    work(3);
    return *(const int *)a - *(const int *)b;
}

static void callbacks(void)
{
    int number[200];
    for (unsigned i = 0; i < 200; i++)
        number[i] = (int)(sink * (i + 1) % 1000);
    qsort(number, 200, sizeof(number[0]), by_value);
}

static void library_calls(void)
{
    char text[64];
    for (unsigned i = 0; i < 200; i++) {
        snprintf(text, sizeof(text), "%u %f", i, sin(i));
        sink += (unsigned)strtoul(text, NULL, 10) + (unsigned)getppid() + (unsigned)rand();
    }
}

__attribute__((noinline)) static void variable_size(unsigned size)
{
    char *room = alloca(size), array[size];
    memset(room, (int)size, size);
    memset(array, (int)size, size);
    work(50 + (unsigned char)room[size / 2] + (unsigned char)array[size / 2]);
}

/* Prologue and epilogue count the frame from r10. */
__attribute__((noinline)) static void realigned(unsigned depth)
{
    volatile char room[100] __attribute__((aligned(64)));
    room[depth] = (char)depth;
    if (depth > 0)
        realigned(depth - 1);
    work(5);
    sink += (unsigned)room[depth];
}

static void on_signal(int number)
{
    work(2000);
    recurse(number == SIGUSR1 ? 20 : 0);
}

static void coroutine(void)
{
    for (;;) {
        recurse(15);
        swapcontext(&inside, &outside);
    }
}

static void *thread(void *unused)
{
    for (int i = 0; i < 200; i++)
        recurse(10);
    return unused;
}

static void round_of_all(unsigned round)
{
    pthread_t id;
    recurse(60);
    if (round % 20 == 0)
        recurse(2000);
    callbacks();
    library_calls();
    variable_size(1 + sink % 4000);
    for (int i = 0; i < 100; i++)
        realigned(5);
    raise(SIGUSR1);
    raise(SIGUSR2);
    for (int i = 0; i < 20; i++)
        swapcontext(&outside, &inside);
    if (pthread_create(&id, NULL, thread, NULL) == 0)
        pthread_join(id, NULL);
}

int main(int argc, char **argv)
{
    static char alternate[256 * 1024], other[256 * 1024];
    time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 3);
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof(alternate)};
    struct sigaction on_alternate = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    struct sigaction on_stack = {.sa_handler = on_signal};
    sigaltstack(&stack, NULL);
    sigaction(SIGUSR1, &on_alternate, NULL);
    sigaction(SIGUSR2, &on_stack, NULL);
    getcontext(&inside);
    inside.uc_stack = (stack_t){.ss_sp = other, .ss_size = sizeof(other)};
    makecontext(&inside, coroutine, 0);
    for (unsigned round = 0; time(NULL) < end; round++)
        round_of_all(round);
    return 0;
}
