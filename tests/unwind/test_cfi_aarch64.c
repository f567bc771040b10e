// SPDX-License-Identifier: Apache-2.0
/* What is different in AArch64's call frame information, on hand-made rows: the return address is in the link register
   until it is saved, and may be signed. test_cfi.c has the rest, in the numbers of x86-64. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "sampler/cfi/cfi.h"

#if defined(__aarch64__)
enum { CODE = 0x1000, SIZE = 64, FP = 29, LR = 30, SP = 31 };

/* An .eh_frame_hdr without a table, a CIE (CFA = sp, return address in x30) and an FDE of the program. */
static uint8_t image[256];
static struct cfi_memory memory = {image, image + sizeof image, NULL};

static size_t put_entry(size_t at, uint32_t cie, const void *body, size_t size)
{
    uint32_t length = (uint32_t)(4 + size + 7) / 8 * 8 + 4;
    memset(image + at, 0, length + 4);
    memcpy(image + at, &length, 4);
    memcpy(image + at + 4, &cie, 4);
    memcpy(image + at + 8, body, size);
    return at + 4 + length;
}

static int find(const uint8_t *program, size_t size, unsigned offset, struct cfi_row *row)
{
    static const uint8_t head[] = {1, 0x1b, 0xff, 0xff, 0, 0, 0, 0};
    /* B: return addresses are signed with the other key. */
    static const uint8_t cie[] = {1, 'z', 'R', 'B', 0, 4, 0x78, LR, 1, 0x1b, 0x0c, SP, 0};
    uint8_t fde[64] = {0};
    int32_t place[2] = {0, SIZE};
    size_t at;

    memset(image, 0, sizeof image);
    memcpy(image, head, sizeof head);
    place[0] = 4;
    memcpy(image + 4, place, 4);
    at = put_entry(8, 0, cie, sizeof cie);
    place[0] = CODE - (int32_t)(at + 8);
    memcpy(fde, place, sizeof place);
    memcpy(fde + 9, program, size);
    put_entry(at, (uint32_t)(at + 4 - 8), fde, 9 + size);
    return cfi_find_row(&memory, image, (uintptr_t)image + CODE + offset, row, NULL);
}

static bool load(void *context, uintptr_t address, uint64_t *value)
{
    const uint64_t *stack = context;
    if (address < 0x10000 || address >= 0x10000 + 8 * 16)
        return false;
    *value = stack[(address - 0x10000) / 8];
    return true;
}

/* Steps from a function whose stack pointer is 0x10000, with words of 0x1000, 0x1001 ... */
static int step(const struct cfi_row *row, struct arch_regs *regs)
{
    uint64_t stack[16];
    for (unsigned i = 0; i < 16; i++)
        stack[i] = 0x1000 + i;
    *regs =
        (struct arch_regs){.r = {[ARCH_PC] = 0x500, [ARCH_SP] = 0x10000, [ARCH_FP] = 7, [ARCH_LR] = 0x600}};
    return cfi_step(&memory, row, regs, load, stack);
}

/* paciasp; stp x29, x30, [sp, #-32]! */
static const uint8_t prologue[] = {0x41, 0x2d, 0x41, 0x0e, 32, 0x9d, 4, 0x9e, 3};

static void test_return_address_in_the_link_register(void **state)
{
    struct arch_regs regs;
    struct cfi_row row;
    (void)state;
    for (unsigned offset = 0; offset < 8; offset += 4) {
        assert_int_equal(find(prologue, sizeof prologue, offset, &row), 0);
        assert_int_equal(row.how[ARCH_RETURN], CFI_SAME);
        assert_int_equal(step(&row, &regs), 0);
        assert_int_equal(regs.r[ARCH_PC], 0x600);
        assert_int_equal(regs.r[ARCH_SP], 0x10000);
        assert_int_equal(regs.r[ARCH_FP], 7);
    }
}

static void test_saved_registers(void **state)
{
    struct arch_regs regs;
    struct cfi_row row;
    (void)state;
    assert_int_equal(find(prologue, sizeof prologue, 8, &row), 0);
    assert_int_equal(row.cfa_value, 32);
    assert_int_equal(step(&row, &regs), 0);
    assert_int_equal(regs.r[ARCH_PC], 0x1001);
    assert_int_equal(regs.r[ARCH_SP], 0x10020);
    assert_int_equal(regs.r[ARCH_FP], 0x1000);
}

static void test_end_and_unknown_operations(void **state)
{
    static const uint8_t undefined[] = {0x07, LR}, with_pc[] = {0x2c}, unknown[] = {0x3f};
    struct arch_regs regs;
    struct cfi_row row;
    (void)state;
    assert_int_equal(find(undefined, sizeof undefined, 0, &row), 0);
    assert_int_equal(step(&row, &regs), -ENOENT);
    assert_int_equal(find(with_pc, sizeof with_pc, 0, &row), 0);
    assert_int_equal(find(unknown, sizeof unknown, 0, &row), -EINVAL);
}

/* A processor without pointer authentication leaves both as they are. */
static void test_signature(void **state)
{
    uint64_t address = (uintptr_t)&test_signature, signed_address;
    register uint64_t x30 __asm__("x30") = address;
    (void)state;
    __asm__ volatile("hint #25" : "+r"(x30)); /* paciasp */
    signed_address = x30;
    assert_int_equal(arch_code_address(signed_address), address);
    assert_int_equal(arch_code_address(address), address);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_return_address_in_the_link_register),
        cmocka_unit_test(test_saved_registers),
        cmocka_unit_test(test_end_and_unknown_operations),
        cmocka_unit_test(test_signature),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
int main(void)
{
    return 0;
}
#endif
