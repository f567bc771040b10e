// SPDX-License-Identifier: Apache-2.0
// Sleeps and computes for half a second each on two stacks that it made itself: makecontext()'s, and one
// whose first return address lies in assembly without call frame information, as Boost.Context has it.
#include <stdlib.h>
#include <ucontext.h>
#include <unistd.h>

#include "waits.h"

enum { STACK = 256 * 1024 };

void enter(void *top, void (*function)(void));
#if defined(__x86_64__)
__asm__(".text\nenter:\n\tpush %rbp\n\tpush %rbx\n\tmov %rsp, %rbx\n\tmov %rdi, %rsp\n\tlea 1f(%rip), "
        "%rax\n\tpush %rax\n\tmov %rdi, %rbp\n\t"
        "jmp *%rsi\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop\n1:\tmov %rbx, %rsp\n\tpop %rbx\n\tpop "
        "%rbp\n\tret\n"
        ".size enter, . - enter\n.type enter, @function");
#elif defined(__aarch64__)
__asm__(".text\nenter:\n\tstp x29, x30, [sp, #-32]!\n\tstr x19, [sp, #16]\n\tmov x19, sp\n\tmov sp, x0\n\t"
        "adr x30, 1f\n\tmov x29, x0\n\tbr x1\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop\n"
        "1:\tmov sp, x19\n\tldr x19, [sp, #16]\n\tldp x29, x30, [sp], #32\n\tret\n"
        ".size enter, . - enter\n.type enter, @function");
#endif

static ucontext_t before, fiber;

__attribute__((noinline)) static void work(void)
{
    int64_t end = now_ns(CLOCK_THREAD_CPUTIME_ID) + 500 * 1000 * 1000;

    usleep(500 * 1000);
    while (now_ns(CLOCK_THREAD_CPUTIME_ID) < end)
        for (volatile int i = 0; i < 100000; i++)
            ;
    __asm__ volatile("");
}

static void in_context(void)
{
    work();
    __asm__ volatile("");
}

static void in_assembly(void)
{
    work();
    __asm__ volatile("");
}

int main(void)
{
    char *stack = aligned_alloc(4096, STACK);

    getcontext(&fiber);
    fiber.uc_stack.ss_sp = stack;
    fiber.uc_stack.ss_size = STACK;
    fiber.uc_link = &before;
    makecontext(&fiber, in_context, 0);
    swapcontext(&before, &fiber);
    enter(stack + STACK - 64, in_assembly);
    return 0;
}
