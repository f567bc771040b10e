/* SPDX-License-Identifier: Apache-2.0 */
/* x86-64 (System V ABI). Included by machine.h only. */

#include <sys/syscall.h>

/*
 * Body of a naked function: calls `callee` with the arguments it was called with itself, and then jumps to
 * the address that this returned, again with the same arguments: in registers, and whatever is on the stack.
 * So one can stand before a function whose parameters are not known (variadic ones, or any of a table).
 */
#define MACHINE_CALL_THEN_JUMP(callee)                                                                       \
    "pushq %rbp\n\t"                                                                                         \
    ".cfi_adjust_cfa_offset 8\n\t"                                                                           \
    ".cfi_rel_offset %rbp, 0\n\t"                                                                            \
    "movq %rsp, %rbp\n\t"                                                                                    \
    ".cfi_def_cfa_register %rbp\n\t"                                                                         \
    "subq $192, %rsp\n\t"                                                                                    \
    "andq $-16, %rsp\n\t"                                                                                    \
    "movq %rdi, (%rsp)\n\t"                                                                                  \
    "movq %rsi, 8(%rsp)\n\t"                                                                                 \
    "movq %rdx, 16(%rsp)\n\t"                                                                                \
    "movq %rcx, 24(%rsp)\n\t"                                                                                \
    "movq %r8, 32(%rsp)\n\t"                                                                                 \
    "movq %r9, 40(%rsp)\n\t"                                                                                 \
    "movq %rax, 48(%rsp)\n\t" /* al: vector registers that a variadic call uses */                           \
    "movaps %xmm0, 64(%rsp)\n\t"                                                                             \
    "movaps %xmm1, 80(%rsp)\n\t"                                                                             \
    "movaps %xmm2, 96(%rsp)\n\t"                                                                             \
    "movaps %xmm3, 112(%rsp)\n\t"                                                                            \
    "movaps %xmm4, 128(%rsp)\n\t"                                                                            \
    "movaps %xmm5, 144(%rsp)\n\t"                                                                            \
    "movaps %xmm6, 160(%rsp)\n\t"                                                                            \
    "movaps %xmm7, 176(%rsp)\n\t" callee "movq %rax, %r11\n\t"                                               \
    "movq (%rsp), %rdi\n\t"                                                                                  \
    "movq 8(%rsp), %rsi\n\t"                                                                                 \
    "movq 16(%rsp), %rdx\n\t"                                                                                \
    "movq 24(%rsp), %rcx\n\t"                                                                                \
    "movq 32(%rsp), %r8\n\t"                                                                                 \
    "movq 40(%rsp), %r9\n\t"                                                                                 \
    "movq 48(%rsp), %rax\n\t"                                                                                \
    "movaps 64(%rsp), %xmm0\n\t"                                                                             \
    "movaps 80(%rsp), %xmm1\n\t"                                                                             \
    "movaps 96(%rsp), %xmm2\n\t"                                                                             \
    "movaps 112(%rsp), %xmm3\n\t"                                                                            \
    "movaps 128(%rsp), %xmm4\n\t"                                                                            \
    "movaps 144(%rsp), %xmm5\n\t"                                                                            \
    "movaps 160(%rsp), %xmm6\n\t"                                                                            \
    "movaps 176(%rsp), %xmm7\n\t"                                                                            \
    "leave\n\t"                                                                                              \
    ".cfi_def_cfa %rsp, 8\n\t"                                                                               \
    ".cfi_restore %rbp\n\t"                                                                                  \
    "jmp *%r11\n\t"

/* Body of a naked function that calls `callee(number)` and jumps to the address that this returned. */
#define MACHINE_NUMBER_THEN_JUMP(number, common)                                                             \
    __asm__("movl %0, %%r11d\n\t"                                                                            \
            "jmp " #common                                                                                   \
            :                                                                                                \
            : "i"(number))
#define MACHINE_NUMBERED(callee) MACHINE_CALL_THEN_JUMP("movl %r11d, %edi\n\tcall " callee "\n\t")

/*
 * clone() of a child that runs main(argument) on a stack of its own and exits with its result. Raw: no errno,
 * no atfork handler. Signal-safe. Returns the child's pid or negative errno.
 */
static inline long machine_clone(unsigned long flags, void *stack_top, int (*main)(void *), void *argument)
{
    register int (*r8)(void *) __asm__("r8") =
        main; /* clone's fifth argument counts with CLONE_SETTLS only */
    register void *r9 __asm__("r9") = argument;
    register long r10 __asm__("r10") = 0;
    long result;
    __asm__ volatile("syscall\n\t"
                     "testq %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "xorl %%ebp, %%ebp\n\t"
                     "movq %%r9, %%rdi\n\t"
                     "call *%%r8\n\t"
                     "movl %%eax, %%edi\n\t"
                     "movl %[exit], %%eax\n\t"
                     "syscall\n\t"
                     "hlt\n"
                     "1:"
                     : "=a"(result)
                     : "a"(SYS_clone), "D"(flags), "S"(stack_top), "d"(0), "r"(r10), "r"(r8),
                       "r"(r9), [exit] "i"(SYS_exit)
                     : "rcx", "r11", "memory");
    return result;
}
