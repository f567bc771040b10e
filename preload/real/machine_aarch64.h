/* SPDX-License-Identifier: Apache-2.0 */
/* AArch64 (AAPCS64). Included by machine.h only. */

#include <sys/syscall.h>

#include "sampler/base/arch.h"

/*
 * Body of a function that calls `callee` with its own arguments. Then it jumps to the address that `callee`
 * returned, again with the same arguments, in registers and on the stack. x8: where a structure is to be
 * returned.
 */
#define MACHINE_CALL_THEN_JUMP(callee)                                                                       \
    "stp x29, x30, [sp, #-224]!\n\t"                                                                         \
    ".cfi_def_cfa_offset 224\n\t"                                                                            \
    ".cfi_offset 29, -224\n\t"                                                                               \
    ".cfi_offset 30, -216\n\t"                                                                               \
    "mov x29, sp\n\t"                                                                                        \
    "stp x0, x1, [sp, #16]\n\t"                                                                              \
    "stp x2, x3, [sp, #32]\n\t"                                                                              \
    "stp x4, x5, [sp, #48]\n\t"                                                                              \
    "stp x6, x7, [sp, #64]\n\t"                                                                              \
    "str x8, [sp, #80]\n\t"                                                                                  \
    "stp q0, q1, [sp, #96]\n\t"                                                                              \
    "stp q2, q3, [sp, #128]\n\t"                                                                             \
    "stp q4, q5, [sp, #160]\n\t"                                                                             \
    "stp q6, q7, [sp, #192]\n\t" callee "mov x16, x0\n\t"                                                    \
    "ldp x0, x1, [sp, #16]\n\t"                                                                              \
    "ldp x2, x3, [sp, #32]\n\t"                                                                              \
    "ldp x4, x5, [sp, #48]\n\t"                                                                              \
    "ldp x6, x7, [sp, #64]\n\t"                                                                              \
    "ldr x8, [sp, #80]\n\t"                                                                                  \
    "ldp q0, q1, [sp, #96]\n\t"                                                                              \
    "ldp q2, q3, [sp, #128]\n\t"                                                                             \
    "ldp q4, q5, [sp, #160]\n\t"                                                                             \
    "ldp q6, q7, [sp, #192]\n\t"                                                                             \
    "ldp x29, x30, [sp], #224\n\t"                                                                           \
    ".cfi_def_cfa_offset 0\n\t"                                                                              \
    ".cfi_restore 29\n\t"                                                                                    \
    ".cfi_restore 30\n\t"                                                                                    \
    "br x16\n\t"

/* Bodies of a stub that goes on in `common` with its number, and of `common`, which calls `callee(number)` and
   jumps to the address that this returned. */
#define MACHINE_NUMBER_THEN_JUMP(number, common) "mov w17, #" number "\n\tb " common "\n\t"
#define MACHINE_NUMBERED(callee)                 MACHINE_CALL_THEN_JUMP("mov w0, w17\n\tbl " callee "\n\t")

/*
 * clone() of a child that runs main(argument) on a stack of its own and exits with its result. Raw: no errno,
 * no atfork handler. Signal-safe. Returns the child's pid or negative errno.
 */
static inline long machine_clone(unsigned long flags, void *stack_top, int (*main)(void *), void *argument)
{
    register long x8 __asm__("x8") = SYS_clone;
    register long x0 __asm__("x0") = (long)flags;
    register void *x1 __asm__("x1") = stack_top;
    register long x2 __asm__("x2") = 0;
    register long x3 __asm__("x3") = 0;
    register long x4 __asm__("x4") = 0;
    register int (*x5)(void *) __asm__("x5") = main; /* the kernel leaves these two to the child */
    register void *x6 __asm__("x6") = argument;
    __asm__ volatile("svc #0\n\t"
                     "cbnz x0, 1f\n\t"
                     "mov x29, xzr\n\t"
                     "mov x30, xzr\n\t"
                     "mov x0, x6\n\t"
                     "blr x5\n\t"
                     "mov x8, %[exit]\n\t"
                     "svc #0\n\t"
                     "udf #0\n"
                     "1:"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5), "r"(x6), [exit] "i"(SYS_exit)
                     : "memory");
    return x0;
}

/* Returns are predicted well: hooks call functions as the compiler does (see machine_x86_64.h). */
#define MACHINE_RETURNS_BY_JUMP
#define MACHINE_DEFINE_RETURN             _Static_assert(1, "")
#define MACHINE_CALL(function, arguments) function arguments
