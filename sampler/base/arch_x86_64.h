/* SPDX-License-Identifier: Apache-2.0 */
/* x86-64 (System V ABI). Included by arch.h only. */

#include <elf.h>
#include <linux/audit.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/ucontext.h>

/* What the loader stores the address of a function by: in a slot for calls, one for data, or any word. */
enum {
    ARCH_RELOCATION_JUMP = R_X86_64_JUMP_SLOT,
    ARCH_RELOCATION_DATA = R_X86_64_GLOB_DAT,
    ARCH_RELOCATION_WORD = R_X86_64_64,
};

/* The registers that a stack walk needs: pc, sp and what a callee must preserve. Same order in
 * seg_thread.wait_regs. */
enum arch_reg { ARCH_PC, ARCH_SP, ARCH_FP, ARCH_RBX, ARCH_R12, ARCH_R13, ARCH_R14, ARCH_R15, ARCH_REGS };
#define ARCH_RETURN             ARCH_PC /* where call frame information has the caller's pc */
#define ARCH_RETURN_IN_REGISTER false
enum { ARCH_CALL_PUSHES = true /* the return address is the word below the CFA */ };
struct arch_regs {
    uint64_t r[ARCH_REGS];
    const ucontext_t *context; /* of an interrupted frame, where these and all others are known; else NULL */
};

enum { ARCH_DWARF_FP = 6, ARCH_DWARF_SP = 7, ARCH_DWARF_PC = 16, ARCH_DWARF_RETURN = ARCH_DWARF_PC };

/* DWARF numbers of the above, in the same order (psABI figure 3.36; 16 is the return address column). */
static const uint8_t arch_dwarf[ARCH_REGS] = {ARCH_DWARF_PC, ARCH_DWARF_SP, ARCH_DWARF_FP, 3, 12, 13, 14, 15};

/* Operations of call frame information that change nothing here. */
static inline bool arch_cfi_is_void(uint8_t operation)
{
    (void)operation;
    return false;
}

/* Where the addresses of programs end. */
#define ARCH_USER_END (UINT64_C(1) << 47)

/* The largest page of any kernel. The smallest is LAYOUT_PAGE everywhere. */
enum { ARCH_PAGE_MOST = 4096 };

/* A return address as it is in a register or on the stack. */
static inline uint64_t arch_code_address(uint64_t value)
{
    return value;
}

/* The registers of the function that this is inlined in, in the order of enum arch_reg. */
__attribute__((always_inline)) static inline void arch_capture_words(uint64_t words[ARCH_REGS])
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
                     : "D"(words)
                     : "rax", "memory");
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
    __asm__ volatile("movq %%rsp, %%rbx\n\t"
                     "movq %%rsi, %%rsp\n\t"
                     "call *%%rax\n\t"
                     "movq %%rbx, %%rsp"
                     : "+D"(argument), "+S"(top), "+a"(function)
                     :
                     : "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",
                       "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
                       "xmm15", "cc", "memory");
}

static const uint8_t arch_greg[ARCH_REGS] = {REG_RIP, REG_RSP, REG_RBP, REG_RBX,
                                             REG_R12, REG_R13, REG_R14, REG_R15};

/* The interrupted registers, from a handler's third argument. */
static inline void arch_from_signal(struct arch_regs *regs, const void *context)
{
    const ucontext_t *uc = context;
    for (int i = 0; i < ARCH_REGS; i++)
        regs->r[i] = (uint64_t)uc->uc_mcontext.gregs[arch_greg[i]];
    regs->context = uc;
}

/* Where a register is in a ucontext. */
static inline size_t arch_context_place(enum arch_reg reg)
{
    return offsetof(ucontext_t, uc_mcontext.gregs) + sizeof(greg_t) * arch_greg[reg];
}

/* The kernel's frame of a handler is a ucontext and a siginfo; a return address lies below them. */
enum { ARCH_FRAME_UCONTEXT = 0 };

/* glibc's signal trampoline has call frame information. musl's is these two instructions, mov
   $__NR_rt_sigreturn, %rax; syscall, without any. */
enum { ARCH_TRAMPOLINE_SIZE = 9 };
static inline bool arch_is_trampoline(const uint8_t code[ARCH_TRAMPOLINE_SIZE])
{
    static const uint8_t expected[] = {0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05};
    return !__builtin_memcmp(code, expected, sizeof expected);
}

/* The kernel may deliver two signals at once. Then the second one's context is the first one's handler,
   which has its arguments in registers and has executed no instruction. Returns the context that this
   handler is about to interrupt, or NULL. The kernel's frame is a return address, a ucontext of 304 bytes
   and a siginfo. */
static inline const ucontext_t *arch_handler_begins(const ucontext_t *uc)
{
    enum { KERNEL_UCONTEXT = 304, SIGNALS = 64 };
    const greg_t *r = uc->uc_mcontext.gregs;
    if (r[REG_RDX] != r[REG_RSP] + 8 || r[REG_RSI] != r[REG_RDX] + KERNEL_UCONTEXT || r[REG_RAX] != 0 ||
        r[REG_RDI] < 1 || r[REG_RDI] > SIGNALS)
        return NULL;
    return (const ucontext_t *)r[REG_RDX];
}

/* The place of a DWARF register in enum arch_reg, or -1: it is not kept from frame to frame. */
static inline int arch_reg_of_dwarf(uint64_t number)
{
    static const int8_t place[ARCH_DWARF_PC + 1] = {-1,       -1,       -1,       ARCH_RBX, -1,     -1,
                                                    ARCH_FP,  ARCH_SP,  -1,       -1,       -1,     -1,
                                                    ARCH_R12, ARCH_R13, ARCH_R14, ARCH_R15, ARCH_PC};
    return number <= ARCH_DWARF_PC ? place[number] : -1;
}

/* The value of a DWARF register. false: not known in this frame. Prologues that realign the stack count
   from r10 for some instructions, and assembly counts from rax or r11. */
static inline bool arch_read_dwarf(const struct arch_regs *regs, uint64_t number, uint64_t *value)
{
    static const uint8_t from[ARCH_DWARF_PC + 1] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
                                                    REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                                    REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};
    int kept = arch_reg_of_dwarf(number);
    if (kept >= 0)
        *value = regs->r[kept];
    else if (number <= ARCH_DWARF_PC && regs->context)
        *value = (uint64_t)regs->context->uc_mcontext.gregs[from[number]];
    else
        return false;
    return true;
}

/* Before a function that may be called with a stack that is not aligned. */
#define ARCH_REALIGNS_STACK __attribute__((force_align_arg_pointer))

/* What a seccomp filter is told. */
#define ARCH_AUDIT AUDIT_ARCH_X86_64

/* For a loop that waits for another processor. */
static inline void arch_pause(void)
{
    __builtin_ia32_pause();
}

static inline uintptr_t arch_thread_pointer(void)
{
    uintptr_t pointer;
    __asm__("movq %%fs:0, %0" : "=r"(pointer));
    return pointer;
}

/* Where the C library has the address of the calling thread's table of blocks of thread-local storage (DTV). */
static inline uintptr_t arch_tls_blocks(bool is_musl)
{
    (void)is_musl;
    return arch_thread_pointer() + 8;
}

/* Defines one byte of code at `inside`, and `abort` behind the signature that glibc registers with rseq. */
#define ARCH_RSEQ_CODE(inside, abort)                                                                        \
    __asm__(".pushsection .text\n" #inside ":\n\tnop\n\t"                                                    \
            ".byte 0x0f, 0xb9, 0x3d\n\t.long 0x53053053\n" #abort ":\n\tud2\n\t"                             \
            ".popsection")

/* A system call without libc: no errno, no cancellation point. Returns the kernel's value, negative errno on
 * error. */
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
