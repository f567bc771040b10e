// SPDX-License-Identifier: Apache-2.0
/*
 * Rows for modules without call frame information: made of their instructions (sampler/segment/code_frame.h), and kept
 * as other rows are. These are musl's libc and what is linked without .eh_frame_hdr, as musl-gcc does. The functions of
 * musl that do not return are known by name. The rules in unwind.c hold here, too.
 */
#include <string.h>

#include "sampler/libc/elf.h"
#include "sampler/libc/libc.h"
#include "sampler/segment/code_frame.h"
#include "walk.h"

_Static_assert(sizeof(struct code_room) <= sizeof(((struct unwind_room *)0)->stack), "it fits");

/* Written by code_rows_start(). */
static struct {
    uintptr_t start, end; /* of musl's libc, which has tables for some bytes; 0, 0: another libc */
    struct code_range final[CODE_FINALS];
    unsigned finals;
} musl;

static int note_libc(struct dl_phdr_info *info, size_t size, void *context)
{
    struct elf_dynamic module;
    struct module found;
    (void)size;
    (void)context;
    if (!elf_covers(info, (uintptr_t)libc.pthread_atfork) || !elf_dynamic_open(&module, info) ||
        !module_find((uintptr_t)libc.pthread_atfork, &found))
        return 0;
    musl.start = found.start;
    musl.end = found.end;
    for (unsigned i = 0; code_final_name(i) && musl.finals < CODE_FINALS; i++) {
        struct code_range *final = &musl.final[musl.finals];
        size_t bytes;
        final->start = (uintptr_t)elf_find_sized(&module, code_final_name(i), &bytes);
        final->size = bytes;
        musl.finals += final->start != 0;
    }
    return 1;
}

void code_rows_start(void)
{
    if (libc.kind == LIBC_MUSL && libc.pthread_atfork)
        libc_iterate(note_libc, NULL);
}

static bool read_code(void *context, uint64_t address, uint8_t *code)
{
    const uint8_t *bytes = peek_at(context, address, CODE_BYTES);
    if (bytes)
        memcpy(code, bytes, CODE_BYTES);
    return bytes;
}

#if defined(__x86_64__)
static uint64_t pack(const struct code_frame *frame)
{
    static const uint8_t code_of[ARCH_REGS - ARCH_FP] = {CODE_RBP, CODE_RBX, CODE_R12,
                                                         CODE_R13, CODE_R14, CODE_R15};
    uint64_t packed = ROW_PACKED | (uint64_t)(frame->by_frame_pointer ? ARCH_FP : ARCH_SP) << PACK_REGISTER |
                      (uint64_t)(frame->cfa / 8) << PACK_OFFSET;
    if (frame->cfa % 8 != 0)
        return ROW_NO_CFI;
    for (int i = 0; i < ARCH_REGS - ARCH_FP; i++) {
        int words = frame->saved[code_of[i]] / 8 - 1;
        if (words >= 1 && words <= PACK_SAVED_MOST)
            packed |= (uint64_t)words << (PACK_SAVED + 4 * i);
    }
    return packed;
}
#else
static uint64_t pack(const struct code_frame *frame)
{
    (void)frame;
    return ROW_NO_CFI;
}
#endif

/* Of an address that a call returns to, or of the next instruction. ROW_NO_CFI: other code of the module has
   call frame information, or it is not understood. */
uint64_t code_row_read(struct walk *w, uintptr_t pc, bool is_return)
{
    struct code_source source = {read_code, &w->room->peek, musl.final, musl.finals};
    struct code_frame frame;

    if (pc - musl.start >= musl.end - musl.start && w->room->peek.module.frame_hdr)
        return ROW_NO_CFI;
    w->copied = 0; /* its room is used */
    switch (code_frame_find(&source, pc, is_return, (struct code_room *)w->room->stack, &frame)) {
    case CODE_FRAME:
        return pack(&frame);
    case CODE_LAST:
        return ROW_LAST;
    default:
        return ROW_NO_CFI;
    }
}
