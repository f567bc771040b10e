// SPDX-License-Identifier: Apache-2.0
/* Frames by code: of hand-made functions, of any bytes, and of this program's libraries, whose tables say the truth. */
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "sampler/cfi/cfi.h"
#include "sampler/segment/code_frame.h"
#include "sampler/segment/instruction.h"

struct bytes {
    const uint8_t *start;
    size_t size;
};

static bool read_code(void *context, uint64_t address, uint8_t *code)
{
    const struct bytes *bytes = context;
    uint64_t from = address - (uintptr_t)bytes->start;
    if (from > bytes->size || bytes->size - from < CODE_BYTES)
        return false;
    memcpy(code, bytes->start + from, CODE_BYTES);
    return true;
}

#if defined(__x86_64__)

static struct code_room room;

/* Of the instruction at `at` of a function, behind which stop instructions lie. final: where exit() is; 0: nowhere. */
static enum code_kind find(const uint8_t *function, size_t size, size_t at, size_t final,
                           struct code_frame *frame)
{
    static uint8_t code[256];
    struct bytes bytes = {code, sizeof code};
    struct code_range range = {(uintptr_t)code + final, 32};
    struct code_source source = {read_code, &bytes, &range, final != 0};
    memset(code, 0xcc, sizeof code);
    memcpy(code, function, size);
    memset(&room, 0xff, sizeof room);
    return code_frame_find(&source, (uintptr_t)code + at, false, &room, frame);
}
#define FIND(at, final, frame, ...)                                                                          \
    find((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), at, final, frame)

static void restores_are_found(void **state)
{
    /* push rbx; push rbp; sub $16, rsp; nop; add $16, rsp; pop rbp; pop rbx; ret */
    static const struct {
        size_t at;
        int32_t cfa, rbx, rbp;
    } expected[] = {{0, 8, 0, 0},    {1, 16, 16, 0},   {2, 24, 16, 24},
                    {6, 40, 16, 24}, {11, 24, 16, 24}, {12, 16, 16, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        struct code_frame frame;
        assert_int_equal(FIND(expected[i].at, 0, &frame, 0x53, 0x55, 0x48, 0x83, 0xec, 16, 0x90, 0x48, 0x83,
                              0xc4, 16, 0x5d, 0x5b, 0xc3),
                         CODE_FRAME);
        assert_false(frame.by_frame_pointer);
        assert_int_equal(frame.cfa, expected[i].cfa);
        assert_int_equal(frame.saved[CODE_RBX], expected[i].rbx);
        assert_int_equal(frame.saved[CODE_RBP], expected[i].rbp);
        assert_int_equal(frame.saved[CODE_R12], 0);
    }
}

static void frame_pointers_are_followed(void **state)
{
    struct code_frame frame;
    (void)state;
    /* push rbp; mov rsp, rbp; sub rax, rsp (alloca); leave; ret */
    assert_int_equal(FIND(7, 0, &frame, 0x55, 0x48, 0x89, 0xe5, 0x48, 0x29, 0xc4, 0xc9, 0xc3), CODE_FRAME);
    assert_true(frame.by_frame_pointer);
    assert_int_equal(frame.cfa, 16);
    assert_int_equal(frame.saved[CODE_RBP], 16);
}

static void the_side_that_returns_is_taken(void **state)
{
    struct code_frame frame;
    (void)state;
    /* push rax; je 1f; call exit; 1: pop rdx; ret */
    assert_int_equal(FIND(1, 64, &frame, 0x50, 0x74, 5, 0xe8, 56, 0, 0, 0, 0x5a, 0xc3), CODE_FRAME);
    assert_int_equal(frame.cfa, 16);
    /* push rax; jmp *0x1000(rip): another module's function goes on */
    assert_int_equal(FIND(1, 0, &frame, 0x50, 0x58, 0xff, 0x25, 0, 0x10, 0, 0), CODE_FRAME);
    assert_int_equal(frame.cfa, 16);
    /* a switch: add rdi, rdx; jmp *rdx; pop rcx; ret */
    assert_int_equal(FIND(0, 0, &frame, 0x48, 0x01, 0xfa, 0xff, 0xe2, 0x59, 0xc3), CODE_FRAME);
    assert_int_equal(frame.cfa, 16);
}

/* push rbx of a function that is called in place of this one must not be taken for this one's. */
static void what_a_tail_call_saves_is_its_own(void **state)
{
    struct code_frame frame;
    (void)state;
    /* push rbx; pop rbx; jmp 1f; nop; 1: push rbx; pop rbx; ret */
    assert_int_equal(FIND(2, 0, &frame, 0x53, 0x5b, 0xeb, 1, 0x90, 0x53, 0x5b, 0xc3), CODE_FRAME);
    assert_int_equal(frame.cfa, 8);
    assert_int_equal(frame.saved[CODE_RBX], 0);
}

static void what_does_not_return_is_the_last(void **state)
{
    struct code_frame frame;
    (void)state;
    assert_int_equal(FIND(0, 64, &frame, 0x50, 0xe8, 58, 0, 0, 0), CODE_LAST); /* push rax; call exit */
    assert_int_equal(FIND(0, 0, &frame, 0xf4), CODE_LAST);                     /* hlt */
    assert_int_equal(FIND(0, 0, &frame, 0xeb, 0xfe), CODE_LAST);               /* jmp to itself */
    assert_int_equal(FIND(250, 0, &frame, 0x90), CODE_UNKNOWN);                /* at what cannot be read */
    assert_int_equal(FIND(0, 0, &frame, 0x06), CODE_UNKNOWN);                  /* no instruction */
    /* exit() itself: push rbx; push rax; call */
    assert_int_equal(FIND(34, 32, &frame, 0x90, [32] = 0x53, 0x50, 0xe8, 0, 0, 0, 0), CODE_FRAME);
    assert_int_equal(frame.cfa, 24);
    assert_int_equal(frame.saved[CODE_RBX], 16);
}

static void a_signal_frame_is_not_for_code_to_tell(void **state)
{
    struct code_frame frame;
    (void)state;
    assert_int_equal(FIND(0, 0, &frame, 0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05), CODE_UNKNOWN);
}

/* Any bytes end in an answer, and nothing beyond them is read. */
static void any_bytes_are_code(void **state)
{
    enum { ROUNDS = 20000, SIZE = 200 };
    (void)state;
    srand(1);
    for (int i = 0; i < ROUNDS; i++) {
        uint8_t *code = malloc(SIZE);
        struct bytes bytes = {code, SIZE};
        struct code_source source = {read_code, &bytes, NULL, 0};
        struct code_frame frame;
        for (int at = 0; at < SIZE; at++)
            code[at] = (uint8_t)(rand() >> 8);
        if (code_frame_find(&source, (uintptr_t)code + (unsigned)i % SIZE, i & 1, &room, &frame) ==
            CODE_FRAME)
            assert_true(frame.by_frame_pointer || frame.cfa >= 8);
        free(code);
    }
}

/* ---- compared with tables */

struct tally {
    unsigned long compared, right, wrong;
};

static bool is_usual(const struct cfi_row *row)
{
    return !row->signal && (row->cfa_register == ARCH_DWARF_SP || row->cfa_register == ARCH_DWARF_FP) &&
           row->how[ARCH_PC] == CFI_OFFSET && row->value[ARCH_PC] == -8;
}

static void compare(struct bytes *bytes, uintptr_t pc, const struct cfi_row *row, struct tally *tally)
{
    struct code_source source = {read_code, bytes, NULL, 0};
    struct code_frame frame;
    bool by_fp = row->cfa_register == ARCH_DWARF_FP;

    tally->compared++;
    if (code_frame_find(&source, pc, false, &room, &frame) != CODE_FRAME || frame.by_frame_pointer != by_fp)
        return;
    tally->right += frame.cfa == row->cfa_value;
    tally->wrong += frame.cfa != row->cfa_value;
}

/* From one entry of .eh_frame_hdr's table to the next one, of each eighth function. */
static void compare_functions(struct cfi_memory *memory, const uint8_t *header, struct tally *tally)
{
    struct bytes bytes = {memory->start, (size_t)(memory->end - memory->start)};
    const int32_t *table = (const int32_t *)(header + 12);
    uint32_t count;
    memcpy(&count, header + 8, sizeof count);
    for (uint32_t i = 0; i + 1 < count; i += 8) {
        uintptr_t pc = (uintptr_t)header + (uintptr_t)(intptr_t)table[2 * i];
        uintptr_t end = (uintptr_t)header + (uintptr_t)(intptr_t)table[2 * i + 2];
        struct instruction in;
        struct cfi_row row;
        for (; pc < end && instruction_decode((const uint8_t *)pc, &in); pc += in.length)
            if (cfi_find_row(memory, header, pc, &row, NULL) == 0 && is_usual(&row))
                compare(&bytes, pc, &row, tally);
    }
}

static int visit(struct dl_phdr_info *info, size_t size, void *context)
{
    struct cfi_memory memory = {NULL, NULL, NULL};
    const uint8_t *header = NULL;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        const uint8_t *at = (const uint8_t *)(info->dlpi_addr + part->p_vaddr);
        if (part->p_type == PT_LOAD && !(part->p_flags & PF_W)) {
            memory.start = memory.start ? memory.start : at;
            memory.end = at + part->p_filesz;
        }
        if (part->p_type == PT_GNU_EH_FRAME)
            header = at;
    }
    if (header && memory.start && strstr(info->dlpi_name, "/lib"))
        compare_functions(&memory, header, context);
    return 0;
}

/* What is wrong or not known is behind calls that do not return, which the test does not name. Of compiled code that
   leaves few. */
static void frames_by_code_are_those_of_tables(void **state)
{
    struct tally tally = {0};
    (void)state;
    dl_iterate_phdr(visit, &tally);
    print_message("%lu of %lu frames right, %lu wrong\n", tally.right, tally.compared, tally.wrong);
    assert_true(tally.compared > 10000);
    assert_true(tally.right > tally.compared / 100 * 85);
    assert_true(tally.wrong < tally.compared / 100 * 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(restores_are_found),
        cmocka_unit_test(frame_pointers_are_followed),
        cmocka_unit_test(the_side_that_returns_is_taken),
        cmocka_unit_test(what_a_tail_call_saves_is_its_own),
        cmocka_unit_test(what_does_not_return_is_the_last),
        cmocka_unit_test(a_signal_frame_is_not_for_code_to_tell),
        cmocka_unit_test(any_bytes_are_code),
        cmocka_unit_test(frames_by_code_are_those_of_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
static void nothing_is_known_of_other_processors(void **state)
{
    static const uint8_t code[64];
    struct bytes bytes = {code, sizeof code};
    struct code_source source = {read_code, &bytes, NULL, 0};
    static struct code_room room;
    struct code_frame frame;
    (void)state;
    assert_int_equal(code_frame_find(&source, (uintptr_t)code, false, &room, &frame), CODE_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_known_of_other_processors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
