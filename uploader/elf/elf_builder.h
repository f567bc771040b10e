/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ELF files that are made in memory. libelf and libdw read files only. What they cannot read as it is, such as sections in a
 * compression that they do not know, is given to them as a small file of its own. Any thread.
 */
#ifndef CPROF_UPLOADER_ELF_BUILDER_H
#define CPROF_UPLOADER_ELF_BUILDER_H

#include <stddef.h>
#include <stdint.h>

enum { ELF_BUILDER_SECTIONS = 32 };

struct built_section {
    const char *name;
    const void *data; /* copied; NULL: zeros, which the caller fills in */
    uint64_t size, flags, address, entry_size;
    uint32_t type, link; /* link: number of a section; SHT_NOBITS takes no room */
    uint32_t alignment;  /* as is said; 0: 8 */
    size_t offset;       /* in the file: is set */
};

/* A 64-bit file of these sections, which are numbered 1, 2, 3 ... The result is malloc'ed. NULL: no memory, or too many
   sections. */
uint8_t *elf_builder_make(struct built_section *section, unsigned count, uint16_t machine, size_t *size);

#endif
