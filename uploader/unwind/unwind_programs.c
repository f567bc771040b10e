/* SPDX-License-Identifier: Apache-2.0 */
/* Operations of call frame information that libunwind refuses although a walk does not need them. They are found before it
   runs the programs that have them, and read as DW_CFA_nop. */
#include "unwind_state.h"

/* How libunwind's private description of a function begins (struct dwarf_cie_info): the programs of its CIE and FDE. */
struct programs {
    unw_word_t cie, cie_end, fde, fde_end;
};

enum { PRIMARY = 0xc0, OFFSET = 0x80, LEB_MOST = 10 };

/* Operands by operation: L a LEB128 number, B a block behind its length, 1, 2 and 4 so many bytes. */
static const char *const operands[] = {
    [0x00] = "",   [0x02] = "1",  [0x03] = "2",  [0x04] = "4",  [0x05] = "LL", [0x06] = "L",  [0x07] = "L",
    [0x08] = "L",  [0x09] = "LL", [0x0a] = "",   [0x0b] = "",   [0x0c] = "LL", [0x0d] = "L",  [0x0e] = "L",
    [0x0f] = "B",  [0x10] = "LB", [0x11] = "LL", [0x12] = "LL", [0x13] = "L",  [0x14] = "LL", [0x15] = "LL",
    [0x16] = "LB", [0x2c] = "",   [0x2d] = "",   [0x2e] = "L",  [0x2f] = "LL",
};

struct reader {
    struct unwinder *unwinder;
    const struct code_mapping *mapping;
};

static bool read_byte(const struct reader *reader, uint64_t at, uint8_t *byte)
{
    uint64_t word;

    if (!unwind_may_read(reader->unwinder, 1) ||
        !elf_image_read(reader->mapping->image, (at & ~UINT64_C(7)) - reader->mapping->bias, &word))
        return false;
    *byte = (uint8_t)(word >> 8 * (at & 7));
    return true;
}

static bool read_leb(const struct reader *reader, uint64_t *at, uint64_t *value)
{
    uint8_t byte = 0x80;

    *value = 0;
    for (unsigned i = 0; i < LEB_MOST && byte & 0x80; i++, ++*at) {
        if (!read_byte(reader, *at, &byte))
            return false;
        *value |= (uint64_t)(byte & 0x7f) << 7 * i;
    }
    return !(byte & 0x80);
}

static bool skip_operands(const struct reader *reader, uint64_t *at, const char *kinds)
{
    uint64_t value;

    for (; *kinds; kinds++) {
        if (*kinds >= '1' && *kinds <= '4') {
            *at += (uint64_t)(*kinds - '0');
            continue;
        }
        if (!read_leb(reader, at, &value))
            return false;
        *at += *kinds == 'B' ? value : 0;
    }
    return true;
}

static const char *operands_of(uint8_t operation)
{
    if (operation & PRIMARY)
        return (operation & PRIMARY) == OFFSET ? "L" : "";
    return operation < sizeof operands / sizeof operands[0] ? operands[operation] : NULL;
}

static void find_ignored(const struct reader *reader, uint64_t at, uint64_t end)
{
    struct unwinder *unwinder = reader->unwinder;
    uint8_t operation;

    while (at < end && unwinder->ignored_count < IGNORED_MOST && read_byte(reader, at, &operation)) {
        const char *kinds = operands_of(operation);
        if (machine_is_ignored_cfa(operation))
            unwinder->ignored[unwinder->ignored_count++] = at;
        at++;
        if (!kinds || !skip_operands(reader, &at, kinds))
            return;
    }
}

void unwind_ignore_operations(struct unwinder *unwinder, const struct code_mapping *mapping,
                              const void *description)
{
    const struct reader reader = {unwinder, mapping};
    const struct programs *programs = description;

    unwinder->ignored_count = 0;
    find_ignored(&reader, programs->cie, programs->cie_end);
    find_ignored(&reader, programs->fde, programs->fde_end);
}

uint64_t unwind_without_ignored(const struct unwinder *unwinder, uint64_t address, uint64_t word)
{
    for (unsigned i = 0; i < unwinder->ignored_count; i++)
        if (unwinder->ignored[i] - address < sizeof word)
            word &= ~(UINT64_C(0xff) << 8 * (unwinder->ignored[i] - address));
    return word;
}
