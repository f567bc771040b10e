/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An ELF file's debug information, opened by libdw. libdw keeps what it has read until its handle is closed. So the owner
 * counts what each call costs, and opens a new handle between two look-ups. One thread only.
 */
#ifndef CPROF_UPLOADER_DWARF_FILE_H
#define CPROF_UPLOADER_DWARF_FILE_H

#include "uploader/elf/elf_file.h"

struct dwarf_file {
    const struct elf_file *file; /* whose sections are read: what was opened (borrowed), or unpacked_file */
    const char *path;            /* of what was opened (borrowed); NULL: unknown */
    struct elf_file unpacked_file;
    struct elf_file alt_file; /* common parts of several files, written by dwz */
    Dwarf *dwarf, *alt;
    size_t handle_bytes; /* what the handle keeps, estimated by its user */
    size_t unpacked;     /* bytes of sections that were compressed */
};

/* -ENOENT: there is no .debug_info; -EFBIG: more of it is compressed than may be unpacked. search is borrowed
   for the call. */
int dwarf_file_open(struct dwarf_file *dwarf, const struct elf_file *file, const struct file_search *search);
void dwarf_file_close(struct dwarf_file *dwarf);

/* Opens a new handle if the present one keeps much. Everything that came from libdw is invalid then. */
int dwarf_file_renew(struct dwarf_file *dwarf);

/* Gives back mapped pages, which are read again when needed. */
void dwarf_file_drop_pages(const struct dwarf_file *dwarf);

#endif
