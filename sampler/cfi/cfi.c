// SPDX-License-Identifier: Apache-2.0
/* Runs the programs of a CIE and an FDE up to an address: that gives the row. */
#include "cfi.h"

#include <dwarf.h>
#include <errno.h>

#include "cfi_entry.h"

enum {
    SAVED_ROWS = 4,          /* DW_CFA_remember_state; compilers nest one deep */
    MOST_OPERATIONS = 65536, /* of one FDE */
};

/* What running a CFA program changes. */
struct cfi_machine {
    const struct cfi_memory *memory;
    const struct cie *cie;
    uint64_t location, pc;
    unsigned operations, depth;
    struct cfi_row row, initial, saved[SAVED_ROWS];
};

static bool fits32(int64_t value)
{
    return value == (int32_t)value;
}

static void set_rule(struct cfi_machine *m, struct cursor *c, uint64_t number, enum cfi_how how,
                     int64_t value)
{
    int place = arch_reg_of_dwarf(number);
    if (place < 0)
        return; /* a register that no caller gets back, or a vector register */
    if (!fits32(value))
        cursor_fail(c);
    m->row.how[place] = (uint8_t)how;
    m->row.value[place] = (int32_t)value;
}

static void set_offset(struct cfi_machine *m, struct cursor *c, uint64_t number, enum cfi_how how,
                       int64_t factored)
{
    int64_t value;
    if (__builtin_mul_overflow(factored, m->cie->data_align, &value))
        cursor_fail(c);
    else
        set_rule(m, c, number, how, value);
}

static void restore_rule(struct cfi_machine *m, uint64_t number)
{
    int place = arch_reg_of_dwarf(number);
    if (place < 0)
        return;
    m->row.how[place] = m->initial.how[place];
    m->row.value[place] = m->initial.value[place];
}

static void set_cfa(struct cfi_machine *m, struct cursor *c, uint64_t number, int64_t value)
{
    if (number >= CFI_CFA_EXPRESSION || !fits32(value))
        cursor_fail(c);
    m->row.cfa_register = (uint8_t)number;
    m->row.cfa_value = (int32_t)value;
}

static int64_t scaled(const struct cfi_machine *m, struct cursor *c)
{
    int64_t value;
    if (__builtin_mul_overflow(cursor_sleb(c), m->cie->data_align, &value))
        cursor_fail(c);
    return value;
}

/* Steps over an expression; its place is kept as an offset, the sign bit of which is a part of it. */
static int64_t skip_expression(const struct cfi_machine *m, struct cursor *c)
{
    int64_t place = c->at - m->memory->start;
    uint64_t size = cursor_uleb(c);
    if (size > cursor_left(c) || place > UINT32_MAX)
        cursor_fail(c);
    else
        c->at += size;
    return (int32_t)(uint32_t)place;
}

static void remember_state(struct cfi_machine *m, struct cursor *c)
{
    if (m->depth >= SAVED_ROWS)
        cursor_fail(c);
    else
        m->saved[m->depth++] = m->row;
}

static void restore_state(struct cfi_machine *m, struct cursor *c)
{
    if (m->depth == 0)
        cursor_fail(c);
    else
        m->row = m->saved[--m->depth];
}

/* The operations that say where the CFA is. false: it is none of them. */
static bool run_cfa(struct cfi_machine *m, struct cursor *c, uint8_t operation)
{
    uint64_t number = m->row.cfa_register;
    switch (operation) {
    case DW_CFA_def_cfa:
        number = cursor_uleb(c);
        set_cfa(m, c, number, (int64_t)cursor_uleb(c));
        return true;
    case DW_CFA_def_cfa_sf:
        number = cursor_uleb(c);
        set_cfa(m, c, number, scaled(m, c));
        return true;
    case DW_CFA_def_cfa_register:
        set_cfa(m, c, cursor_uleb(c), m->row.cfa_value);
        return true;
    case DW_CFA_def_cfa_offset:
        set_cfa(m, c, number, (int64_t)cursor_uleb(c));
        return true;
    case DW_CFA_def_cfa_offset_sf:
        set_cfa(m, c, number, scaled(m, c));
        return true;
    case DW_CFA_def_cfa_expression:
        m->row.cfa_value = (int32_t)skip_expression(m, c);
        m->row.cfa_register = CFI_CFA_EXPRESSION;
        return true;
    default:
        return false;
    }
}

/* The operations that say where a register is, their register first. false: it is none of them. */
static bool run_rule(struct cfi_machine *m, struct cursor *c, uint8_t operation)
{
    if (operation < DW_CFA_offset_extended ||
        (operation > DW_CFA_register && operation < DW_CFA_expression) ||
        (operation > DW_CFA_val_expression && operation != DW_CFA_GNU_negative_offset_extended) ||
        operation == DW_CFA_def_cfa_sf || operation == DW_CFA_def_cfa_offset_sf)
        return false;
    uint64_t number = cursor_uleb(c);
    if (operation == DW_CFA_offset_extended)
        set_offset(m, c, number, CFI_OFFSET, (int64_t)cursor_uleb(c));
    else if (operation == DW_CFA_offset_extended_sf)
        set_offset(m, c, number, CFI_OFFSET, cursor_sleb(c));
    else if (operation == DW_CFA_GNU_negative_offset_extended)
        set_offset(m, c, number, CFI_OFFSET, (int64_t)(0 - cursor_uleb(c)));
    else if (operation == DW_CFA_val_offset)
        set_offset(m, c, number, CFI_VAL_OFFSET, (int64_t)cursor_uleb(c));
    else if (operation == DW_CFA_val_offset_sf)
        set_offset(m, c, number, CFI_VAL_OFFSET, cursor_sleb(c));
    else if (operation == DW_CFA_restore_extended)
        restore_rule(m, number);
    else if (operation == DW_CFA_undefined)
        set_rule(m, c, number, CFI_UNDEFINED, 0);
    else if (operation == DW_CFA_same_value)
        set_rule(m, c, number, CFI_SAME, 0);
    else if (operation == DW_CFA_register)
        set_rule(m, c, number, CFI_REGISTER, (int64_t)(cursor_uleb(c) & INT32_MAX));
    else
        set_rule(m, c, number, operation == DW_CFA_expression ? CFI_EXPRESSION : CFI_VAL_EXPRESSION,
                 skip_expression(m, c));
    return true;
}

static void run_rest(struct cfi_machine *m, struct cursor *c, uint8_t operation)
{
    switch (operation) {
    case DW_CFA_nop:
        break;
    case DW_CFA_set_loc:
        m->location = cfi_read_encoded(c, m->cie->encoding, 0);
        break;
    case DW_CFA_advance_loc1:
    case DW_CFA_advance_loc2:
    case DW_CFA_advance_loc4:
        m->location += cursor_fixed(c, (size_t)1 << (operation - DW_CFA_advance_loc1)) * m->cie->code_align;
        break;
    case DW_CFA_remember_state:
        remember_state(m, c);
        break;
    case DW_CFA_restore_state:
        restore_state(m, c);
        break;
    case DW_CFA_GNU_args_size:
        cursor_uleb(c);
        break;
    default:
        if (!arch_cfi_is_void(operation))
            cursor_fail(c);
    }
}

/* Runs a program until it is at its end or past pc. */
static int run_program(struct cfi_machine *m, struct cursor c)
{
    while (cursor_left(&c) > 0 && m->operations++ < MOST_OPERATIONS) {
        uint8_t operation = (uint8_t)cursor_fixed(&c, 1), operand = operation & 0x3f;
        if ((operation & 0xc0) == DW_CFA_advance_loc)
            m->location += operand * m->cie->code_align;
        else if ((operation & 0xc0) == DW_CFA_offset)
            set_offset(m, &c, operand, CFI_OFFSET, (int64_t)cursor_uleb(&c));
        else if ((operation & 0xc0) == DW_CFA_restore)
            restore_rule(m, operand);
        else if (!run_cfa(m, &c, operation) && !run_rule(m, &c, operation))
            run_rest(m, &c, operation);
        if (c.failed || m->location > m->pc)
            break;
    }
    return c.failed || m->operations > MOST_OPERATIONS ? -EINVAL : 0;
}

static int run_both(const struct cfi_memory *memory, const struct fde *fde, uint64_t pc, struct cfi_row *row)
{
    struct cfi_machine m = {.memory = memory, .cie = &fde->cie, .location = fde->start, .pc = pc};
    m.row.signal = fde->cie.signal;
    int error = run_program(&m, fde->cie.program);
    m.initial = m.row;
    m.depth = 0;
    if (!error)
        error = run_program(&m, fde->program);
    if (!error)
        *row = m.row;
    return error;
}

int cfi_find_row(const struct cfi_memory *memory, const uint8_t *frame_hdr, uintptr_t pc, struct cfi_row *row,
                 uintptr_t *address)
{
    struct fde fde;
    int error = cfi_find_fde(memory, frame_hdr, pc, &fde);
    if (address && !error)
        *address = fde.address;
    return error ? error : run_both(memory, &fde, pc, row);
}

int cfi_read_row(const struct cfi_memory *memory, uintptr_t address, uintptr_t pc, struct cfi_row *row)
{
    struct fde fde;
    int error = cfi_read_fde(memory, address, pc, &fde);
    return error ? error : run_both(memory, &fde, pc, row);
}
