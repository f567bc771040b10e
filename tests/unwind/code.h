// SPDX-License-Identifier: Apache-2.0
/* What the tests of walks need of the processor: assembly without call frame information, generated code, calls. */
#ifndef CPROF_TESTS_UNWIND_CODE_H
#define CPROF_TESTS_UNWIND_CODE_H

#include <stdint.h>
#include <sys/ucontext.h>

/* bare_leaf() does nothing, bare_pushes() saves registers, bare_frame() counts its frame from a frame pointer, with more
   zeros below it than a search reads. Each executes one instruction that does not exist. */
void bare_leaf(void);
void bare_pushes(void);
void bare_frame(void);

/* Functions as compilers make them by options that this program is not built with. */
#if defined(__aarch64__) && !defined(__clang__)
#define WITH_SIGNED_RETURNS   __attribute__((noinline, target("branch-protection=standard")))
#define WITHOUT_FRAME_POINTER __attribute__((noinline, optimize("omit-frame-pointer")))
#else
#define WITH_SIGNED_RETURNS   __attribute__((noinline))
#define WITHOUT_FRAME_POINTER __attribute__((noinline))
#endif

#if defined(__aarch64__)
__asm__(".text\n"
        "bare_leaf:\n\tudf #0\n\tret\n"
        "bare_pushes:\n\tstr x30, [sp, #-16]!\n\tstp x19, x20, [sp, #-16]!\n\tsub sp, sp, #32\n\tstr xzr, "
        "[sp]\n\t"
        "udf #0\n\tadd sp, sp, #32\n\tldp x19, x20, [sp], #16\n\tldr x30, [sp], #16\n\tret\n"
        "bare_frame:\n\tstp x29, x30, [sp, #-16]!\n\tmov x29, sp\n\tsub sp, sp, #1024\n\tmov x9, sp\n"
        "0:\tstp xzr, xzr, [x9], #16\n\tcmp x9, x29\n\tb.ne 0b\n\tudf #0\n\tmov sp, x29\n\t"
        "ldp x29, x30, [sp], #16\n\tret\n");

static inline void skip_instruction(ucontext_t *context)
{
    context->uc_mcontext.pc += 4;
}

/* stp x29, x30, [sp, #-16]!; mov x29, sp; blr x0; ldp x29, x30, [sp], #16; ret */
static const uint32_t generated_code[] = {0xa9bf7bfd, 0x910003fd, 0xd63f0000, 0xa8c17bfd, 0xd65f03c0};
enum { GENERATED_RETURN = 12 };

/* Each ends at the eighth byte. bl; blr x8; blraa x8, x9; blraaz x8. b; br x8; ret. */
static const uint8_t after_call[][8] = {
    {[6] = 0x94}, {[4] = 0x01, 0x3f, 0xd6}, {[3] = 0x09, 0x09, 0x3f, 0xd7}, {[3] = 0x1f, 0x09, 0x3f, 0xd6}};
static const uint8_t not_after_call[][8] = {
    {[6] = 0x14}, {[4] = 0x01, 0x1f, 0xd6}, {[3] = 0xc0, 0x03, 0x5f, 0xd6}};
#else
__asm__(
    ".text\n"
    "bare_leaf:\n\tud2\n\tret\n"
    "bare_pushes:\n\tpush %rbx\n\tpush %r12\n\tsub $24, %rsp\n\tmovq $0, (%rsp)\n\tud2\n\tadd $24, %rsp\n\t"
    "pop %r12\n\tpop %rbx\n\tret\n"
    "bare_frame:\n\tpush %rbp\n\tmov %rsp, %rbp\n\tsub $1024, %rsp\n\tmov %rsp, %rdi\n\tmov $128, %ecx\n\t"
    "xor %eax, %eax\n\trep stosq\n\tud2\n\tleave\n\tret\n");

static inline void skip_instruction(ucontext_t *context)
{
    context->uc_mcontext.gregs[REG_RIP] += 2;
}

/* push, mov, call *%rdi, pop, ret */
static const uint8_t generated_code[] = {0x55, 0x48, 0x89, 0xe5, 0xff, 0xd7, 0x5d, 0xc3};
enum { GENERATED_RETURN = 6 };

static const uint8_t after_call[][8] = {
    {[2] = 0xe8}, {[5] = 0xff, 0xd0}, {[1] = 0xff, 0x15}, {[4] = 0xff, 0x50, 8}};
static const uint8_t not_after_call[][8] = {{[2] = 0xe9}, {[5] = 0xff, 0xe0}, {[5] = 0xff, 0x30}};
#endif

#endif
