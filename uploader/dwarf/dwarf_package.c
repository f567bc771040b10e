/* SPDX-License-Identifier: Apache-2.0 */
#include "dwarf_package.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dwarf_unpack.h"
#include "uploader/elf/elf_builder.h"

/*
 * .debug_cu_index (DWARF 5, 7.3.5.3): a head, a hash table of ids, for each of its slots the number of a row, the names of
 * columns, and two tables of rows: where the unit's part of each section begins, and how long it is.
 */
enum { HEAD = 16, COLUMNS_MOST = 16, PARTS = 5, STRINGS_MOST = 32 << 20, HEAD_5 = 8 };

/* Columns, as version 2 (GNU's) and 5 number them. */
static const struct part {
    unsigned column_2, column_5;
    const char *name;
} parts[PARTS] = {
    {1, 1, ".debug_info.dwo"},        {3, 3, ".debug_abbrev.dwo"},   {4, 4, ".debug_line.dwo"},
    {6, 6, ".debug_str_offsets.dwo"}, {0, 8, ".debug_rnglists.dwo"},
};
enum { PART_INFO = 0, PART_OFFSETS = 3 };

struct index {
    struct elf_bytes bytes;
    uint32_t version, columns, units, slots;
    size_t rows, names, offsets, sizes; /* where these begin */
};

static uint32_t word_at(const struct elf_bytes *bytes, size_t at)
{
    uint32_t word = 0;
    if (at <= bytes->size && bytes->size - at >= sizeof word)
        memcpy(&word, bytes->data + at, sizeof word);
    return word;
}

static bool index_open(struct index *index, const struct elf_file *package)
{
    index->bytes = dwarf_section(package->elf, ".debug_cu_index");
    index->version = word_at(&index->bytes, 0) & 0xffff; /* version 5 has two bytes, and two of padding */
    index->columns = word_at(&index->bytes, 4);
    index->units = word_at(&index->bytes, 8);
    index->slots = word_at(&index->bytes, 12);
    if ((index->version != 2 && index->version != 5) || !index->slots || index->columns > COLUMNS_MOST ||
        (index->slots & (index->slots - 1)) || index->slots > index->bytes.size / 12 ||
        index->units > index->bytes.size / 8)
        return false;
    index->rows = HEAD + (size_t)index->slots * 8;
    index->names = index->rows + (size_t)index->slots * 4;
    index->offsets = index->names + (size_t)index->columns * 4;
    index->sizes = index->offsets + (size_t)index->units * index->columns * 4;
    return index->sizes + (size_t)index->units * index->columns * 4 <= index->bytes.size;
}

/* The unit's row, from 1 on; 0: it is not there. */
static uint32_t index_find(const struct index *index, uint64_t id)
{
    const uint32_t mask = index->slots - 1, step = ((uint32_t)(id >> 32) & mask) | 1;
    uint32_t slot = (uint32_t)id & mask;
    for (uint32_t i = 0; i < index->slots; i++, slot = (slot + step) & mask) {
        uint64_t found;
        const uint32_t row = word_at(&index->bytes, index->rows + (size_t)slot * 4);
        memcpy(&found, index->bytes.data + HEAD + (size_t)slot * 8, sizeof found);
        if (!row || found == id)
            return row <= index->units ? row : 0;
    }
    return 0;
}

/* The unit's part of a section. Offsets and sizes are not believed. */
static struct elf_bytes part_of(const struct elf_file *package, const struct index *index, uint32_t row,
                                const struct part *part)
{
    struct elf_bytes section = dwarf_section(package->elf, part->name);
    const uint32_t wanted = index->version == 5 ? part->column_5 : part->column_2;
    for (uint32_t i = 0; wanted && section.size && i < index->columns; i++) {
        const size_t cell = ((size_t)(row - 1) * index->columns + i) * 4;
        const uint32_t offset = word_at(&index->bytes, index->offsets + cell),
                       size = word_at(&index->bytes, index->sizes + cell);
        if (word_at(&index->bytes, index->names + (size_t)i * 4) == wanted && offset <= section.size &&
            size <= section.size - offset)
            return (struct elf_bytes){section.data + offset, size};
    }
    return (struct elf_bytes){0};
}

/* The strings of one unit, and offsets into them. */
struct strings {
    uint8_t *offsets;
    char *text;
    size_t size, room;
};

static bool string_add(struct strings *strings, const char *text, size_t size)
{
    while (strings->size + size > strings->room) {
        const size_t room = strings->room ? strings->room * 2 : 16384;
        char *grown = room <= STRINGS_MOST ? realloc(strings->text, room) : NULL;
        if (!grown)
            return false;
        strings->text = grown;
        strings->room = room;
    }
    memcpy(strings->text + strings->size, text, size);
    strings->size += size;
    return true;
}

/* A package has the strings of all units in one section, which may be hundreds of megabytes. head: bytes before the first
   offset. */
static bool strings_take(struct strings *strings, const struct elf_bytes *offsets, size_t head,
                         const struct elf_bytes *all)
{
    strings->offsets = malloc(offsets->size + !offsets->size);
    if (!strings->offsets || !string_add(strings, "", 1))
        return false;
    if (offsets->size)
        memcpy(strings->offsets, offsets->data, offsets->size);
    for (size_t at = head; at + 4 <= offsets->size; at += 4) {
        const uint32_t from = word_at(offsets, at);
        uint32_t to = 0;
        const uint8_t *end = from < all->size ? memchr(all->data + from, 0, all->size - from) : NULL;
        if (end) {
            to = (uint32_t)strings->size;
            if (!string_add(strings, (const char *)all->data + from, (size_t)(end - all->data) - from + 1))
                return false;
        }
        memcpy(strings->offsets + at, &to, sizeof to);
    }
    return true;
}

static int unit_make(const struct elf_file *package, const struct index *index, uint32_t row, uint8_t **image,
                     size_t *size)
{
    const struct elf_bytes all = dwarf_section(package->elf, ".debug_str.dwo");
    struct built_section section[PARTS + 1];
    struct strings strings = {0};
    int error = -ENOMEM;
    for (unsigned i = 0; i < PARTS; i++) {
        const struct elf_bytes part = part_of(package, index, row, &parts[i]);
        section[i] = (struct built_section){
            .name = parts[i].name, .type = SHT_PROGBITS, .data = part.data, .size = part.size};
    }
    const struct elf_bytes offsets = {section[PART_OFFSETS].data, section[PART_OFFSETS].size};
    if (!section[PART_INFO].size) {
        error = -ENOENT;
    } else if (strings_take(&strings, &offsets, index->version == 5 ? HEAD_5 : 0, &all)) {
        section[PART_OFFSETS].data = strings.offsets;
        section[PARTS] = (struct built_section){
            .name = ".debug_str.dwo", .type = SHT_PROGBITS, .data = strings.text, .size = strings.size};
        *image = elf_builder_make(section, PARTS + 1, EM_X86_64, size);
        error = *image ? 0 : -ENOMEM;
    }
    free(strings.offsets);
    free(strings.text);
    return error;
}

int dwarf_package_unit(const struct elf_file *package, uint64_t id, uint8_t **image, size_t *size)
{
    struct index index;
    const uint32_t row = index_open(&index, package) ? index_find(&index, id) : 0;
    return row ? unit_make(package, &index, row, image, size) : -ENOENT;
}
