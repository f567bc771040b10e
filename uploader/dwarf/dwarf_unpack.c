/* SPDX-License-Identifier: Apache-2.0 */
#include "dwarf_unpack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>
#include <zstd.h>

#include "uploader/elf/elf_builder.h"

enum { COMPRESSED_ZSTD = 2, NAME_MOST = 32, OLD_HEAD = 12 };
static const size_t unpacked_most = (size_t)96 << 20;
static const char old_prefix[] = ".zdebug_";
static const char old_mark[4] = {'Z', 'L', 'I', 'B'};

/* How a section is kept. */
struct packed {
    const uint8_t *data;
    size_t size, unpacked;
    uint32_t way; /* 0: not compressed; ELFCOMPRESS_ZLIB, COMPRESSED_ZSTD */
};

struct unpacking {
    struct built_section section[ELF_BUILDER_SECTIONS];
    struct packed packed[ELF_BUILDER_SECTIONS];
    char name[ELF_BUILDER_SECTIONS][NAME_MOST];
    unsigned sections;
    size_t bytes;
    bool any;
};

struct elf_bytes dwarf_section(Elf *elf, const char *name)
{
    Elf_Scn *section;
    GElf_Shdr header;
    if (!elf_file_section(elf, name, 0, &section, &header) || header.sh_type == SHT_NOBITS)
        return (struct elf_bytes){0};
    const Elf_Data *data = elf_rawdata(section, NULL);
    if (!data || !data->d_buf)
        return (struct elf_bytes){0};
    return (struct elf_bytes){data->d_buf, data->d_size};
}

/* Locations of variables and indices are never used here. */
static bool is_used(const char *name)
{
    static const char *const used[] = {"info",   "abbrev",   "str",  "line",        "line_str",
                                       "ranges", "rnglists", "addr", "str_offsets", "cu_index"};
    static const char prefix[] = ".debug_";
    if (strcmp(name, ".gnu_debugaltlink") == 0)
        return true;
    if (strncmp(name, prefix, strlen(prefix)) != 0)
        return false;
    name += strlen(prefix);
    for (size_t i = 0; i < sizeof used / sizeof *used; i++) {
        const size_t length = strlen(used[i]);
        if (strncmp(name, used[i], length) == 0 && (!name[length] || strcmp(name + length, ".dwo") == 0))
            return true;
    }
    return false;
}

/* false: its head makes no sense. */
static bool packed_read(struct packed *packed, const GElf_Shdr *header, bool old)
{
    Elf64_Chdr head;
    if (header->sh_flags & SHF_COMPRESSED) {
        if (packed->size < sizeof head)
            return false;
        memcpy(&head, packed->data, sizeof head);
        packed->way = head.ch_type;
        packed->unpacked = head.ch_size;
        packed->data += sizeof head;
        packed->size -= sizeof head;
        return packed->way == ELFCOMPRESS_ZLIB || packed->way == COMPRESSED_ZSTD;
    }
    packed->unpacked = packed->size;
    if (!old)
        return true;
    if (packed->size < OLD_HEAD || memcmp(packed->data, old_mark, sizeof old_mark) != 0)
        return false;
    packed->way = ELFCOMPRESS_ZLIB;
    packed->unpacked = 0;
    for (unsigned i = sizeof old_mark; i < OLD_HEAD; i++)
        packed->unpacked = packed->unpacked << 8 | packed->data[i]; /* the highest byte comes first */
    packed->data += OLD_HEAD;
    packed->size -= OLD_HEAD;
    return true;
}

static int section_add(struct unpacking *unpacking, Elf_Scn *section, const GElf_Shdr *header,
                       const char *name)
{
    const bool old = strncmp(name, old_prefix, strlen(old_prefix)) == 0;
    char *kept = unpacking->name[unpacking->sections];
    struct packed *packed = &unpacking->packed[unpacking->sections];
    const Elf_Data *data;

    unpacking->any |= old || (header->sh_flags & SHF_COMPRESSED);
    if (strlen(name) >= NAME_MOST)
        return 0;
    strcpy(kept, name);
    if (old)
        memmove(kept + 1, kept + 2, strlen(kept + 1)); /* .zdebug_info is called .debug_info */
    if (!is_used(kept) || header->sh_type == SHT_NOBITS)
        return 0;
    data = elf_rawdata(section, NULL);
    *packed =
        (struct packed){.data = data ? data->d_buf : NULL, .size = data && data->d_buf ? data->d_size : 0};
    if (!packed->data || !packed_read(packed, header, old))
        return -EINVAL;
    if (unpacking->sections + 1 == ELF_BUILDER_SECTIONS ||
        packed->unpacked > unpacked_most - unpacking->bytes)
        return -EFBIG;
    unpacking->bytes += packed->unpacked;
    unpacking->section[unpacking->sections++] =
        (struct built_section){.name = kept,
                               .type = SHT_PROGBITS,
                               .size = packed->unpacked,
                               .data = packed->way ? NULL : packed->data};
    return 0;
}

static int sections_list(struct unpacking *unpacking, Elf *elf)
{
    size_t strings;
    GElf_Shdr header;
    int error = 0;
    if (elf_getshdrstrndx(elf, &strings) < 0)
        return -ENOENT;
    for (Elf_Scn *section = NULL; error == 0 && elf_file_next_section(elf, &section, &header);) {
        const char *name = elf_strptr(elf, strings, header.sh_name);
        if (name && (strncmp(name, ".debug_", 7) == 0 || strncmp(name, old_prefix, strlen(old_prefix)) == 0 ||
                     strcmp(name, ".gnu_debugaltlink") == 0))
            error = section_add(unpacking, section, &header, name);
    }
    return unpacking->any ? error : -ENOENT;
}

/* Writes exactly the size that the section says, however much there is. */
static bool unpack_one(const struct packed *packed, uint8_t *to)
{
    uLongf size = packed->unpacked;
    if (packed->way == COMPRESSED_ZSTD)
        return ZSTD_decompress(to, packed->unpacked, packed->data, packed->size) == packed->unpacked;
    return uncompress(to, &size, packed->data, packed->size) == Z_OK && size == packed->unpacked;
}

/* What was read of the file is given back at once, since its copy takes the most memory of all. */
static int unpack_all(struct unpacking *unpacking, const struct elf_file *file, struct elf_file *unpacked)
{
    size_t size;
    uint8_t *image = elf_builder_make(unpacking->section, unpacking->sections, EM_X86_64, &size);
    if (!image)
        return -ENOMEM;
    unpacking->bytes = size;
    for (unsigned i = 0; i < unpacking->sections; i++) {
        const struct packed *packed = &unpacking->packed[i];
        if (packed->way && !unpack_one(packed, image + unpacking->section[i].offset)) {
            free(image);
            return -EINVAL;
        }
        elf_file_drop_pages(file);
    }
    return elf_file_open_memory(unpacked, image, size, true);
}

int dwarf_unpack(struct elf_file *unpacked, const struct elf_file *file, size_t *bytes)
{
    struct unpacking *unpacking = calloc(1, sizeof *unpacking);
    int error;
    *unpacked = ELF_FILE_NONE;
    *bytes = 0;
    if (!unpacking)
        return -ENOMEM;
    error = sections_list(unpacking, file->elf);
    if (error == 0)
        error = unpack_all(unpacking, file, unpacked);
    if (error == 0)
        *bytes = unpacking->bytes;
    free(unpacking);
    return error;
}
