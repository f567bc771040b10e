// SPDX-License-Identifier: Apache-2.0
/*
 * Every read of call frame information goes through a cursor, which knows its end: past it, reads give zero
 * and mark the cursor as failed, so that callers check once, at the end. Loops are bounded by the bytes they
 * eat and, where a hostile length could make that long, by a count.
 */
#include "cfi.h"

#include <errno.h>
#include <string.h>

enum {
    SAVED_ROWS = 4,          /* DW_CFA_remember_state; compilers nest one deep */
    MOST_OPERATIONS = 65536, /* of one FDE */
    MOST_ENTRIES = 1 << 20,  /* of a linear search */
    EXPRESSION_DEPTH = 32,
    EXPRESSION_STEPS = 256,
};

/* Pointer encodings: low four bits the format, next three what is added, the highest "indirect". */
enum {
    PE_ABSPTR = 0,
    PE_ULEB = 1,
    PE_UDATA2 = 2,
    PE_UDATA4 = 3,
    PE_UDATA8 = 4,
    PE_SLEB = 9,
    PE_SDATA2 = 10,
    PE_SDATA4 = 11,
    PE_SDATA8 = 12,
    PE_FORMAT = 0x0f,
    PE_PCREL = 0x10,
    PE_DATAREL = 0x30,
    PE_OMIT = 0xff
};

enum {
    CFA_NOP = 0x00,
    CFA_SET_LOC,
    CFA_ADVANCE_LOC1,
    CFA_ADVANCE_LOC2,
    CFA_ADVANCE_LOC4,
    CFA_OFFSET_EXTENDED,
    CFA_RESTORE_EXTENDED,
    CFA_UNDEFINED,
    CFA_SAME_VALUE,
    CFA_REGISTER,
    CFA_REMEMBER_STATE,
    CFA_RESTORE_STATE,
    CFA_DEF_CFA,
    CFA_DEF_CFA_REGISTER,
    CFA_DEF_CFA_OFFSET,
    CFA_DEF_CFA_EXPRESSION,
    CFA_EXPRESSION,
    CFA_OFFSET_EXTENDED_SF,
    CFA_DEF_CFA_SF,
    CFA_DEF_CFA_OFFSET_SF,
    CFA_VAL_OFFSET,
    CFA_VAL_OFFSET_SF,
    CFA_VAL_EXPRESSION,
    CFA_GNU_ARGS_SIZE = 0x2e,
    CFA_GNU_NEGATIVE_OFFSET = 0x2f,
    CFA_ADVANCE_LOC = 0x40,
    CFA_OFFSET = 0x80,
    CFA_RESTORE = 0xc0
};

enum {
    OP_ADDR = 0x03,
    OP_DEREF = 0x06,
    OP_CONST1U = 0x08,
    OP_CONST1S,
    OP_CONST2U,
    OP_CONST2S,
    OP_CONST4U,
    OP_CONST4S,
    OP_CONST8U,
    OP_CONST8S,
    OP_CONSTU,
    OP_CONSTS,
    OP_DUP,
    OP_DROP,
    OP_OVER,
    OP_PICK,
    OP_SWAP,
    OP_ROT,
    OP_ABS = 0x19,
    OP_AND,
    OP_DIV,
    OP_MINUS,
    OP_MOD,
    OP_MUL,
    OP_NEG,
    OP_NOT,
    OP_OR,
    OP_PLUS,
    OP_PLUS_UCONST,
    OP_SHL,
    OP_SHR,
    OP_SHRA,
    OP_XOR,
    OP_BRA,
    OP_EQ,
    OP_GE,
    OP_GT,
    OP_LE,
    OP_LT,
    OP_NE,
    OP_SKIP,
    OP_LIT0 = 0x30,
    OP_REG0 = 0x50,
    OP_BREG0 = 0x70,
    OP_BREGX = 0x92,
    OP_DEREF_SIZE = 0x94,
    OP_NOP = 0x96
};

struct cursor {
    const uint8_t *at, *end;
    bool failed;
};

struct cie {
    uint64_t code_align;
    int64_t data_align;
    uint8_t encoding;
    bool signal, has_data;
    struct cursor program;
};

/* What running a CFA program changes. */
struct machine {
    const struct cfi_memory *memory;
    const struct cie *cie;
    uint64_t location, pc;
    unsigned operations, depth;
    struct cfi_row row, initial, saved[SAVED_ROWS];
};

static size_t left(const struct cursor *c)
{
    return (size_t)(c->end - c->at);
}

static void fail(struct cursor *c)
{
    c->failed = true;
    c->at = c->end;
}

static uint64_t read_fixed(struct cursor *c, size_t size)
{
    uint64_t value = 0;
    if (left(c) < size) {
        fail(c);
        return 0;
    }
    memcpy(&value, c->at, size); /* little-endian, as arch.h's machines are */
    c->at += size;
    return value;
}

static uint64_t sign_extend(uint64_t value, size_t size)
{
    unsigned shift = 64 - 8 * (unsigned)size;
    return (uint64_t)((int64_t)(value << shift) >> shift);
}

static uint64_t read_signed(struct cursor *c, size_t size)
{
    return sign_extend(read_fixed(c, size), size);
}

static uint64_t read_leb(struct cursor *c, bool is_signed)
{
    uint64_t value = 0;
    unsigned shift = 0;
    uint8_t byte;
    do {
        byte = (uint8_t)read_fixed(c, 1);
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    if (is_signed && shift < 64 && (byte & 0x40))
        value |= UINT64_MAX << shift;
    return value;
}

static uint64_t read_uleb(struct cursor *c)
{
    return read_leb(c, false);
}

static int64_t read_sleb(struct cursor *c)
{
    return (int64_t)read_leb(c, true);
}

static uint64_t read_format(struct cursor *c, uint8_t encoding)
{
    switch (encoding & PE_FORMAT) {
    case PE_ABSPTR:
    case PE_UDATA8:
    case PE_SDATA8:
        return read_fixed(c, 8);
    case PE_ULEB:
        return read_uleb(c);
    case PE_UDATA2:
        return read_fixed(c, 2);
    case PE_UDATA4:
        return read_fixed(c, 4);
    case PE_SLEB:
        return (uint64_t)read_sleb(c);
    case PE_SDATA2:
        return read_signed(c, 2);
    case PE_SDATA4:
        return read_signed(c, 4);
    default:
        fail(c);
        return 0;
    }
}

static uint64_t read_encoded(struct cursor *c, uint8_t encoding, uintptr_t data)
{
    uintptr_t here = (uintptr_t)c->at;
    uint64_t value = read_format(c, encoding);
    switch (encoding & ~PE_FORMAT) {
    case 0:
        return value;
    case PE_PCREL:
        return here + value;
    case PE_DATAREL:
        return data + value;
    default: /* relative to what eh_frame never is, or through a pointer somewhere else */
        fail(c);
        return 0;
    }
}

static bool cursor_at(struct cursor *c, const struct cfi_memory *memory, uint64_t address)
{
    if (address < (uintptr_t)memory->start || address >= (uintptr_t)memory->end)
        return false;
    *c = (struct cursor){.at = memory->start + (address - (uintptr_t)memory->start), .end = memory->end};
    return true;
}

/* Steps over the length and the CIE pointer of an entry at *c. *body becomes what follows them, *c the next
 *entry, cie the address of its CIE (0: it is one). */
static int read_entry(struct cursor *c, struct cursor *body, uint64_t *cie)
{
    uint64_t length = read_fixed(c, 4);
    if (c->failed || length < 4 ||
        length > left(c)) /* also the terminator, and 64-bit lengths, which nobody emits */
        return length == 0 ? -ENOENT : -EINVAL;
    *body = (struct cursor){.at = c->at, .end = c->at + length};
    c->at += length;
    uintptr_t here = (uintptr_t)body->at;
    uint64_t delta = read_fixed(body, 4);
    *cie = delta ? here - delta : 0;
    return 0;
}

static void read_augmentation(struct cursor *c, struct cie *cie, const char *letter)
{
    cie->has_data = true;
    uint64_t size = read_uleb(c);
    if (size > left(c)) {
        fail(c);
        return;
    }
    struct cursor data = {.at = c->at, .end = c->at + size};
    c->at += size;
    for (; *letter; letter++) {
        if (*letter == 'R')
            cie->encoding = (uint8_t)read_fixed(&data, 1);
        else if (*letter == 'P')
            read_format(&data, (uint8_t)read_fixed(&data, 1));
        else if (*letter == 'L')
            read_fixed(&data, 1);
        else if (*letter == 'S')
            cie->signal = true;
        else if (*letter != 'B')
            break; /* unknown: the data's size says where the program starts */
    }
    if (data.failed)
        fail(c);
}

static int read_cie(const struct cfi_memory *memory, uint64_t address, struct cie *cie)
{
    struct cursor c, next;
    uint64_t id;
    if (!cursor_at(&next, memory, address) || read_entry(&next, &c, &id) != 0 || id != 0)
        return -EINVAL;
    uint64_t version = read_fixed(&c, 1);
    const char *augmentation = (const char *)c.at;
    if ((version != 1 && version != 3) || !memchr(c.at, 0, left(&c)))
        return -EINVAL;
    c.at += strlen(augmentation) + 1;

    *cie = (struct cie){.encoding = PE_ABSPTR};
    cie->code_align = read_uleb(&c);
    cie->data_align = read_sleb(&c);
    uint64_t return_register = version == 1 ? read_fixed(&c, 1) : read_uleb(&c);
    if (augmentation[0] == 'z')
        read_augmentation(&c, cie, augmentation + 1);
    else if (augmentation[0] != '\0')
        return -EINVAL;
    cie->program = c;
    return c.failed || return_register != ARCH_DWARF_PC ? -EINVAL : 0;
}

/* The FDE in body covers pc: *start is its first address and body its program. */
static int match_fde(const struct cie *cie, struct cursor *body, uint64_t pc, uint64_t *start)
{
    *start = read_encoded(body, cie->encoding, 0);
    uint64_t size = read_format(body, cie->encoding);
    if (body->failed)
        return -EINVAL;
    if (pc - *start >= size)
        return -ENOENT;
    uint64_t data = cie->has_data ? read_uleb(body) : 0;
    if (body->failed || data > left(body))
        return -EINVAL;
    body->at += data;
    return 0;
}

static int32_t table_entry(const uint8_t *table, uint64_t index, unsigned word)
{
    int32_t value;
    memcpy(&value, table + 8 * index + 4 * word, sizeof(value));
    return value;
}

/* The FDE of the last entry at or below pc: where the table's two columns are offsets from its header. */
static int search_table(const struct cfi_memory *memory, const uint8_t *frame_hdr, const uint8_t *table,
                        uint64_t count, uint64_t pc, struct cursor *entry)
{
    uint64_t low = 0, high = count;
    int64_t wanted = (int64_t)(pc - (uintptr_t)frame_hdr);
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (table_entry(table, middle, 0) <= wanted)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return -ENOENT;
    uint64_t address = (uintptr_t)frame_hdr + (uint64_t)(int64_t)table_entry(table, low - 1, 1);
    return cursor_at(entry, memory, address) ? 0 : -EINVAL;
}

/* Finds the FDE for pc among the entries from c on; most: how many may be looked at. */
static int search_entries(const struct cfi_memory *memory, struct cursor *c, unsigned most, uint64_t pc,
                          struct cie *cie, struct cursor *program, uint64_t *start)
{
    uint64_t parsed = 0, address;
    for (; most > 0; most--) {
        int error = read_entry(c, program, &address);
        if (error)
            return error;
        if (address == 0)
            continue;
        if (address != parsed && (error = read_cie(memory, address, cie)) != 0)
            return error;
        parsed = address;
        error = match_fde(cie, program, pc, start);
        if (error != -ENOENT)
            return error;
    }
    return -ENOENT;
}

static int find_fde(const struct cfi_memory *memory, const uint8_t *frame_hdr, uint64_t pc, struct cie *cie,
                    struct cursor *program, uint64_t *start)
{
    struct cursor c, entry;
    if (!cursor_at(&c, memory, (uintptr_t)frame_hdr) || read_fixed(&c, 1) != 1)
        return -EINVAL;
    uint8_t frame_encoding = (uint8_t)read_fixed(&c, 1), count_encoding = (uint8_t)read_fixed(&c, 1);
    uint8_t table_encoding = (uint8_t)read_fixed(&c, 1);
    uint64_t frame = read_encoded(&c, frame_encoding, (uintptr_t)frame_hdr);
    if (count_encoding != PE_OMIT && table_encoding == (PE_DATAREL | PE_SDATA4)) {
        uint64_t count = read_encoded(&c, count_encoding, (uintptr_t)frame_hdr);
        if (c.failed || count > left(&c) / 8)
            return -EINVAL;
        int error = search_table(memory, frame_hdr, c.at, count, pc, &entry);
        return error ? error : search_entries(memory, &entry, 1, pc, cie, program, start);
    }
    if (c.failed || !cursor_at(&entry, memory, frame))
        return -EINVAL;
    return search_entries(memory, &entry, MOST_ENTRIES, pc, cie, program, start);
}

static bool fits32(int64_t value)
{
    return value == (int32_t)value;
}

static void set_rule(struct machine *m, struct cursor *c, uint64_t number, enum cfi_how how, int64_t value)
{
    int place = arch_reg_of_dwarf(number);
    if (place < 0)
        return; /* a register that no caller gets back, or a vector register */
    if (!fits32(value))
        fail(c);
    m->row.how[place] = (uint8_t)how;
    m->row.value[place] = (int32_t)value;
}

static void set_offset(struct machine *m, struct cursor *c, uint64_t number, enum cfi_how how,
                       int64_t factored)
{
    int64_t value;
    if (__builtin_mul_overflow(factored, m->cie->data_align, &value))
        fail(c);
    else
        set_rule(m, c, number, how, value);
}

static void restore_rule(struct machine *m, uint64_t number)
{
    int place = arch_reg_of_dwarf(number);
    if (place < 0)
        return;
    m->row.how[place] = m->initial.how[place];
    m->row.value[place] = m->initial.value[place];
}

static void set_cfa(struct machine *m, struct cursor *c, uint64_t number, int64_t value)
{
    if (number >= CFI_CFA_EXPRESSION || !fits32(value))
        fail(c);
    m->row.cfa_register = (uint8_t)number;
    m->row.cfa_value = (int32_t)value;
}

static int64_t scaled(const struct machine *m, struct cursor *c)
{
    int64_t value;
    if (__builtin_mul_overflow(read_sleb(c), m->cie->data_align, &value))
        fail(c);
    return value;
}

/* Steps over an expression; its place is kept as an offset, the sign bit of which is a part of it. */
static int64_t skip_expression(const struct machine *m, struct cursor *c)
{
    int64_t place = c->at - m->memory->start;
    uint64_t size = read_uleb(c);
    if (size > left(c) || place > UINT32_MAX)
        fail(c);
    else
        c->at += size;
    return (int32_t)(uint32_t)place;
}

static void remember_state(struct machine *m, struct cursor *c)
{
    if (m->depth >= SAVED_ROWS)
        fail(c);
    else
        m->saved[m->depth++] = m->row;
}

static void restore_state(struct machine *m, struct cursor *c)
{
    if (m->depth == 0)
        fail(c);
    else
        m->row = m->saved[--m->depth];
}

/* The operations that say where the CFA is. false: it is none of them. */
static bool run_cfa(struct machine *m, struct cursor *c, uint8_t operation)
{
    uint64_t number = m->row.cfa_register;
    switch (operation) {
    case CFA_DEF_CFA:
        number = read_uleb(c);
        set_cfa(m, c, number, (int64_t)read_uleb(c));
        return true;
    case CFA_DEF_CFA_SF:
        number = read_uleb(c);
        set_cfa(m, c, number, scaled(m, c));
        return true;
    case CFA_DEF_CFA_REGISTER:
        set_cfa(m, c, read_uleb(c), m->row.cfa_value);
        return true;
    case CFA_DEF_CFA_OFFSET:
        set_cfa(m, c, number, (int64_t)read_uleb(c));
        return true;
    case CFA_DEF_CFA_OFFSET_SF:
        set_cfa(m, c, number, scaled(m, c));
        return true;
    case CFA_DEF_CFA_EXPRESSION:
        m->row.cfa_value = (int32_t)skip_expression(m, c);
        m->row.cfa_register = CFI_CFA_EXPRESSION;
        return true;
    default:
        return false;
    }
}

/* The operations that say where a register is, their register first. false: it is none of them. */
static bool run_rule(struct machine *m, struct cursor *c, uint8_t operation)
{
    if (operation < CFA_OFFSET_EXTENDED || (operation > CFA_REGISTER && operation < CFA_EXPRESSION) ||
        (operation > CFA_VAL_EXPRESSION && operation != CFA_GNU_NEGATIVE_OFFSET) ||
        operation == CFA_DEF_CFA_SF || operation == CFA_DEF_CFA_OFFSET_SF)
        return false;
    uint64_t number = read_uleb(c);
    if (operation == CFA_OFFSET_EXTENDED)
        set_offset(m, c, number, CFI_OFFSET, (int64_t)read_uleb(c));
    else if (operation == CFA_OFFSET_EXTENDED_SF)
        set_offset(m, c, number, CFI_OFFSET, read_sleb(c));
    else if (operation == CFA_GNU_NEGATIVE_OFFSET)
        set_offset(m, c, number, CFI_OFFSET, (int64_t)(0 - read_uleb(c)));
    else if (operation == CFA_VAL_OFFSET)
        set_offset(m, c, number, CFI_VAL_OFFSET, (int64_t)read_uleb(c));
    else if (operation == CFA_VAL_OFFSET_SF)
        set_offset(m, c, number, CFI_VAL_OFFSET, read_sleb(c));
    else if (operation == CFA_RESTORE_EXTENDED)
        restore_rule(m, number);
    else if (operation == CFA_UNDEFINED)
        set_rule(m, c, number, CFI_UNDEFINED, 0);
    else if (operation == CFA_SAME_VALUE)
        set_rule(m, c, number, CFI_SAME, 0);
    else if (operation == CFA_REGISTER)
        set_rule(m, c, number, CFI_REGISTER, (int64_t)(read_uleb(c) & INT32_MAX));
    else
        set_rule(m, c, number, operation == CFA_EXPRESSION ? CFI_EXPRESSION : CFI_VAL_EXPRESSION,
                 skip_expression(m, c));
    return true;
}

static void run_rest(struct machine *m, struct cursor *c, uint8_t operation)
{
    switch (operation) {
    case CFA_NOP:
        break;
    case CFA_SET_LOC:
        m->location = read_encoded(c, m->cie->encoding, 0);
        break;
    case CFA_ADVANCE_LOC1:
    case CFA_ADVANCE_LOC2:
    case CFA_ADVANCE_LOC4:
        m->location += read_fixed(c, (size_t)1 << (operation - CFA_ADVANCE_LOC1)) * m->cie->code_align;
        break;
    case CFA_REMEMBER_STATE:
        remember_state(m, c);
        break;
    case CFA_RESTORE_STATE:
        restore_state(m, c);
        break;
    case CFA_GNU_ARGS_SIZE:
        read_uleb(c);
        break;
    default:
        fail(c);
    }
}

/* Runs a program until it is at its end or past pc. */
static int run_program(struct machine *m, struct cursor c)
{
    while (left(&c) > 0 && m->operations++ < MOST_OPERATIONS) {
        uint8_t operation = (uint8_t)read_fixed(&c, 1), operand = operation & 0x3f;
        if ((operation & 0xc0) == CFA_ADVANCE_LOC)
            m->location += operand * m->cie->code_align;
        else if ((operation & 0xc0) == CFA_OFFSET)
            set_offset(m, &c, operand, CFI_OFFSET, (int64_t)read_uleb(&c));
        else if ((operation & 0xc0) == CFA_RESTORE)
            restore_rule(m, operand);
        else if (!run_cfa(m, &c, operation) && !run_rule(m, &c, operation))
            run_rest(m, &c, operation);
        if (c.failed || m->location > m->pc)
            break;
    }
    return c.failed || m->operations > MOST_OPERATIONS ? -EINVAL : 0;
}

int cfi_find_row(const struct cfi_memory *memory, const uint8_t *frame_hdr, uintptr_t pc, struct cfi_row *row)
{
    struct cie cie;
    struct cursor program;
    struct machine m;
    int error = find_fde(memory, frame_hdr, pc, &cie, &program, &m.location);
    if (error)
        return error;
    m.memory = memory;
    m.cie = &cie;
    m.pc = pc;
    m.operations = m.depth = 0;
    memset(&m.row, 0, sizeof(m.row));
    m.initial = m.row;
    m.row.signal = cie.signal;
    error = run_program(&m, cie.program);
    m.initial = m.row;
    m.depth = 0;
    if (!error)
        error = run_program(&m, program);
    if (!error)
        *row = m.row;
    return error;
}

/* A DWARF expression being computed. A stack error ends it, as a bad read does. */
struct evaluation {
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

/* false: not an operation on the two topmost values. */
static bool run_binary(struct evaluation *e, uint8_t operation)
{
    if (operation < OP_AND || operation > OP_NE || operation == OP_NEG || operation == OP_NOT ||
        operation == OP_PLUS_UCONST || operation == OP_BRA)
        return false;
    uint64_t b = pop(e), a = pop(e);
    int64_t sb = (int64_t)b, sa = (int64_t)a;
    switch (operation) {
    case OP_AND:
        push(e, a & b);
        break;
    case OP_DIV:
        divide(e, sa, sb);
        break;
    case OP_MINUS:
        push(e, a - b);
        break;
    case OP_MOD:
        push(e, b ? a % b : 0);
        break;
    case OP_MUL:
        push(e, a * b);
        break;
    case OP_OR:
        push(e, a | b);
        break;
    case OP_PLUS:
        push(e, a + b);
        break;
    case OP_SHL:
        push(e, b < 64 ? a << b : 0);
        break;
    case OP_SHR:
        push(e, b < 64 ? a >> b : 0);
        break;
    case OP_SHRA:
        push(e, (uint64_t)(sa >> (b < 64 ? b : 63)));
        break;
    case OP_XOR:
        push(e, a ^ b);
        break;
    case OP_EQ:
        push(e, a == b);
        break;
    case OP_GE:
        push(e, sa >= sb);
        break;
    case OP_GT:
        push(e, sa > sb);
        break;
    case OP_LE:
        push(e, sa <= sb);
        break;
    case OP_LT:
        push(e, sa < sb);
        break;
    default:
        push(e, a != b);
        break;
    }
    return true;
}

static bool run_unary(struct evaluation *e, uint8_t operation)
{
    uint64_t a;
    switch (operation) {
    case OP_ABS:
        a = pop(e);
        push(e, (int64_t)a < 0 ? 0 - a : a);
        return true;
    case OP_NEG:
        push(e, 0 - pop(e));
        return true;
    case OP_NOT:
        push(e, ~pop(e));
        return true;
    case OP_PLUS_UCONST:
        push(e, pop(e) + read_uleb(&e->c));
        return true;
    case OP_DEREF:
        push_loaded(e, 8);
        return true;
    case OP_DEREF_SIZE:
        push_loaded(e, read_fixed(&e->c, 1));
        return true;
    default:
        return false;
    }
}

static bool run_constant(struct evaluation *e, uint8_t operation)
{
    if (operation >= OP_LIT0 && operation < OP_REG0)
        push(e, operation - OP_LIT0);
    else if (operation >= OP_REG0 && operation < OP_BREG0)
        push_register(e, operation - OP_REG0, 0);
    else if (operation >= OP_BREG0 && operation < OP_BREG0 + 32)
        push_register(e, operation - OP_BREG0, read_sleb(&e->c));
    else if (operation >= OP_CONST1U && operation <= OP_CONST8S && (operation - OP_CONST1U) % 2 == 0)
        push(e, read_fixed(&e->c, (size_t)1 << (operation - OP_CONST1U) / 2));
    else if (operation >= OP_CONST1S && operation <= OP_CONST8S)
        push(e, read_signed(&e->c, (size_t)1 << (operation - OP_CONST1S) / 2));
    else if (operation == OP_ADDR)
        push(e, read_fixed(&e->c, 8));
    else if (operation == OP_CONSTU)
        push(e, read_uleb(&e->c));
    else if (operation == OP_CONSTS)
        push(e, (uint64_t)read_sleb(&e->c));
    else
        return false;
    return true;
}

static void jump(struct evaluation *e, const uint8_t *start, bool taken)
{
    int64_t distance = (int64_t)read_signed(&e->c, 2);
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
    case OP_DUP:
        push_picked(e, 0);
        break;
    case OP_DROP:
        pop(e);
        break;
    case OP_OVER:
        push_picked(e, 1);
        break;
    case OP_PICK:
        push_picked(e, read_fixed(&e->c, 1));
        break;
    case OP_SWAP:
        a = pop(e), b = pop(e);
        push(e, a), push(e, b);
        break;
    case OP_ROT:
        a = pop(e), b = pop(e), c = pop(e);
        push(e, a), push(e, c), push(e, b);
        break;
    case OP_BREGX:
        a = read_uleb(&e->c);
        push_register(e, a, read_sleb(&e->c));
        break;
    case OP_SKIP:
        jump(e, start, true);
        break;
    case OP_BRA:
        jump(e, start, pop(e) != 0);
        break;
    case OP_NOP:
        break;
    default:
        e->error = -EINVAL;
    }
}

/* Computes the expression at place, with *value as what is on its stack at first unless bare. */
static int evaluate(const struct cfi_memory *memory, int32_t place, struct evaluation *e, bool bare,
                    uint64_t *value)
{
    if (!cursor_at(&e->c, memory, (uintptr_t)memory->start + (uint32_t)place))
        return -EINVAL;
    uint64_t size = read_uleb(&e->c);
    if (size > left(&e->c))
        return -EINVAL;
    e->c.end = e->c.at + size;
    e->depth = 0;
    e->error = 0;
    if (!bare)
        push(e, *value);
    const uint8_t *start = e->c.at;
    unsigned steps = 0;
    while (left(&e->c) > 0 && !e->error) {
        uint8_t operation = (uint8_t)read_fixed(&e->c, 1);
        if (!run_constant(e, operation) && !run_unary(e, operation) && !run_binary(e, operation))
            run_stack(e, operation, start);
        if (e->c.failed || ++steps > EXPRESSION_STEPS)
            e->error = -EINVAL;
    }
    *value = pop(e);
    return e->error;
}

static int find_cfa(const struct cfi_memory *memory, const struct cfi_row *row, struct evaluation *e,
                    uint64_t *cfa)
{
    if (row->cfa_register == CFI_CFA_EXPRESSION)
        return evaluate(memory, row->cfa_value, e, true, cfa);
    if (!arch_read_dwarf(e->regs, row->cfa_register, cfa))
        return -EINVAL;
    *cfa += (uint64_t)(int64_t)row->cfa_value;
    return 0;
}

/* The caller's value of one register, by its rule. */
static int apply_rule(const struct cfi_memory *memory, const struct cfi_row *row, struct evaluation *e,
                      unsigned reg, uint64_t cfa, uint64_t *result)
{
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
        error = evaluate(memory, row->value[reg], e, false, &value);
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
    struct evaluation e = {.regs = regs, .load = load, .context = context};
    struct arch_regs caller;
    uint64_t cfa = 0;
    if (row->how[ARCH_PC] == CFI_UNDEFINED)
        return -ENOENT;
    if (row->how[ARCH_PC] == CFI_SAME)
        return -EINVAL;
    int error = find_cfa(memory, row, &e, &cfa);
    for (unsigned i = 0; i < ARCH_REGS && !error; i++)
        error = apply_rule(memory, row, &e, i, cfa, &caller.r[i]);
    if (error)
        return error;
    caller.context = NULL;
    *regs = caller;
    return 0;
}
