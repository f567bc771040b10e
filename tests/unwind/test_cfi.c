// SPDX-License-Identifier: Apache-2.0
/* The CFI evaluator on hand-made bytes, right ones and hostile ones, each ending at an unreadable page. The numbers of
   registers are x86-64's; test_cfi_aarch64.c has what is different there. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "sampler/cfi/cfi.h"

#if defined(__x86_64__)
enum { PAGE = 4096, CODE = 0x100000 /* where the function is, from the image's start */, CODE_SIZE = 64 };

/* An .eh_frame_hdr, a CIE and an FDE. */
struct image {
    uint8_t byte[1024];
    size_t size, cie, fde;
};
static uint8_t *guarded; /* the end of a readable page */

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static void put(struct image *image, const void *bytes, size_t size)
{
    memcpy(image->byte + image->size, bytes, size);
    image->size += size;
}

static void put32(struct image *image, int64_t value)
{
    int32_t word = (int32_t)value;
    put(image, &word, 4);
}

static void close_entry(struct image *image, size_t start)
{
    while (image->size % 8 != 4)
        put(image, "", 1);
    uint32_t length = (uint32_t)(image->size - start - 4);
    memcpy(image->byte + start, &length, 4);
}

/* The CIE that compilers emit: CFA = rsp + 8, return address at CFA - 8. signal adds the letter S. */
static void put_cie(struct image *image, bool signal)
{
    image->cie = image->size;
    put32(image, 0);
    put32(image, 0);
    put(image, signal ? "\1zRS\0\1\x78\20\1" : "\1zR\0\1\x78\20\1", signal ? 9 : 8);
    put(image, "\x1b\x0c\7\10\x90\1", 6);
    close_entry(image, image->cie);
}

static void put_fde(struct image *image, const uint8_t *program, size_t size)
{
    image->fde = image->size;
    put32(image, 0);
    put32(image, (int64_t)(image->size - image->cie));
    put32(image, CODE - (int64_t)image->size);
    put32(image, CODE_SIZE);
    put(image, "", 1);
    put(image, program, size);
    close_entry(image, image->fde);
}

static struct image make(const uint8_t *program, size_t size, bool signal)
{
    struct image image = {0};
    put(&image, "\1\x1b\3\x3b", 4);
    put32(&image, 20 - 4);
    put32(&image, 1);
    put32(&image, CODE);
    put32(&image, 0);
    put_cie(&image, signal);
    put_fde(&image, program, size);
    int32_t fde = (int32_t)image.fde;
    memcpy(image.byte + 16, &fde, 4);
    put32(&image, 0);
    return image;
}

/* The row at an offset in the function, from a copy of size bytes that ends where reading is fatal. */
static int find_in(const struct image *image, size_t size, unsigned offset, struct cfi_row *row,
                   struct cfi_memory *memory)
{
    *memory = (struct cfi_memory){guarded - size, guarded, NULL};
    memcpy(guarded - size, image->byte, size);
    return cfi_find_row(memory, memory->start, (uintptr_t)memory->start + CODE + offset, row, NULL);
}

static int find(const uint8_t *program, size_t size, unsigned offset, struct cfi_row *row)
{
    struct image image = make(program, size, false);
    struct cfi_memory memory;
    return find_in(&image, image.size, offset, row, &memory);
}

static bool load(void *context, uintptr_t address, uint64_t *value)
{
    const uint64_t *stack = context;
    if (address < 0x1000 || address >= 0x1000 + 8 * 16 || address % 8 != 0)
        return false;
    *value = stack[(address - 0x1000) / 8];
    return true;
}

/* Steps from a function at pc with its stack pointer at 0x1000, whose words are 100, 101, 102 ... */
static int step(const struct image *image, unsigned offset, uint64_t pc, struct arch_regs *regs)
{
    uint64_t stack[16];
    struct cfi_row row;
    struct cfi_memory memory;
    for (unsigned i = 0; i < 16; i++)
        stack[i] = 100 + i;
    *regs = (struct arch_regs){.r = {pc, 0x1000, 2, 3, 4, 5, 6, 7}};
    int error = find_in(image, image->size, offset, &row, &memory);
    return error ? error : cfi_step(&memory, &row, regs, load, stack);
}

static int step_program(const uint8_t *program, size_t size, struct arch_regs *regs)
{
    struct image image = make(program, size, false);
    return step(&image, 0, 0, regs);
}

/* push %rbp; mov %rsp,%rbp; ...; leave; ret */
#define FRAME 0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6, 0x60, 0x0c, 7, 8

static void test_prologue_and_epilogue(void **state)
{
    static const struct {
        unsigned offset;
        uint8_t base;
        int32_t distance;
        enum cfi_how fp;
    } expected[] = {{0, 7, 8, CFI_SAME},    {1, 7, 16, CFI_OFFSET},  {3, 7, 16, CFI_OFFSET},
                    {4, 6, 16, CFI_OFFSET}, {35, 6, 16, CFI_OFFSET}, {36, 7, 8, CFI_OFFSET}};
    (void)state;
    for (unsigned i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        struct cfi_row row;
        assert_int_equal(find(BYTES(FRAME), expected[i].offset, &row), 0);
        assert_int_equal(row.cfa_register, expected[i].base);
        assert_int_equal(row.cfa_value, expected[i].distance);
        assert_int_equal(row.how[ARCH_FP], expected[i].fp);
        assert_int_equal(row.how[ARCH_PC], CFI_OFFSET);
        assert_int_equal(row.value[ARCH_PC], -8);
        assert_false(row.signal);
    }
}

static void test_outside_of_the_function(void **state)
{
    struct cfi_row row;
    (void)state;
    assert_int_equal(find(BYTES(FRAME), CODE_SIZE, &row), -ENOENT);
    assert_int_equal(find(BYTES(FRAME), (unsigned)-1, &row), -ENOENT);
}

static void test_remember_and_restore(void **state)
{
    struct cfi_row row;
    (void)state;
    /* remember; CFA rsp+64; restore at 8; rbx saved, and back to the CIE's rule at 16 */
    const uint8_t program[] = {0x0a, 0x0e, 64, 0x48, 0x0b, 0x83, 3, 0x48, 0xc3};
    assert_int_equal(find(program, sizeof(program), 0, &row), 0);
    assert_int_equal(row.cfa_value, 64);
    assert_int_equal(find(program, sizeof(program), 8, &row), 0);
    assert_int_equal(row.cfa_value, 8);
    assert_int_equal(row.value[ARCH_RBX], -24);
    assert_int_equal(find(program, sizeof(program), 16, &row), 0);
    assert_int_equal(row.how[ARCH_RBX], CFI_SAME);
}

static void test_every_way_to_say_it(void **state)
{
    struct cfi_row row;
    (void)state;
    assert_int_equal(find(BYTES(0x12, 6, 0x7e), 0, &row), 0); /* def_cfa_sf rbp, -2 * -8 */
    assert_int_equal(row.cfa_register, 6);
    assert_int_equal(row.cfa_value, 16);
    assert_int_equal(find(BYTES(0x13, 0x7c), 0, &row), 0); /* def_cfa_offset_sf -4 */
    assert_int_equal(row.cfa_value, 32);
    assert_int_equal(find(BYTES(0x05, 12, 5, 0x11, 13, 0x7b, 0x2f, 14, 5), 0, &row), 0);
    assert_int_equal(row.value[ARCH_R12], -40); /* offset_extended */
    assert_int_equal(row.value[ARCH_R13], 40);  /* offset_extended_sf */
    assert_int_equal(row.value[ARCH_R14], 40);  /* GNU_negative_offset_extended */
    assert_int_equal(find(BYTES(0x14, 12, 2, 0x15, 13, 0x7e, 0x09, 14, 3, 0x2e, 24, 0x08, 15), 0, &row), 0);
    assert_int_equal(row.how[ARCH_R12], CFI_VAL_OFFSET);
    assert_int_equal(row.value[ARCH_R12], -16);
    assert_int_equal(row.value[ARCH_R13], 16);
    assert_int_equal(row.how[ARCH_R14], CFI_REGISTER);
    assert_int_equal(row.value[ARCH_R14], 3);
    assert_int_equal(row.how[ARCH_R15], CFI_SAME);
    assert_int_equal(
        find(BYTES(0x02, 8, 0x0e, 16, 0x03, 8, 0, 0x0e, 24, 0x04, 8, 0, 0, 0, 0x0e, 32), 23, &row), 0);
    assert_int_equal(row.cfa_value, 24); /* advance_loc1, 2, 4: the last one is past 23 */
    assert_int_equal(find(BYTES(0x96, 2, 0x91, 17, 0x85, 3), 0, &row), 0); /* vector and scratch registers */
}

static void test_step(void **state)
{
    struct arch_regs regs;
    (void)state;
    assert_int_equal(step_program(BYTES(0x0e, 32, 0x83, 2, 0x8c, 3, 0x09, 13, 3, 0x14, 14, 1), &regs), 0);
    assert_int_equal(regs.r[ARCH_PC], 103);
    assert_int_equal(regs.r[ARCH_SP], 0x1020);
    assert_int_equal(regs.r[ARCH_RBX], 102);
    assert_int_equal(regs.r[ARCH_R12], 101);
    assert_int_equal(regs.r[ARCH_R13], 3);
    assert_int_equal(regs.r[ARCH_R14], 0x1018);
    assert_int_equal(regs.r[ARCH_R15], 7);
}

static void test_no_caller(void **state)
{
    struct arch_regs regs;
    (void)state;
    assert_int_equal(step_program(BYTES(0x07, 16), &regs), -ENOENT);
    assert_int_equal(regs.r[ARCH_SP], 0x1000);
}

/* What linkers write for PLT entries: 8 more bytes are pushed from the 11th byte of each 16 on. */
static void test_plt_entry(void **state)
{
    struct arch_regs regs;
    struct image image =
        make(BYTES(0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22), false);
    (void)state;
    assert_int_equal(step(&image, 0, 0x10, &regs), 0);
    assert_int_equal(regs.r[ARCH_SP], 0x1008);
    assert_int_equal(step(&image, 0, 0x1b, &regs), 0);
    assert_int_equal(regs.r[ARCH_SP], 0x1010);
    assert_int_equal(regs.r[ARCH_PC], 101);
}

/* As __restore_rt has it: everything is found from the stack pointer, which itself was saved. */
static void test_signal_frame(void **state)
{
    struct arch_regs regs;
    struct cfi_row row;
    struct cfi_memory memory;
    struct image image =
        make(BYTES(0x0f, 3, 0x77, 24, 0x06, 0x10, 7, 2, 0x77, 24, 0x10, 16, 2, 0x77, 8, 0x16, 3, 2, 0x77, 5),
             true);
    (void)state;
    assert_int_equal(find_in(&image, image.size, 0, &row, &memory), 0);
    assert_true(row.signal);
    assert_int_equal(step(&image, 0, 0, &regs), 0);
    assert_int_equal(regs.r[ARCH_SP], 103);
    assert_int_equal(regs.r[ARCH_PC], 101);
    assert_int_equal(regs.r[ARCH_RBX], 0x1005);
}

static void test_linear_search(void **state)
{
    struct cfi_row row;
    struct cfi_memory memory;
    struct image image = make(BYTES(FRAME), false);
    (void)state;
    image.byte[2] = image.byte[3] = 0xff;
    assert_int_equal(find_in(&image, image.size, 4, &row, &memory), 0);
    assert_int_equal(row.cfa_register, 6);
    assert_int_equal(find_in(&image, image.size, CODE_SIZE, &row, &memory), -ENOENT); /* at the terminator */
}

static void test_hostile_programs(void **state)
{
    const struct {
        const uint8_t *program;
        size_t size;
    } hostile[] = {
        {BYTES(0x0b)},                               /* nothing to restore */
        {BYTES(0x0a, 0x0a, 0x0a, 0x0a, 0x0a)},       /* too much remembered */
        {BYTES(0x3f)},                               /* no such operation */
        {BYTES(0x0e, 0xff, 0xff, 0xff, 0xff, 0x7f)}, /* a CFA past 32 bits */
        {BYTES(0x0f, 0x7f, 0x77)},                   /* an expression past the end */
        {BYTES(0x0c, 0xff, 0xff, 0x7f, 8)},          /* a register of a large number */
        {BYTES(0x05, 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)}, /* an offset past 32 bits */
    };
    struct cfi_row row;
    (void)state;
    for (unsigned i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++)
        assert_int_equal(find(hostile[i].program, hostile[i].size, 0, &row), -EINVAL);
}

static void test_hostile_expressions(void **state)
{
    const struct {
        const uint8_t *program;
        size_t size;
        int error;
    } hostile[] = {
        {BYTES(0x0f, 3, 0x2f, 0xfd, 0xff), -EINVAL},             /* jumps to itself */
        {BYTES(0x0f, 3, 0x2f, 0xf0, 0xff), -EINVAL},             /* jumps out of itself */
        {BYTES(0x0f, 0), -EINVAL},                               /* computes nothing */
        {BYTES(0x0f, 2, 0x30, 0x22), -EINVAL},                   /* adds one value */
        {BYTES(0x0f, 4, 0x31, 0x12, 0x2f, 0xff), -EINVAL},       /* ends inside an operand */
        {BYTES(0x0f, 5, 0x31, 0x12, 0x2f, 0xfc, 0xff), -EINVAL}, /* pushes for ever */
        {BYTES(0x0f, 3, 0x31, 0x30, 0x1b), -EINVAL},             /* divides by zero */
        {BYTES(0x0f, 2, 0x31, 0x06), -EFAULT},                   /* loads from address 1 */
        {BYTES(0x0f, 2, 0x70, 0), -EINVAL},       /* counts from a register that is not known */
        {BYTES(0x0f, 1, 0xe0), -EINVAL},          /* no such operation */
        {BYTES(0x0f, 2, 0x15, 0x20), -EINVAL},    /* picks from too deep */
        {BYTES(0x0c, 7, 0, 0x90, 0x7f), -EFAULT}, /* a return address far from the stack */
    };
    struct arch_regs regs;
    (void)state;
    for (unsigned i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
        assert_int_equal(step_program(hostile[i].program, hostile[i].size, &regs), hostile[i].error);
        assert_int_equal(regs.r[ARCH_SP], 0x1000);
    }
}

/* Cut anywhere, and with any one byte changed, nothing is read past the end: the page behind it would kill
 * us. */
static void test_cut_and_changed(void **state)
{
    const struct image whole = make(BYTES(FRAME, 0x0f, 3, 0x77, 24, 0x06, 0x10, 3, 2, 0x77, 24), false);
    struct cfi_memory memory;
    struct cfi_row row;
    (void)state;
    for (size_t size = 0; size < whole.size; size++)
        find_in(&whole, size, 40, &row, &memory);
    for (size_t i = 0; i < whole.size; i++) {
        for (unsigned value = 0; value < 256; value++) {
            struct image image = whole;
            struct arch_regs regs;
            image.byte[i] = (uint8_t)value;
            step(&image, 40, 0, &regs);
            image.byte[3] = 0xff;
            step(&image, 40, 0, &regs);
        }
    }
}

int main(void)
{
    uint8_t *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED || mprotect(pages + PAGE, PAGE, PROT_NONE) != 0)
        return 1;
    guarded = pages + PAGE;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prologue_and_epilogue),
        cmocka_unit_test(test_outside_of_the_function),
        cmocka_unit_test(test_remember_and_restore),
        cmocka_unit_test(test_every_way_to_say_it),
        cmocka_unit_test(test_step),
        cmocka_unit_test(test_no_caller),
        cmocka_unit_test(test_plt_entry),
        cmocka_unit_test(test_signal_frame),
        cmocka_unit_test(test_linear_search),
        cmocka_unit_test(test_hostile_programs),
        cmocka_unit_test(test_hostile_expressions),
        cmocka_unit_test(test_cut_and_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
int main(void)
{
    return 0;
}
#endif
