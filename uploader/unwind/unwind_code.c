/* SPDX-License-Identifier: Apache-2.0 */
/* What code says: where calls return to, and what a function does to the stack, if it has no call frame information
   (sampler/segment/code_frame.h). */
#include <string.h>

#include "sampler/segment/return_address.h"
#include "unwind_state.h"

bool unwind_is_after_call(struct unwinder *unwinder, uint64_t pc)
{
    const struct code_mapping *mapping = proc_maps_find_code(&unwinder->maps, pc - CALL_MOST);
    uint64_t at = (pc - CALL_MOST) & ~UINT64_C(7), word[2];
    const uint8_t *code = (const uint8_t *)word + (pc - at);

    if (!mapping || !mapping->image || !unwind_may_read(unwinder, 2) ||
        !elf_image_read(mapping->image, at - mapping->bias, &word[0]) ||
        !elf_image_read(mapping->image, at + sizeof word[0] - mapping->bias, &word[1]))
        return false;
    return is_code_after_call(code);
}

struct reader {
    struct unwinder *unwinder;
    const struct code_mapping *mapping;
};

/* The file's code may end within the bytes. */
static bool read_code(void *context, uint64_t address, uint8_t *code)
{
    enum { WORDS = CODE_BYTES / 8 + 1 };
    const struct reader *reader = context;
    uint64_t word[WORDS] = {0}, at = address & ~UINT64_C(7);

    if (!unwind_may_read(reader->unwinder, WORDS) || !elf_image_read(reader->mapping->image, at, &word[0]))
        return false;
    for (int i = 1; i < WORDS; i++)
        if (!elf_image_read(reader->mapping->image, at + 8 * (uint64_t)i, &word[i]))
            break;
    memcpy(code, (const uint8_t *)word + (address - at), CODE_BYTES);
    return true;
}

/* What the code at an address does is the same each time that a walk comes there. */
static const struct known_code *find_code(struct unwinder *unwinder, const struct code_mapping *mapping,
                                          uint64_t pc, bool is_return)
{
    struct known_code *known = &unwinder->code[pc % UNWIND_CODES];
    struct reader reader = {unwinder, mapping};
    struct code_source source = {.read = read_code, .context = &reader};
    static struct code_room room;

    if (known->pc == pc && known->image == mapping->image && known->is_return == is_return)
        return known;
    source.final = elf_image_final(mapping->image, &source.finals);
    *known = (struct known_code){.pc = pc, .image = mapping->image, .is_return = is_return};
    known->kind = code_frame_find(&source, pc - mapping->bias, is_return, &room, &known->frame);
    return known;
}

/* The caller's registers into unwinder->regs. false: the stack says otherwise. */
static bool apply(struct unwinder *unwinder, const struct code_frame *frame)
{
    uint64_t cfa = unwinder->regs[frame->by_frame_pointer ? REG_FP : REG_SP] + (uint64_t)(int64_t)frame->cfa,
             pc;

    if ((frame->by_frame_pointer && !(unwinder->known >> REG_FP & 1)) || cfa % 8 ||
        cfa <= unwinder->regs[REG_SP] || !unwind_read_word(unwinder, cfa - 8, &pc) ||
        !unwind_is_after_call(unwinder, pc))
        return false;
    for (int i = 0; i < CODE_REGISTERS; i++)
        if (frame->saved[i] &&
            unwind_read_word(unwinder, cfa - (uint64_t)frame->saved[i], &unwinder->regs[REG_FP + i]))
            unwinder->known |= 1u << (REG_FP + i);
    unwinder->regs[REG_PC] = pc;
    unwinder->regs[REG_SP] = cfa;
    return true;
}

enum code_step unwind_step_by_code(struct unwinder *unwinder, uint64_t pc, bool is_return)
{
    const struct code_mapping *mapping = proc_maps_find_code(&unwinder->maps, pc - is_return);
    const struct known_code *known;

    if (!MACHINE_CODE_IS_KNOWN || !mapping || !mapping->image)
        return CODE_STEP_NONE;
    known = find_code(unwinder, mapping, pc, is_return);
    if (known->kind == CODE_LAST)
        return CODE_STEP_LAST;
    return known->kind == CODE_FRAME && apply(unwinder, &known->frame) ? CODE_STEP_ON : CODE_STEP_NONE;
}
