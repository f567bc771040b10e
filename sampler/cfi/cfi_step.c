// SPDX-License-Identifier: Apache-2.0
/* Applies a row: from a function's registers to its caller's. DWARF expressions are bounded in steps and in
 * depth. */
#include "cfi.h"

#include <dwarf.h>
#include <errno.h>

#include "cfi_cursor.h"

enum {
    EXPRESSION_DEPTH = 32,
    EXPRESSION_STEPS = 256,
};

/* A DWARF expression being computed. A stack error ends it, as a bad read does. */
struct evaluation {
    const struct cfi_memory *memory;
    const struct cfi_row *row;
    const struct arch_regs *regs;
    cfi_load *load;
    void *context;
    struct cursor c;
    unsigned depth;
    int error;
    uint64_t stack[EXPRESSION_DEPTH];
};

static void push(struct evaluation *e, uint64_t value)
{
    if (e->depth >= EXPRESSION_DEPTH)
        e->error = -EINVAL;
    else
        e->stack[e->depth++] = value;
}

static uint64_t pop(struct evaluation *e)
{
    if (e->depth == 0) {
        e->error = -EINVAL;
        return 0;
    }
    return e->stack[--e->depth];
}

static void push_picked(struct evaluation *e, uint64_t below)
{
    if (below >= e->depth)
        e->error = -EINVAL;
    else
        push(e, e->stack[e->depth - 1 - below]);
}

static void push_register(struct evaluation *e, uint64_t number, int64_t offset)
{
    uint64_t value = 0;
    if (!arch_read_dwarf(e->regs, number, &value))
        e->error = -EINVAL;
    push(e, value + (uint64_t)offset);
}

static void push_loaded(struct evaluation *e, size_t size)
{
    uint64_t value = 0;
    if (size == 0 || size > 8)
        e->error = -EINVAL;
    else if (!e->load(e->context, pop(e), &value))
        e->error = -EFAULT;
    push(e, size < 8 ? value & ((UINT64_C(1) << 8 * size) - 1) : value);
}

static void divide(struct evaluation *e, int64_t a, int64_t b)
{
    if (b == 0 || (a == INT64_MIN && b == -1))
        e->error = -EINVAL;
    else
        push(e, (uint64_t)(a / b));
}

static uint64_t combine(uint8_t operation, uint64_t a, uint64_t b)
{
    int64_t sb = (int64_t)b, sa = (int64_t)a;
    switch (operation) {
    case DW_OP_and:
        return a & b;
    case DW_OP_minus:
        return a - b;
    case DW_OP_mod:
        return b ? a % b : 0;
    case DW_OP_mul:
        return a * b;
    case DW_OP_or:
        return a | b;
    case DW_OP_plus:
        return a + b;
    case DW_OP_shl:
        return b < 64 ? a << b : 0;
    case DW_OP_shr:
        return b < 64 ? a >> b : 0;
    case DW_OP_shra:
        return sa < 0 ? ~(~a >> (b < 64 ? b : 63)) : a >> (b < 64 ? b : 63);
    case DW_OP_xor:
        return a ^ b;
    case DW_OP_eq:
        return a == b;
    case DW_OP_ge:
        return sa >= sb;
    case DW_OP_gt:
        return sa > sb;
    case DW_OP_le:
        return sa <= sb;
    case DW_OP_lt:
        return sa < sb;
    default:
        return a != b;
    }
}

/* false: not an operation on the two topmost values. */
static bool run_binary(struct evaluation *e, uint8_t operation)
{
    if (operation < DW_OP_and || operation > DW_OP_ne || operation == DW_OP_neg || operation == DW_OP_not ||
        operation == DW_OP_plus_uconst || operation == DW_OP_bra)
        return false;
    uint64_t b = pop(e), a = pop(e);
    if (operation == DW_OP_div)
        divide(e, (int64_t)a, (int64_t)b);
    else
        push(e, combine(operation, a, b));
    return true;
}

static bool run_unary(struct evaluation *e, uint8_t operation)
{
    uint64_t a;
    switch (operation) {
    case DW_OP_abs:
        a = pop(e);
        push(e, (int64_t)a < 0 ? 0 - a : a);
        return true;
    case DW_OP_neg:
        push(e, 0 - pop(e));
        return true;
    case DW_OP_not:
        push(e, ~pop(e));
        return true;
    case DW_OP_plus_uconst:
        push(e, pop(e) + cursor_uleb(&e->c));
        return true;
    case DW_OP_deref:
        push_loaded(e, 8);
        return true;
    case DW_OP_deref_size:
        push_loaded(e, cursor_fixed(&e->c, 1));
        return true;
    default:
        return false;
    }
}

static bool run_constant(struct evaluation *e, uint8_t operation)
{
    if (operation >= DW_OP_lit0 && operation < DW_OP_reg0)
        push(e, operation - DW_OP_lit0);
    else if (operation >= DW_OP_reg0 && operation < DW_OP_breg0)
        push_register(e, operation - DW_OP_reg0, 0);
    else if (operation >= DW_OP_breg0 && operation < DW_OP_breg0 + 32)
        push_register(e, operation - DW_OP_breg0, cursor_sleb(&e->c));
    else if (operation >= DW_OP_const1u && operation <= DW_OP_const8s && (operation - DW_OP_const1u) % 2 == 0)
        push(e, cursor_fixed(&e->c, (size_t)1 << (operation - DW_OP_const1u) / 2));
    else if (operation >= DW_OP_const1s && operation <= DW_OP_const8s)
        push(e, cursor_signed(&e->c, (size_t)1 << (operation - DW_OP_const1s) / 2));
    else if (operation == DW_OP_addr)
        push(e, cursor_fixed(&e->c, 8));
    else if (operation == DW_OP_constu)
        push(e, cursor_uleb(&e->c));
    else if (operation == DW_OP_consts)
        push(e, (uint64_t)cursor_sleb(&e->c));
    else
        return false;
    return true;
}

static void jump(struct evaluation *e, const uint8_t *start, bool taken)
{
    int64_t distance = (int64_t)cursor_signed(&e->c, 2);
    if (!taken)
        return;
    if (distance < start - e->c.at || distance > e->c.end - e->c.at)
        e->error = -EINVAL;
    else
        e->c.at += distance;
}

static void run_stack(struct evaluation *e, uint8_t operation, const uint8_t *start)
{
    uint64_t a, b, c;
    switch (operation) {
    case DW_OP_dup:
        push_picked(e, 0);
        break;
    case DW_OP_drop:
        pop(e);
        break;
    case DW_OP_over:
        push_picked(e, 1);
        break;
    case DW_OP_pick:
        push_picked(e, cursor_fixed(&e->c, 1));
        break;
    case DW_OP_swap:
        a = pop(e), b = pop(e);
        push(e, a), push(e, b);
        break;
    case DW_OP_rot:
        a = pop(e), b = pop(e), c = pop(e);
        push(e, a), push(e, c), push(e, b);
        break;
    case DW_OP_bregx:
        a = cursor_uleb(&e->c);
        push_register(e, a, cursor_sleb(&e->c));
        break;
    case DW_OP_skip:
        jump(e, start, true);
        break;
    case DW_OP_bra:
        jump(e, start, pop(e) != 0);
        break;
    case DW_OP_nop:
        break;
    default:
        e->error = -EINVAL;
    }
}

/* Computes the expression at place. Its stack begins with *value, or (is_empty) with nothing. */
static int evaluate(struct evaluation *e, int32_t place, bool is_empty, uint64_t *value)
{
    if (!cursor_at(&e->c, e->memory, (uintptr_t)e->memory->start + (uint32_t)place))
        return -EINVAL;
    uint64_t size = cursor_uleb(&e->c);
    if (size > cursor_left(&e->c))
        return -EINVAL;
    e->c.end = e->c.at + size;
    e->depth = 0;
    e->error = 0;
    if (!is_empty)
        push(e, *value);
    const uint8_t *start = e->c.at;
    unsigned steps = 0;
    while (cursor_left(&e->c) > 0 && !e->error) {
        uint8_t operation = (uint8_t)cursor_fixed(&e->c, 1);
        if (!run_constant(e, operation) && !run_unary(e, operation) && !run_binary(e, operation))
            run_stack(e, operation, start);
        if (e->c.failed || ++steps > EXPRESSION_STEPS)
            e->error = -EINVAL;
    }
    *value = pop(e);
    return e->error;
}

static int find_cfa(struct evaluation *e, uint64_t *cfa)
{
    const struct cfi_row *row = e->row;
    if (row->cfa_register == CFI_CFA_EXPRESSION)
        return evaluate(e, row->cfa_value, true, cfa);
    if (!arch_read_dwarf(e->regs, row->cfa_register, cfa))
        return -EINVAL;
    *cfa += (uint64_t)(int64_t)row->cfa_value;
    return 0;
}

/* The caller's value of one register, by its rule. */
static int apply_rule(struct evaluation *e, unsigned reg, uint64_t cfa, uint64_t *result)
{
    const struct cfi_row *row = e->row;
    uint64_t value = cfa;
    int error = 0;
    switch (row->how[reg]) {
    case CFI_OFFSET:
    case CFI_VAL_OFFSET:
        value += (uint64_t)(int64_t)row->value[reg];
        break;
    case CFI_REGISTER:
        return arch_read_dwarf(e->regs, (uint64_t)row->value[reg], result) ? 0 : -EINVAL;
    case CFI_EXPRESSION:
    case CFI_VAL_EXPRESSION:
        error = evaluate(e, row->value[reg], false, &value);
        break;
    default: /* the same, or lost: the CFA is the caller's sp unless a rule says otherwise */
        *result = reg == ARCH_SP ? cfa : e->regs->r[reg];
        return 0;
    }
    if (error)
        return error;
    if (row->how[reg] == CFI_OFFSET || row->how[reg] == CFI_EXPRESSION)
        return e->load(e->context, value, result) ? 0 : -EFAULT;
    *result = value;
    return 0;
}

int cfi_step(const struct cfi_memory *memory, const struct cfi_row *row, struct arch_regs *regs,
             cfi_load *load, void *context)
{
    struct evaluation e = {memory, row, regs, load, context};
    struct arch_regs caller;
    uint64_t cfa = 0;
    if (row->how[ARCH_RETURN] == CFI_UNDEFINED)
        return -ENOENT;
    if (!ARCH_RETURN_IN_REGISTER && row->how[ARCH_PC] == CFI_SAME)
        return -EINVAL;
    int error = find_cfa(&e, &cfa);
    for (unsigned i = 0; i < ARCH_REGS && !error; i++)
        error = apply_rule(&e, i, cfa, &caller.r[i]);
    if (error)
        return error;
    caller.r[ARCH_PC] = arch_code_address(caller.r[ARCH_RETURN]);
    caller.context = NULL;
    *regs = caller;
    return 0;
}
