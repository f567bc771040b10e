// SPDX-License-Identifier: Apache-2.0
// A 32-bit program without a C library. Prints whether the environment has LD_PRELOAD with something in it.
static int call(int number, int a, const void *b, int c)
{
    int result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory");
    return result;
}

static int begins(const char *text, const char *with)
{
    while (*with)
        if (*text++ != *with++)
            return 0;
    return 1;
}

__attribute__((used)) static void run(const long *stack)
{
    char **environment = (char **)(stack + 2 + stack[0]);
    int found = 0;
    for (; *environment; environment++)
        found |= begins(*environment, "LD_PRELOAD=") && (*environment)[11];
    if (found)
        call(4, 1, "preloaded\n", 10);
    else
        call(4, 1, "not preloaded\n", 14);
    call(1, 0, 0, 0);
}

__asm__(".globl _start\n_start: movl %esp, %eax\n pushl %eax\n call run\n");
