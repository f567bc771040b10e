/* SPDX-License-Identifier: Apache-2.0 */
/* Steps through code without call frame information, by the same rules as inside the program (sampler/unwind/). */
#include "sampler/segment/return_address.h"
#include "unwind_state.h"

static bool read_aligned(struct unwinder *unwinder, uint64_t address, uint64_t *word)
{
    return address % sizeof *word == 0 && unwind_read_word(unwinder, address, word);
}

/* Goes on from a caller, whose other registers are in regs. The code behind its call may be another function's, so
   the table is asked for the call itself. */
static bool go_on_from(struct unwinder *unwinder, unw_cursor_t *cursor, uint64_t pc, uint64_t sp, uint64_t fp)
{
    unwinder->regs[REG_PC] = pc - 1;
    unwinder->regs[REG_SP] = sp;
    unwinder->regs[REG_FP] = fp;
    unwinder->known &= MACHINE_KEPT;
    return !unw_init_remote(cursor, unwinder->space, unwinder);
}

/* GOOD: its table leads on to a return address, or says that this is the first function. */
enum caller { CALLER_NO_CFI, CALLER_WRONG, CALLER_GOOD };

/* Could this be the caller? */
static enum caller try_caller(struct unwinder *unwinder, uint64_t pc, uint64_t sp, uint64_t fp)
{
    unw_cursor_t cursor;
    unw_word_t next;
    int more = -1;

    unwinder->no_cfi = false;
    if (go_on_from(unwinder, &cursor, pc, sp, fp))
        more = unw_step(&cursor);
    if (unwinder->no_cfi)
        return CALLER_NO_CFI;
    if (more > 0 && (unw_get_reg(&cursor, UNW_REG_IP, &next) || !unwind_is_after_call(unwinder, next)))
        return CALLER_WRONG;
    return more < 0 ? CALLER_WRONG : CALLER_GOOD;
}

/* Takes the first return address on the stack whose table leads on. Those of older calls, which are left in the
   frame, mostly do not. A return address into code without a table ends the search, as it may be an older one. */
static bool step_by_search(struct unwinder *unwinder, unw_cursor_t *cursor, uint64_t sp, uint64_t fp)
{
    enum caller found = CALLER_WRONG;
    uint64_t pc;

    for (int i = 0; i < SEARCHED_WORDS && found == CALLER_WRONG && read_aligned(unwinder, sp, &pc); i++) {
        sp += sizeof pc;
        if (!unwind_is_after_call(unwinder, pc))
            continue;
        found = try_caller(unwinder, pc, sp, fp);
        if (found == CALLER_GOOD)
            return go_on_from(unwinder, cursor, pc, sp, fp);
        if (sp == fp + 2 * sizeof pc)
            return false;
    }
    return false;
}

/* Mappings that were read before this sample may lack new code. */
static bool may_be_code(const struct unwinder *unwinder, uint64_t pc)
{
    const struct region *region = proc_maps_find_region(&unwinder->maps, pc - 1);
    return region ? region->executable
                  : pc >= UNWIND_PAGE && !(pc >> MACHINE_ADDRESS_BITS) &&
                        unwinder->read_last != unwinder->sample;
}

/* Takes the registers that libunwind knows. */
static void take_registers(struct unwinder *unwinder, unw_cursor_t *cursor)
{
    uint64_t regs[MACHINE_REGS];

    for (int i = 0; i < MACHINE_REGS; i++)
        if (unw_get_reg(cursor, unwind_register_numbers[i], &regs[i]))
            unwinder->known &= ~(1u << i);
    for (int i = 0; i < MACHINE_REGS; i++)
        unwinder->regs[i] = unwinder->known >> i & 1 ? regs[i] : 0;
}

/* A frame pointer is believed at once if it leads from such code to such code. libunwind's own step by a frame pointer
   loses the stack pointer, which a table may need. */
static bool step_without_cfi(struct unwinder *unwinder, unw_cursor_t *from, unw_cursor_t *cursor)
{
    uint64_t sp, fp, above, pc = 0, outer = 0;
    const struct code_mapping *mapping;
    bool framed, generated;

    take_registers(unwinder, from);
    sp = unwinder->regs[REG_SP];
    fp = unwinder->regs[REG_FP];
    above = fp + 2 * sizeof fp;
    mapping = proc_maps_find_code(&unwinder->maps, unwinder->regs[REG_PC]);
    generated = !mapping || !mapping->image;
    framed = fp >= sp && read_aligned(unwinder, fp, &outer) && read_aligned(unwinder, fp + sizeof fp, &pc) &&
             may_be_code(unwinder, pc);
    if (framed && (generated || (unwind_is_after_call(unwinder, pc) &&
                                 try_caller(unwinder, pc, above, outer) == CALLER_NO_CFI)))
        return go_on_from(unwinder, cursor, pc, above, outer);
    if (!generated && step_by_search(unwinder, cursor, sp, fp))
        return true;
    return framed && go_on_from(unwinder, cursor, pc, above, outer);
}

int unwind_step(struct unwinder *unwinder, unw_cursor_t *from, unw_cursor_t *cursor,
                struct unwind_place place, bool *at_call)
{
    enum code_step by_code;
    int more;

    unwinder->no_cfi = *at_call = false;
    more = unw_step(cursor);
    if (!unwinder->no_cfi)
        return more;
    if (unw_is_signal_frame(from) > 0) {
        unwinder->no_cfi = false;
        return more;
    }
    take_registers(unwinder, from);
    by_code = unwind_step_by_code(unwinder, place.pc, place.is_return);
    *at_call = by_code == CODE_STEP_ON && go_on_from(unwinder, cursor, unwinder->regs[REG_PC],
                                                     unwinder->regs[REG_SP], unwinder->regs[REG_FP]);
    unwinder->no_cfi = by_code == CODE_STEP_NONE;
    if (!unwinder->no_cfi)
        return *at_call;
    *at_call = step_without_cfi(unwinder, from, cursor);
    unwinder->no_cfi = true;
    return *at_call ? 1 : unwinder->known >> REG_FP & 1 ? 0 : -1;
}
