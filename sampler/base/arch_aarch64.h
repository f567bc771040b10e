/* SPDX-License-Identifier: Apache-2.0 */
/* AArch64 (AAPCS64). Included by arch.h only. */

#include <elf.h>
#include <linux/audit.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/ucontext.h>

/* What the loader stores the address of a function by: in a slot for calls, one for data, or any word. */
enum {
    ARCH_RELOCATION_JUMP = R_AARCH64_JUMP_SLOT,
    ARCH_RELOCATION_DATA = R_AARCH64_GLOB_DAT,
    ARCH_RELOCATION_WORD = R_AARCH64_ABS64,
};

/*
 * The registers that a stack walk needs. Compilers count a CFA from sp or from the frame pointer (x29) only,
 * so the other registers that a callee preserves are known in an interrupted frame alone. A function that
 * calls none keeps its return address in the link register (x30). Same order in seg_thread.wait_regs.
 */
enum arch_reg { ARCH_PC, ARCH_SP, ARCH_FP, ARCH_LR, ARCH_REGS };
#define ARCH_RETURN             ARCH_LR /* where call frame information has the caller's pc */
#define ARCH_RETURN_IN_REGISTER true
enum { ARCH_CALL_PUSHES = false };
struct arch_regs {
    uint64_t r[ARCH_REGS];
    const ucontext_t *context; /* of an interrupted frame, where these and all others are known; else NULL */
};

enum { ARCH_DWARF_FP = 29, ARCH_DWARF_RETURN = 30, ARCH_DWARF_SP = 31, ARCH_DWARF_PC = 32 };

/* DWARF numbers of the above, in the same order (DWARF for the Arm 64-bit Architecture, section 4.1). */
static const uint8_t arch_dwarf[ARCH_REGS] = {ARCH_DWARF_PC, ARCH_DWARF_SP, ARCH_DWARF_FP, ARCH_DWARF_RETURN};

/* Operations of call frame information that say whether the return address is signed. It is cleaned in any
   case (arch_code_address()), so they change nothing. */
static inline bool arch_cfi_is_void(uint8_t operation)
{
    enum { NEGATE_RA_STATE_WITH_PC = 0x2c, NEGATE_RA_STATE = 0x2d };
    return operation == NEGATE_RA_STATE || operation == NEGATE_RA_STATE_WITH_PC;
}

/* Where the addresses of programs end: they have 48 bits at most unless a program asks mmap() for others. */
#define ARCH_USER_END (UINT64_C(1) << 48)

/* The largest page of any kernel. The smallest is LAYOUT_PAGE everywhere. */
enum { ARCH_PAGE_MOST = 65536 };

/* A return address without its signature. xpaclri, as a hint: processors without pointer authentication
   ignore it. */
static inline uint64_t arch_code_address(uint64_t value)
{
    register uint64_t x30 __asm__("x30") = value;
    __asm__("hint #7" : "+r"(x30));
    return x30;
}

/* The registers of the function that this is inlined in, in the order of enum arch_reg. x30 is the return
   address if the function has not saved it yet, which its call frame information tells. */
__attribute__((always_inline)) static inline void arch_capture_words(uint64_t words[ARCH_REGS])
{
    __asm__ volatile("adr x9, .\n\t"
                     "mov x10, sp\n\t"
                     "stp x9, x10, [%0]\n\t"
                     "stp x29, x30, [%0, #16]"
                     :
                     : "r"(words)
                     : "x9", "x10", "memory");
}

__attribute__((always_inline)) static inline void arch_capture(struct arch_regs *regs)
{
    arch_capture_words(regs->r);
    regs->context = NULL;
}

/* Calls function(argument) on another stack. top is its upper end, a multiple of 16. Meanwhile no signal
   may be delivered whose handler looks at where the stack pointer is. */
static inline void arch_call_on(void *top, void (*function)(void *), void *argument)
{
    register void *x0 __asm__("x0") = argument;
    register void *x1 __asm__("x1") = top;
    register void (*x2)(void *) __asm__("x2") = function;
    __asm__ volatile("mov x19, sp\n\t"
                     "mov sp, x1\n\t"
                     "blr x2\n\t"
                     "mov sp, x19"
                     : "+r"(x0), "+r"(x1), "+r"(x2)
                     :
                     : "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15",
                       "x16", "x17", "x18", "x19", "x30", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7",
                       "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19",
                       "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31",
                       "cc", "memory");
}

/* The registers of a context that the kernel or a handler's third argument points to. */
static inline void arch_from_signal(struct arch_regs *regs, const void *context)
{
    const ucontext_t *uc = context;
    regs->r[ARCH_PC] = uc->uc_mcontext.pc;
    regs->r[ARCH_SP] = uc->uc_mcontext.sp;
    regs->r[ARCH_FP] = uc->uc_mcontext.regs[ARCH_DWARF_FP];
    regs->r[ARCH_LR] = uc->uc_mcontext.regs[ARCH_DWARF_RETURN];
    regs->context = uc;
}

/* Where a register is in a ucontext. */
static inline size_t arch_context_place(enum arch_reg reg)
{
    static const uint16_t place[ARCH_REGS] = {offsetof(ucontext_t, uc_mcontext.pc),
                                              offsetof(ucontext_t, uc_mcontext.sp),
                                              offsetof(ucontext_t, uc_mcontext.regs[ARCH_DWARF_FP]),
                                              offsetof(ucontext_t, uc_mcontext.regs[ARCH_DWARF_RETURN])};
    return place[reg];
}

/* The kernel's frame of a handler is a siginfo and a ucontext. */
enum { ARCH_FRAME_UCONTEXT = 128 };
_Static_assert(sizeof(siginfo_t) == ARCH_FRAME_UCONTEXT, "a ucontext follows it");

/* Signal trampolines have no call frame information: unwinders know them by these two instructions,
   mov x8, #__NR_rt_sigreturn; svc #0. */
enum { ARCH_TRAMPOLINE_SIZE = 8 };
static inline bool arch_is_trampoline(const uint8_t code[ARCH_TRAMPOLINE_SIZE])
{
    static const uint8_t expected[] = {0x68, 0x11, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4};
    return !__builtin_memcmp(code, expected, sizeof expected);
}

/* The kernel may deliver two signals at once. Then the second one's context is the first one's handler,
   which has its arguments in registers and has executed no instruction. Returns the context that this
   handler is about to interrupt, or NULL. A handler without SA_SIGINFO gets no arguments that tell. */
static inline const ucontext_t *arch_handler_begins(const ucontext_t *uc)
{
    enum { SIGNALS = 64 };
    const mcontext_t *m = &uc->uc_mcontext;
    if (m->regs[1] != m->sp || m->regs[2] != m->sp + ARCH_FRAME_UCONTEXT || m->regs[0] < 1 ||
        m->regs[0] > SIGNALS)
        return NULL;
    return (const ucontext_t *)m->regs[2];
}

/* The place of a DWARF register in enum arch_reg, or -1: it is not kept from frame to frame. */
static inline int arch_reg_of_dwarf(uint64_t number)
{
    static const int8_t place[] = {ARCH_FP, ARCH_LR, ARCH_SP, ARCH_PC};
    return number - ARCH_DWARF_FP < sizeof place ? place[number - ARCH_DWARF_FP] : -1;
}

/* The value of a DWARF register. false: not known in this frame. */
static inline bool arch_read_dwarf(const struct arch_regs *regs, uint64_t number, uint64_t *value)
{
    int kept = arch_reg_of_dwarf(number);
    if (kept >= 0)
        *value = regs->r[kept];
    else if (number < ARCH_DWARF_FP && regs->context)
        *value = regs->context->uc_mcontext.regs[number];
    else
        return false;
    return true;
}

/* Its stack pointer is always aligned. */
#define ARCH_REALIGNS_STACK

/* What a seccomp filter is told. */
#define ARCH_AUDIT AUDIT_ARCH_AARCH64

/* For a loop that waits for another processor. */
static inline void arch_pause(void)
{
    __asm__ volatile("yield");
}

static inline uintptr_t arch_thread_pointer(void)
{
    uintptr_t pointer;
    __asm__("mrs %0, tpidr_el0" : "=r"(pointer));
    return pointer;
}

/* Where the C library has the address of the calling thread's table of blocks of thread-local storage (DTV). */
static inline uintptr_t arch_tls_blocks(bool is_musl)
{
    return arch_thread_pointer() - (is_musl ? 8 : 0);
}

/* Defines one instruction of code at `inside`, and `abort` behind the signature that glibc registers with
   rseq. */
#define ARCH_RSEQ_CODE(inside, abort)                                                                        \
    __asm__(".pushsection .text\n" #inside ":\n\tnop\n\t"                                                    \
            ".inst 0xd428bc00\n" #abort ":\n\tudf #0\n\t"                                                    \
            ".popsection")

/* A system call without libc: no errno, no cancellation point. Returns the kernel's value, negative errno on
 * error. */
static inline long arch_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
}
