/* SPDX-License-Identifier: Apache-2.0 */
#include "frame_table.h"

#include <string.h>

#include "elf_file.h"

/*
 * .eh_frame_hdr (Linux Standard Base, core specification, 10.6.2) has a version, three encodings, the encoded pointer to
 * .eh_frame, and a count. Then come sorted pairs of 32-bit offsets from the section's own address: of a function, and of its
 * description. Linkers write these encodings only.
 */
enum {
    VERSION = 1,
    ENCODED_UDATA4 = 0x03,
    ENCODED_DATAREL_SDATA4 = 0x3b,
    HEAD = 12, /* bytes before the pairs, where the pointer takes four */
    PAIR = 8,
};

struct pairs {
    const uint8_t *first;
    size_t count;
    uint64_t base; /* the section's address */
};

static int32_t read_offset(const struct pairs *pairs, size_t i)
{
    int32_t offset;
    memcpy(&offset, pairs->first + i * PAIR, sizeof offset);
    return offset;
}

static int open_pairs(const Elf_Data *data, uint64_t base, struct pairs *pairs)
{
    const uint8_t *bytes = data->d_buf;
    uint32_t count;
    if (!bytes || data->d_size < HEAD || bytes[0] != VERSION || (bytes[1] & 0x0f) != 0x0b ||
        bytes[2] != ENCODED_UDATA4 || bytes[3] != ENCODED_DATAREL_SDATA4)
        return -1;
    memcpy(&count, bytes + 8, sizeof count);
    if (count == 0 || count > (data->d_size - HEAD) / PAIR)
        return -1;
    *pairs = (struct pairs){bytes + HEAD, count, base};
    return 0;
}

uint64_t frame_table_start(Elf *elf, uint64_t address)
{
    struct pairs pairs;
    size_t low = 0, high;
    Elf_Scn *section;
    GElf_Shdr header;
    const Elf_Data *data;
    if (!elf || !elf_file_section(elf, ".eh_frame_hdr", 0, &section, &header) ||
        header.sh_type == SHT_NOBITS || !(data = elf_rawdata(section, NULL)) ||
        open_pairs(data, header.sh_addr, &pairs) < 0)
        return address;
    for (high = pairs.count; low < high;) {
        const size_t middle = low + (high - low) / 2;
        if (pairs.base + (uint64_t)(int64_t)read_offset(&pairs, middle) <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? pairs.base + (uint64_t)(int64_t)read_offset(&pairs, low - 1) : address;
}
