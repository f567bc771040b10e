/* SPDX-License-Identifier: Apache-2.0 */
#include "elf_builder.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 8, NAMES_MOST = 2048 };
static const char names_name[] = ".shstrtab";

static size_t aligned(size_t at)
{
    return (at + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

/* Gives each section its place. Returns where the names come, which are the last one; 0: too large. */
static size_t lay_out(struct built_section *section, unsigned count)
{
    size_t at = sizeof(Elf64_Ehdr), names = 1 + sizeof names_name;

    for (unsigned i = 0; i < count; i++) {
        section[i].offset = at = aligned(at);
        if (section[i].size > SIZE_MAX / 4 - at)
            return 0;
        if (section[i].type != SHT_NOBITS)
            at += section[i].size;
        names += strlen(section[i].name) + 1;
    }
    return names > NAMES_MOST ? 0 : aligned(at);
}

static void write_head(uint8_t *image, unsigned count, uint16_t machine, size_t headers)
{
    const Elf64_Ehdr head = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_DYN,
        .e_machine = machine,
        .e_version = EV_CURRENT,
        .e_shoff = headers,
        .e_ehsize = sizeof head,
        .e_shentsize = sizeof(Elf64_Shdr),
        .e_shnum = (uint16_t)(count + 2),
        .e_shstrndx = (uint16_t)(count + 1),
    };
    memcpy(image, &head, sizeof head);
}

uint8_t *elf_builder_make(struct built_section *section, unsigned count, uint16_t machine, size_t *size)
{
    const size_t names = lay_out(section, count), headers = aligned(names + NAMES_MOST);
    Elf64_Shdr header[ELF_BUILDER_SECTIONS + 2] = {{0}};
    size_t name = 1;
    uint8_t *image;

    *size = headers + (count + 2) * sizeof header[0];
    image = names && count <= ELF_BUILDER_SECTIONS ? calloc(1, *size) : NULL;
    if (!image)
        return NULL;
    for (unsigned i = 0; i < count; i++) {
        const struct built_section *from = &section[i];
        header[i + 1] = (Elf64_Shdr){.sh_name = (Elf64_Word)name,
                                     .sh_type = from->type,
                                     .sh_flags = from->flags,
                                     .sh_addr = from->address,
                                     .sh_offset = from->offset,
                                     .sh_size = from->size,
                                     .sh_link = from->link,
                                     .sh_addralign = from->alignment ? from->alignment : ALIGNMENT,
                                     .sh_entsize = from->entry_size};
        strcpy((char *)image + names + name, from->name);
        name += strlen(from->name) + 1;
        if (from->data && from->type != SHT_NOBITS && from->size)
            memcpy(image + from->offset, from->data, from->size);
    }
    strcpy((char *)image + names + name, names_name);
    header[count + 1] = (Elf64_Shdr){.sh_name = (Elf64_Word)name,
                                     .sh_type = SHT_STRTAB,
                                     .sh_offset = names,
                                     .sh_size = NAMES_MOST,
                                     .sh_addralign = 1};
    write_head(image, count, machine, headers);
    memcpy(image + headers, header, (count + 2) * sizeof header[0]);
    return image;
}
