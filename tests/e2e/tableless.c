// SPDX-License-Identifier: Apache-2.0
// Functions without call frame information: built with and without frame pointers, and assembly. Computes
// DEPTH calls deep, over what other calls left on the stack, while a thread is asleep below some assembly,
// and is asleep itself, for half a second each.
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "waits.h"

enum { DEPTH = 50 };

void call_it(void (*function)(void));
#if defined(__x86_64__)
__asm__(".text\ncall_it:\n\tpush %rax\n\tcall *%rdi\n\tpop %rax\n\tret\n\t.size call_it, . - "
        "call_it\n\t.type call_it, @function");
#elif defined(__aarch64__)
__asm__(".text\ncall_it:\n\tstp x29, x30, [sp, #-16]!\n\tmov x29, sp\n\tblr x0\n\tldp x29, x30, [sp], "
        "#16\n\tret\n\t"
        ".size call_it, . - call_it\n\t.type call_it, @function");
#endif

__attribute__((noinline)) static void compute(void)
{
    for (int64_t end = now_ns(CLOCK_THREAD_CPUTIME_ID) + 500 * 1000 * 1000;
         now_ns(CLOCK_THREAD_CPUTIME_ID) < end;)
        for (volatile int i = 0; i < 100000; i++)
            ;
    __asm__ volatile("");
}

__attribute__((noinline)) static void descend(int depth)
{
    char litter[200];

    snprintf(litter, 20, "%d %f", depth, (double)depth);
    __asm__ volatile("" : : "r"(litter) : "memory");
    if (depth > 1)
        descend(depth - 1);
    else
        compute();
    __asm__ volatile("");
}

__attribute__((noinline)) static void take_a_nap(void)
{
    usleep(500 * 1000);
    __asm__ volatile("");
}

static void *run(void *arg)
{
    call_it(take_a_nap);
    return arg;
}

int main(void)
{
    volatile char locals[100];
    pthread_t thread;

    locals[0] = 1;
    if (pthread_create(&thread, NULL, run, NULL))
        return 1;
    descend(DEPTH);
    take_a_nap();
    pthread_join(thread, NULL);
    return !locals[0];
}
