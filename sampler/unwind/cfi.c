// SPDX-License-Identifier: Apache-2.0
/*
 * Finds the row for an address. Every read goes through a cursor. Loops are bounded by the bytes they eat
 * and, where a hostile length could make that long, by a count.
 */
#include "cfi.h"

#include <dwarf.h>
#include <errno.h>
#include <string.h>

#include "cfi_cursor.h"

enum {
    SAVED_ROWS = 4,          /* DW_CFA_remember_state; compilers nest one deep */
    MOST_OPERATIONS = 65536, /* of one FDE */
    MOST_ENTRIES = 65536,    /* of a linear search, where there is no table */
    ENCODING_FORMAT = 0x0f,  /* of a DW_EH_PE pointer encoding; the rest is what is added */
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

static uint64_t read_format(struct cursor *c, uint8_t encoding)
{
    switch (encoding & ENCODING_FORMAT) {
    case DW_EH_PE_absptr:
    case DW_EH_PE_udata8:
    case DW_EH_PE_sdata8:
        return cursor_fixed(c, 8);
    case DW_EH_PE_uleb128:
        return cursor_uleb(c);
    case DW_EH_PE_udata2:
        return cursor_fixed(c, 2);
    case DW_EH_PE_udata4:
        return cursor_fixed(c, 4);
    case DW_EH_PE_sleb128:
        return (uint64_t)cursor_sleb(c);
    case DW_EH_PE_sdata2:
        return cursor_signed(c, 2);
    case DW_EH_PE_sdata4:
        return cursor_signed(c, 4);
    default:
        cursor_fail(c);
        return 0;
    }
}

static uint64_t read_encoded(struct cursor *c, uint8_t encoding, uintptr_t data)
{
    uintptr_t here = (uintptr_t)c->at;
    uint64_t value = read_format(c, encoding);
    switch (encoding & ~ENCODING_FORMAT) {
    case 0:
        return value;
    case DW_EH_PE_pcrel:
        return here + value;
    case DW_EH_PE_datarel:
        return data + value;
    default: /* relative to what eh_frame never is, or through a pointer somewhere else */
        cursor_fail(c);
        return 0;
    }
}

/* Steps over the length and the CIE pointer of an entry at *c. *body becomes what follows them, *c the next
 *entry, cie the address of its CIE (0: it is one). */
static int read_entry(struct cursor *c, struct cursor *body, uint64_t *cie)
{
    uint64_t length = cursor_fixed(c, 4);
    if (c->failed || length < 4 ||
        length > cursor_left(c)) /* also the terminator, and 64-bit lengths, which nobody emits */
        return length == 0 ? -ENOENT : -EINVAL;
    *body = (struct cursor){.at = c->at, .end = c->at + length, .peek = c->peek};
    c->at += length;
    uintptr_t here = (uintptr_t)body->at;
    uint64_t delta = cursor_fixed(body, 4);
    *cie = delta ? here - delta : 0;
    return 0;
}

/* The letters of an augmentation string, which ends at a NUL. */
enum { LETTERS = 8 };
static void read_letters(struct cursor *c, char letters[LETTERS])
{
    for (unsigned i = 0; i < LETTERS; i++) {
        letters[i] = (char)cursor_fixed(c, 1);
        if (letters[i] == 0)
            return;
    }
    cursor_fail(c); /* nobody has so many */
}

static void read_augmentation(struct cursor *c, struct cie *cie, const char *letter)
{
    cie->has_data = true;
    uint64_t size = cursor_uleb(c);
    if (size > cursor_left(c)) {
        cursor_fail(c);
        return;
    }
    struct cursor data = {.at = c->at, .end = c->at + size, .peek = c->peek};
    c->at += size;
    for (; *letter; letter++) {
        if (*letter == 'R')
            cie->encoding = (uint8_t)cursor_fixed(&data, 1);
        else if (*letter == 'P')
            read_format(&data, (uint8_t)cursor_fixed(&data, 1));
        else if (*letter == 'L')
            cursor_fixed(&data, 1);
        else if (*letter == 'S')
            cie->signal = true;
        else if (*letter != 'B')
            break; /* unknown: the data's size says where the program starts */
    }
    if (data.failed)
        cursor_fail(c);
}

static int read_cie(const struct cfi_memory *memory, uint64_t address, struct cie *cie)
{
    struct cursor c, next;
    char letters[LETTERS];
    uint64_t id;
    if (!cursor_at(&next, memory, address) || read_entry(&next, &c, &id) != 0 || id != 0)
        return -EINVAL;
    uint64_t version = cursor_fixed(&c, 1);
    read_letters(&c, letters);
    if (c.failed || (version != 1 && version != 3))
        return -EINVAL;

    *cie = (struct cie){.encoding = DW_EH_PE_absptr};
    cie->code_align = cursor_uleb(&c);
    cie->data_align = cursor_sleb(&c);
    uint64_t return_register = version == 1 ? cursor_fixed(&c, 1) : cursor_uleb(&c);
    if (letters[0] == 'z')
        read_augmentation(&c, cie, letters + 1);
    else if (letters[0] != '\0')
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
    uint64_t data = cie->has_data ? cursor_uleb(body) : 0;
    if (body->failed || data > cursor_left(body))
        return -EINVAL;
    body->at += data;
    return 0;
}

/* Functions and their FDEs, sorted, both as offsets from the .eh_frame_hdr. */
struct table {
    const struct cfi_memory *memory;
    uintptr_t start; /* of the entries */
    uint64_t count;
    bool failed;
};

static int64_t table_entry(struct table *table, uint64_t index, unsigned word)
{
    struct cursor c;
    if (!cursor_at(&c, table->memory, table->start + 8 * index + 4 * word))
        return 0;
    int64_t value = (int64_t)cursor_signed(&c, 4);
    table->failed |= c.failed;
    return value;
}

/* Where in [low, high) a function is to be expected that lies between those of the two ends: so a search
   meets few blocks of a large table (peek.h), where halving it would meet another one each time. */
static uint64_t guess_place(uint64_t low, uint64_t high, int64_t low_value, int64_t high_value,
                            int64_t wanted)
{
    double share = (double)(wanted - low_value) / ((double)(high_value - low_value) + 1);
    uint64_t place = low + (uint64_t)(share * (double)(high - low));
    return place < high ? place : high - 1;
}

/* The FDE of the last entry at or below pc. */
static int search_table(struct table *table, const uint8_t *frame_hdr, uint64_t pc, struct cursor *entry)
{
    enum { CLOSE = 64 };
    uint64_t low = 1,
             high = table->count; /* entries below low are at or below pc, those from high on are not */
    int64_t wanted = (int64_t)(pc - (uintptr_t)frame_hdr), low_value = table_entry(table, 0, 0);
    int64_t high_value = (int64_t)((uintptr_t)table->memory->end - (uintptr_t)frame_hdr);
    bool halve = false;
    if (table->count == 0 || low_value > wanted)
        return table->failed ? -EINVAL : -ENOENT;
    while (low < high && !table->failed) {
        uint64_t size = high - low, middle = low + size / 2;
        if (size > CLOSE && !halve && wanted < high_value)
            middle = guess_place(low, high, low_value, high_value, wanted);
        int64_t value = table_entry(table, middle, 0);
        if (value <= wanted) {
            low = middle + 1;
            low_value = value;
        } else {
            high = middle;
            high_value = value;
        }
        halve = high - low > size / 2;
    }
    uint64_t address = (uintptr_t)frame_hdr + (uint64_t)table_entry(table, low - 1, 1);
    return !table->failed && cursor_at(entry, table->memory, address) ? 0 : -EINVAL;
}

/* Finds the FDE for pc among the entries from c on; most: how many may be looked at. */
static int search_entries(const struct cfi_memory *memory, struct cursor *c, unsigned most, uint64_t pc,
                          struct cie *cie, struct cursor *program, uint64_t *start, uintptr_t *fde)
{
    uint64_t parsed = 0, address;
    for (; most > 0; most--) {
        *fde = (uintptr_t)c->at;
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
                    struct cursor *program, uint64_t *start, uintptr_t *fde)
{
    struct cursor c, entry;
    if (!cursor_at(&c, memory, (uintptr_t)frame_hdr) || cursor_fixed(&c, 1) != 1)
        return -EINVAL;
    uint8_t frame_encoding = (uint8_t)cursor_fixed(&c, 1), count_encoding = (uint8_t)cursor_fixed(&c, 1);
    uint8_t table_encoding = (uint8_t)cursor_fixed(&c, 1);
    uint64_t frame = read_encoded(&c, frame_encoding, (uintptr_t)frame_hdr);
    if (count_encoding != DW_EH_PE_omit && table_encoding == (DW_EH_PE_datarel | DW_EH_PE_sdata4)) {
        uint64_t count = read_encoded(&c, count_encoding, (uintptr_t)frame_hdr);
        if (c.failed || count > cursor_left(&c) / 8)
            return -EINVAL;
        struct table table = {.memory = memory, .start = (uintptr_t)c.at, .count = count};
        if (memory->peek)
            memory->peek->widely = true;
        int error = search_table(&table, frame_hdr, pc, &entry);
        if (memory->peek)
            memory->peek->widely = false;
        return error ? error : search_entries(memory, &entry, 1, pc, cie, program, start, fde);
    }
    if (c.failed || !cursor_at(&entry, memory, frame))
        return -EINVAL;
    return search_entries(memory, &entry, MOST_ENTRIES, pc, cie, program, start, fde);
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
        cursor_fail(c);
    m->row.how[place] = (uint8_t)how;
    m->row.value[place] = (int32_t)value;
}

static void set_offset(struct machine *m, struct cursor *c, uint64_t number, enum cfi_how how,
                       int64_t factored)
{
    int64_t value;
    if (__builtin_mul_overflow(factored, m->cie->data_align, &value))
        cursor_fail(c);
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
        cursor_fail(c);
    m->row.cfa_register = (uint8_t)number;
    m->row.cfa_value = (int32_t)value;
}

static int64_t scaled(const struct machine *m, struct cursor *c)
{
    int64_t value;
    if (__builtin_mul_overflow(cursor_sleb(c), m->cie->data_align, &value))
        cursor_fail(c);
    return value;
}

/* Steps over an expression; its place is kept as an offset, the sign bit of which is a part of it. */
static int64_t skip_expression(const struct machine *m, struct cursor *c)
{
    int64_t place = c->at - m->memory->start;
    uint64_t size = cursor_uleb(c);
    if (size > cursor_left(c) || place > UINT32_MAX)
        cursor_fail(c);
    else
        c->at += size;
    return (int32_t)(uint32_t)place;
}

static void remember_state(struct machine *m, struct cursor *c)
{
    if (m->depth >= SAVED_ROWS)
        cursor_fail(c);
    else
        m->saved[m->depth++] = m->row;
}

static void restore_state(struct machine *m, struct cursor *c)
{
    if (m->depth == 0)
        cursor_fail(c);
    else
        m->row = m->saved[--m->depth];
}

/* The operations that say where the CFA is. false: it is none of them. */
static bool run_cfa(struct machine *m, struct cursor *c, uint8_t operation)
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
static bool run_rule(struct machine *m, struct cursor *c, uint8_t operation)
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

static void run_rest(struct machine *m, struct cursor *c, uint8_t operation)
{
    switch (operation) {
    case DW_CFA_nop:
        break;
    case DW_CFA_set_loc:
        m->location = read_encoded(c, m->cie->encoding, 0);
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
        cursor_fail(c);
    }
}

/* Runs a program until it is at its end or past pc. */
static int run_program(struct machine *m, struct cursor c)
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

/* The location of m and what is in cie and program are the FDE's. */
static int run_both(struct machine *m, const struct cie *cie, struct cursor program, uint64_t pc,
                    struct cfi_row *row)
{
    m->cie = cie;
    m->pc = pc;
    m->operations = m->depth = 0;
    memset(&m->row, 0, sizeof(m->row));
    m->initial = m->row;
    m->row.signal = cie->signal;
    int error = run_program(m, cie->program);
    m->initial = m->row;
    m->depth = 0;
    if (!error)
        error = run_program(m, program);
    if (!error)
        *row = m->row;
    return error;
}

int cfi_find_row(const struct cfi_memory *memory, const uint8_t *frame_hdr, uintptr_t pc, struct cfi_row *row,
                 uintptr_t *fde)
{
    struct cie cie;
    struct cursor program;
    struct machine m = {.memory = memory};
    uintptr_t unused;
    int error = find_fde(memory, frame_hdr, pc, &cie, &program, &m.location, fde ? fde : &unused);
    return error ? error : run_both(&m, &cie, program, pc, row);
}

int cfi_read_row(const struct cfi_memory *memory, uintptr_t fde, uintptr_t pc, struct cfi_row *row)
{
    struct cie cie;
    struct cursor entry, program;
    struct machine m = {.memory = memory};
    if (!cursor_at(&entry, memory, fde))
        return -EINVAL;
    int error = search_entries(memory, &entry, 1, pc, &cie, &program, &m.location, &fde);
    return error ? error : run_both(&m, &cie, program, pc, row);
}
