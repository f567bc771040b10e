/* SPDX-License-Identifier: Apache-2.0 */
/* x86-64 (System V ABI). Included by machine.h only. */

#include <sys/syscall.h>

/*
 * Body of a function that calls `callee` with its own arguments. Then it jumps to the address that `callee`
 * returned, again with the same arguments, in registers and on the stack. So it can stand before a function
 * whose parameters are not known (variadic ones, or any of a table).
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

/* Bodies of a stub that goes on in `common` with its number, and of `common`, which calls `callee(number)` and
   jumps to the address that this returned. */
#define MACHINE_NUMBER_THEN_JUMP(number, common) "movl $" number ", %r11d\n\tjmp " common "\n\t"
#define MACHINE_NUMBERED(callee)                 MACHINE_CALL_THEN_JUMP("movl %r11d, %edi\n\tcall " callee "\n\t")

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

/*
 * A processor predicts a return by its stack of the last calls. Many kernels and hypervisors make it forget
 * that stack on their way back to a program, so each return after a system call is mispredicted
 * (`scripts/bench calls`, with and without MACHINE_RETURNS_BY_JUMP, on an AMD EPYC under KVM). So a hook of a
 * system call has no return of its own:
 *  - machine_call() calls a function by a jump. The function's own return then matches the call of the hook.
 *  - A function marked MACHINE_RETURNS_BY_JUMP goes back to its caller by an indirect jump, which is predicted
 *    by where it went last time.
 * Use both or neither, since calls and returns must match. A program with a shadow stack could not use this.
 * It cannot load this library either, which lacks the mark for it.
 */
#if __has_attribute(function_return)
#define MACHINE_RETURNS_BY_JUMP __attribute__((function_return("thunk-extern")))
/* Once in the library. The name is the compiler's. */
#define MACHINE_DEFINE_RETURN                                                                                \
    __asm__(".pushsection .text\n\t"                                                                         \
            ".p2align 5\n\t"                                                                                 \
            ".globl __x86_return_thunk\n\t"                                                                  \
            ".hidden __x86_return_thunk\n\t"                                                                 \
            ".type __x86_return_thunk, @function\n"                                                          \
            "__x86_return_thunk:\n\t"                                                                        \
            ".cfi_startproc\n\t"                                                                             \
            "popq %rcx\n\t"                                                                                  \
            ".cfi_adjust_cfa_offset -8\n\t"                                                                  \
            ".cfi_register %rip, %rcx\n\t"                                                                   \
            "jmp *%rcx\n\t"                                                                                  \
            ".cfi_endproc\n\t"                                                                               \
            ".size __x86_return_thunk, . - __x86_return_thunk\n\t"                                           \
            ".popsection")

/* Of integers and pointers. In functions that call others too, so that the stack is aligned and nothing of
   theirs lies below it. The two bytes that nothing executes look like a call to whoever looks for one there,
   and are described as the frame is while the function runs. */
__attribute__((always_inline)) static inline long machine_call(const void *function, long a, long b, long c,
                                                               long d, long e, long f)
{
    register const void *r11 __asm__("r11") = function;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     ".cfi_adjust_cfa_offset 8\n\t"
                     "jmp *%%r11\n\t"
                     ".cfi_adjust_cfa_offset -8\n\t"
                     "call *%%rax\n"
                     "1:"
                     : "=a"(result), "+r"(r11), "+D"(a), "+S"(b), "+d"(c), "+c"(d), "+r"(r8), "+r"(r9)
                     :
                     : "r10", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                       "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "cc", "memory");
    return result;
}
#define MACHINE_PAD(...) MACHINE_PADDED(0, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define MACHINE_PADDED(none, a, b, c, d, e, f, ...)                                                          \
    (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f)
/* arguments: in parentheses. */
#define MACHINE_CALL(function, arguments) machine_call((const void *)(function), MACHINE_PAD arguments)
#else
#define MACHINE_RETURNS_BY_JUMP
#define MACHINE_DEFINE_RETURN             _Static_assert(1, "")
#define MACHINE_CALL(function, arguments) function arguments
#endif
