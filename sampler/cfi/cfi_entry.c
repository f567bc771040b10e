// SPDX-License-Identifier: Apache-2.0
/*
 * Every read goes through a cursor. Loops are bounded by the bytes they eat and, where a hostile length could make
 * that long, by a count.
 */
#include "cfi_entry.h"

#include <dwarf.h>
#include <errno.h>

enum {
    MOST_ENTRIES = 65536,   /* of a linear search, where there is no table */
    ENCODING_FORMAT = 0x0f, /* of a DW_EH_PE pointer encoding; the rest is what is added */
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

uint64_t cfi_read_encoded(struct cursor *c, uint8_t encoding, uintptr_t data)
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
   entry, and cie the address of its CIE (0: it is one). */
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
    return c.failed || return_register != ARCH_DWARF_RETURN ? -EINVAL : 0;
}

/* The FDE whose body is in fde->program covers pc: the program is what follows. */
static int match_fde(struct fde *fde, uint64_t pc)
{
    struct cursor *body = &fde->program;
    fde->start = cfi_read_encoded(body, fde->cie.encoding, 0);
    uint64_t size = read_format(body, fde->cie.encoding);
    if (body->failed)
        return -EINVAL;
    if (pc - fde->start >= size)
        return -ENOENT;
    uint64_t data = fde->cie.has_data ? cursor_uleb(body) : 0;
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

/* Where in [low, high) a function is to be expected that lies between those of the two ends. So a search
   meets few blocks of a large table (peek.h). A binary search would meet another block at each step. */
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
static int search_entries(const struct cfi_memory *memory, struct cursor c, unsigned most, uint64_t pc,
                          struct fde *fde)
{
    uint64_t parsed = 0, cie;
    for (; most > 0; most--) {
        fde->address = (uintptr_t)c.at;
        int error = read_entry(&c, &fde->program, &cie);
        if (error)
            return error;
        if (cie == 0)
            continue;
        if (cie != parsed && (error = read_cie(memory, cie, &fde->cie)) != 0)
            return error;
        parsed = cie;
        error = match_fde(fde, pc);
        if (error != -ENOENT)
            return error;
    }
    return -ENOENT;
}

int cfi_find_fde(const struct cfi_memory *memory, const uint8_t *frame_hdr, uint64_t pc, struct fde *fde)
{
    struct cursor c, entry;
    if (!cursor_at(&c, memory, (uintptr_t)frame_hdr) || cursor_fixed(&c, 1) != 1)
        return -EINVAL;
    uint8_t frame_encoding = (uint8_t)cursor_fixed(&c, 1), count_encoding = (uint8_t)cursor_fixed(&c, 1);
    uint8_t table_encoding = (uint8_t)cursor_fixed(&c, 1);
    uint64_t frame = cfi_read_encoded(&c, frame_encoding, (uintptr_t)frame_hdr);
    if (count_encoding == DW_EH_PE_omit || table_encoding != (DW_EH_PE_datarel | DW_EH_PE_sdata4)) {
        if (c.failed || !cursor_at(&entry, memory, frame))
            return -EINVAL;
        return search_entries(memory, entry, MOST_ENTRIES, pc, fde);
    }
    uint64_t count = cfi_read_encoded(&c, count_encoding, (uintptr_t)frame_hdr);
    if (c.failed || count > cursor_left(&c) / 8)
        return -EINVAL;
    struct table table = {.memory = memory, .start = (uintptr_t)c.at, .count = count};
    if (memory->peek)
        memory->peek->widely = true;
    int error = search_table(&table, frame_hdr, pc, &entry);
    if (memory->peek)
        memory->peek->widely = false;
    return error ? error : search_entries(memory, entry, 1, pc, fde);
}

int cfi_read_fde(const struct cfi_memory *memory, uintptr_t address, uint64_t pc, struct fde *fde)
{
    struct cursor entry;
    return cursor_at(&entry, memory, address) ? search_entries(memory, entry, 1, pc, fde) : -EINVAL;
}
