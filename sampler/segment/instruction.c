/* SPDX-License-Identifier: Apache-2.0 */
#include "instruction.h"

#include <stddef.h>
#include <string.h>

/* What follows an opcode. */
enum { MODRM = 1, IMM8 = 2, IMM16 = 4, IMM32 = 8, SHORTENED = 16, WIDENED = 32, ADDRESS64 = 64, BAD = 128 };
enum { IMMZ = IMM32 | SHORTENED }; /* 16 bits with the prefix 66 */

struct prefixes {
    bool operand16;
    uint8_t rex;
};

/* Opcodes that have nothing behind them are not listed. */
struct form {
    uint8_t first, last, follows;
};

/* From 40 on. 60 to 62 and the like are no instructions of 64-bit code. f6 and f7 have an immediate in two of eight forms. */
static const struct form one_byte[] = {
    {0x60, 0x62, BAD},          {0x63, 0x63, MODRM},        {0x68, 0x68, IMMZ},
    {0x69, 0x69, MODRM | IMMZ}, {0x6a, 0x6a, IMM8},         {0x6b, 0x6b, MODRM | IMM8},
    {0x70, 0x7f, IMM8},         {0x80, 0x80, MODRM | IMM8}, {0x81, 0x81, MODRM | IMMZ},
    {0x82, 0x82, BAD},          {0x83, 0x83, MODRM | IMM8}, {0x84, 0x8f, MODRM},
    {0x9a, 0x9a, BAD},          {0xa0, 0xa3, ADDRESS64},    {0xa8, 0xa8, IMM8},
    {0xa9, 0xa9, IMMZ},         {0xb0, 0xb7, IMM8},         {0xb8, 0xbf, IMMZ | WIDENED},
    {0xc0, 0xc1, MODRM | IMM8}, {0xc2, 0xc2, IMM16},        {0xc6, 0xc6, MODRM | IMM8},
    {0xc7, 0xc7, MODRM | IMMZ}, {0xc8, 0xc8, IMM16 | IMM8}, {0xca, 0xca, IMM16},
    {0xcd, 0xcd, IMM8},         {0xce, 0xce, BAD},          {0xd0, 0xd3, MODRM},
    {0xd4, 0xd6, BAD},          {0xd8, 0xdf, MODRM},        {0xe0, 0xe7, IMM8},
    {0xe8, 0xe9, IMM32},        {0xea, 0xea, BAD},          {0xeb, 0xeb, IMM8},
    {0xf6, 0xf7, MODRM},        {0xfe, 0xff, MODRM},
};

/* Behind 0f. All others have a ModRM byte alone. */
static const struct form two_byte[] = {
    {0x04, 0x04, BAD},
    {0x05, 0x0c, 0},
    {0x0e, 0x0e, 0},
    {0x0f, 0x0f, MODRM | IMM8},
    {0x24, 0x27, BAD},
    {0x30, 0x37, 0},
    {0x39, 0x39, BAD},
    {0x3b, 0x3f, BAD},
    {0x70, 0x73, MODRM | IMM8},
    {0x77, 0x77, 0},
    {0x80, 0x8f, IMM32},
    {0xa0, 0xa2, 0},
    {0xa4, 0xa4, MODRM | IMM8},
    {0xa8, 0xaa, 0},
    {0xac, 0xac, MODRM | IMM8},
    {0xba, 0xba, MODRM | IMM8},
    {0xc2, 0xc2, MODRM | IMM8},
    {0xc4, 0xc6, MODRM | IMM8},
    {0xc8, 0xcf, 0},
};

static unsigned find_form(const struct form *form, size_t count, uint8_t opcode, unsigned other)
{
    for (; count; count--, form++)
        if (opcode >= form->first && opcode <= form->last)
            return form->follows;
    return other;
}

static unsigned one_byte_form(uint8_t opcode)
{
    static const uint8_t arithmetic[8] = {MODRM, MODRM, MODRM, MODRM, IMM8, IMMZ, BAD, BAD};
    if (opcode < 0x40)
        return arithmetic[opcode & 7];
    return find_form(one_byte, sizeof one_byte / sizeof one_byte[0], opcode, 0);
}

static unsigned two_byte_form(uint8_t opcode)
{
    return find_form(two_byte, sizeof two_byte / sizeof two_byte[0], opcode, MODRM);
}

static unsigned form_of(const struct instruction *instruction)
{
    switch (instruction->map) {
    case 0:
        return one_byte_form(instruction->opcode);
    case 1:
        return two_byte_form(instruction->opcode);
    case 2:
        return MODRM;
    default:
        return MODRM | IMM8;
    }
}

static bool is_prefix(uint8_t byte)
{
    return byte == 0x66 || byte == 0x67 || byte == 0xf2 || byte == 0xf3 || byte == 0xf0 || byte == 0x2e ||
           byte == 0x36 || byte == 0x3e || byte == 0x26 || byte == 0x64 || byte == 0x65;
}

/* c5: two bytes, c4: three, 62: four. Returns those that precede the opcode; 0: none that is known. */
static unsigned read_vector_prefix(const uint8_t *code, struct instruction *to, struct prefixes *prefixes)
{
    to->is_vector = true;
    to->map = 1;
    if (code[0] == 0xc5)
        return 2;
    to->map = code[1] & (code[0] == 0xc4 ? 0x1f : 7);
    prefixes->rex = 0x40 | (~code[1] >> 5 & 7); /* the same bits as those of a REX prefix, inverted */
    return to->map < 1 || to->map > 3 ? 0 : code[0] == 0xc4 ? 3 : 4;
}

/* Prefixes and opcode. Returns their length; 0: none that is known. */
static unsigned read_opcode(const uint8_t *code, struct instruction *to, struct prefixes *prefixes)
{
    unsigned at = 0, more;

    for (; at < 8 && is_prefix(code[at]); at++)
        prefixes->operand16 |= code[at] == 0x66;
    if ((code[at] & 0xf0) == 0x40)
        prefixes->rex = code[at++];
    if (code[at] == 0xc5 || code[at] == 0xc4 || code[at] == 0x62) {
        more = read_vector_prefix(code + at, to, prefixes);
        to->opcode = code[at + more];
        return more ? at + more + 1 : 0;
    }
    if (code[at] == 0x0f) {
        to->map = 1;
        at++;
        if (code[at] == 0x38 || code[at] == 0x3a)
            to->map = code[at++] == 0x38 ? 2 : 3;
    }
    to->opcode = code[at++];
    return at;
}

static int64_t read_signed(const uint8_t *from, unsigned size)
{
    uint64_t value = 0;
    memcpy(&value, from, size);
    return size && size < 8 ? (int64_t)(value << (64 - 8 * size)) >> (64 - 8 * size) : (int64_t)value;
}

/* ModRM, SIB and displacement. Returns their length. */
static unsigned read_operands(const uint8_t *code, uint8_t rex, struct instruction *to)
{
    unsigned mode = code[0] >> 6, at = 1, size = mode == 1 ? 1 : mode == 2 ? 4 : 0;

    to->reg = (code[0] >> 3 & 7) | (rex & 4) << 1;
    to->rm = (code[0] & 7) | (rex & 1) << 3;
    if (mode == 3)
        return at;
    to->has_memory = true;
    to->base = to->rm;
    if ((to->rm & 7) == 4) {
        to->is_indexed = (code[1] & 0x38) != 0x20 || rex & 2;
        to->base = (code[1] & 7) | (rex & 1) << 3;
        at++;
    }
    if (mode == 0 && (to->base & 7) == 5) {
        to->base = at == 1 ? INSTRUCTION_PC : INSTRUCTION_NONE;
        size = 4;
    }
    to->displacement = (int32_t)read_signed(code + at, size);
    return at + size;
}

static unsigned immediate_size(unsigned form, const struct instruction *to, const struct prefixes *prefixes)
{
    unsigned size;

    if (!to->map && (to->opcode & 0xfe) == 0xf6 && !(to->reg & 6)) /* test, among others that have none */
        form |= to->opcode & 1 ? IMMZ : IMM8;
    size = (form & IMM8 ? 1 : 0) + (form & IMM16 ? 2 : 0) + (form & ADDRESS64 ? 8 : 0);
    if (!(form & IMM32))
        return size;
    if (form & WIDENED && prefixes->rex & 8)
        return 8;
    return form & SHORTENED && prefixes->operand16 && !(prefixes->rex & 8) ? 2 : 4;
}

bool instruction_decode(const uint8_t *code, struct instruction *instruction)
{
    struct prefixes prefixes = {0};
    unsigned at, form, size;

    memset(instruction, 0, sizeof *instruction);
    instruction->base = INSTRUCTION_NONE;
    at = read_opcode(code, instruction, &prefixes);
    if (!at || at >= INSTRUCTION_MOST)
        return false;
    form = form_of(instruction);
    if (form & BAD)
        return false;
    instruction->is_wide = prefixes.rex & 8;
    if (form & MODRM && at + 6 <= INSTRUCTION_MOST)
        at += read_operands(code + at, prefixes.rex, instruction);
    else if (!(form & MODRM))
        instruction->rm = (instruction->opcode & 7) | (prefixes.rex & 1) << 3;
    size = immediate_size(form, instruction, &prefixes);
    if (at + size > INSTRUCTION_MOST - 1)
        return false;
    instruction->immediate = read_signed(code + at, size);
    instruction->length = (uint8_t)(at + size);
    return true;
}
