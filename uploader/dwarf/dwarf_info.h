/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Debug information: which function, which functions inlined in it, and which lines. One thread only.
 *
 * Units are read when an address of theirs is first asked for, into compact tables of our own. libdw's
 * memory only grows, so its handle is opened anew when it has read much.
 */
#ifndef CPROF_UPLOADER_DWARF_INFO_H
#define CPROF_UPLOADER_DWARF_INFO_H

#include <stddef.h>
#include <stdint.h>

#include "uploader/elf/elf_file.h"

struct dwarf_info;

/* Both borrowed until dwarf_info_free(). -ENOENT: no .debug_info; -EFBIG: more compressed than we want to
   unpack. The file of common parts (dwz) is looked for with search, which is borrowed for the call. */
int dwarf_info_open(struct dwarf_info **info, const struct elf_file *file, const struct file_search *search);
void dwarf_info_free(struct dwarf_info *info);

/* Memory in use, file mappings excluded; and the part of it that holds unpacked sections. */
size_t dwarf_info_bytes(const struct dwarf_info *info);
size_t dwarf_info_unpacked(const struct dwarf_info *info);

enum { DWARF_FRAMES = 64, DWARF_PATH = 2048 };

/* Strings are the file's, valid until the next call; NULL: not known. */
struct dwarf_frame {
    const char *name, *linkage;
    uint64_t file_unit, file; /* for dwarf_info_file(); file_unit 0: none */
    int64_t line, start_line;
};

/* The frames of an address, innermost inlined function first. Returns how many, 0 where there is no
   information. When only the line is known there is one frame without a name. *start: where the outermost
   function starts. */
unsigned dwarf_info_find(struct dwarf_info *info, uint64_t address, struct dwarf_frame frame[DWARF_FRAMES],
                         uint64_t *start);

/* The frame's file, absolute if possible; its length, 0: not known. */
size_t dwarf_info_file(struct dwarf_info *info, const struct dwarf_frame *frame, char path[DWARF_PATH]);

/* Drops what is read again when needed: the mapped pages. */
void dwarf_info_drop_pages(const struct dwarf_info *info);

#endif
