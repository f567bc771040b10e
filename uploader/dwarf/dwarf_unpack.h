/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Debug sections of every compression that binutils writes: zlib and zstd in the way of ELF, and zlib in GNU's old way
 * (.zdebug_*). libelf 0.188 knows the first one alone. One thread only.
 */
#ifndef CPROF_UPLOADER_DWARF_UNPACK_H
#define CPROF_UPLOADER_DWARF_UNPACK_H

#include "uploader/elf/elf_file.h"

/* Makes a file in memory with the sections that are used here, none of which is compressed. *bytes: its size. -ENOENT:
   nothing is compressed; -EFBIG: the sections say that they are larger than what may be unpacked. */
int dwarf_unpack(struct elf_file *unpacked, const struct elf_file *file, size_t *bytes);

/* Bytes of a section that is not compressed; none if there is no such section. They are the file's. */
struct elf_bytes {
    const uint8_t *data;
    size_t size;
};
struct elf_bytes dwarf_section(Elf *elf, const char *name);

#endif
