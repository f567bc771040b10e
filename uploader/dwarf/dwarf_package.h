/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packages of split units (.dwp), of DWARF 5 and of GNU's extension to DWARF 4. libdw 0.188 cannot read them, so a unit is
 * taken out and becomes a file of its own, with the strings that it uses. Every byte is foreign. One thread only.
 */
#ifndef CPROF_UPLOADER_DWARF_PACKAGE_H
#define CPROF_UPLOADER_DWARF_PACKAGE_H

#include "uploader/elf/elf_file.h"

/* The unit with this id. *image is malloc'ed. -ENOENT: it is not in the package. */
int dwarf_package_unit(const struct elf_file *package, uint64_t id, uint8_t **image, size_t *size);

#endif
