/* SPDX-License-Identifier: Apache-2.0 */
/* x86-64 (System V ABI). Included by arch.h only. */

#include <stddef.h>
#include <sys/ucontext.h>

/* The registers that a stack walk needs: pc, sp and what a callee must preserve. Same order in seg_thread.wait_regs. */
enum arch_reg { ARCH_PC, ARCH_SP, ARCH_FP, ARCH_RBX, ARCH_R12, ARCH_R13, ARCH_R14, ARCH_R15, ARCH_REGS };
struct arch_regs {
    uint64_t r[ARCH_REGS];
};

/* DWARF numbers of the above, in the same order (psABI figure 3.36; 16 is the return address column). */
static const uint8_t arch_dwarf[ARCH_REGS] = {16, 7, 6, 3, 12, 13, 14, 15};

/* The registers as they are in the function this is inlined in. */
__attribute__((always_inline)) static inline void arch_capture(struct arch_regs *regs)
{
    __asm__ volatile("leaq 0(%%rip), %%rax\n\t"
                     "movq %%rax, 0(%0)\n\t"
                     "movq %%rsp, 8(%0)\n\t"
                     "movq %%rbp, 16(%0)\n\t"
                     "movq %%rbx, 24(%0)\n\t"
                     "movq %%r12, 32(%0)\n\t"
                     "movq %%r13, 40(%0)\n\t"
                     "movq %%r14, 48(%0)\n\t"
                     "movq %%r15, 56(%0)"
                     :
                     : "D"(regs)
                     : "rax", "memory");
}

/* The interrupted registers, from a handler's third argument. */
static inline void arch_from_signal(struct arch_regs *regs, const void *context)
{
    static const uint8_t from[ARCH_REGS] = {REG_RIP, REG_RSP, REG_RBP, REG_RBX, REG_R12, REG_R13, REG_R14, REG_R15};
    const ucontext_t *uc = context;
    for (int i = 0; i < ARCH_REGS; i++)
        regs->r[i] = (uint64_t)uc->uc_mcontext.gregs[from[i]];
}

/* Time stamp counter; its rate is found by the uploader from two readings with their CLOCK_MONOTONIC. */
static inline uint64_t arch_ticks(void)
{
    return __builtin_ia32_rdtsc();
}

/* A system call without libc: no errno, no cancellation point. Returns the kernel's value, negative errno on error. */
static inline long arch_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
