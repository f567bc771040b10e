/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Debug information: which function an address is in, which functions are inlined there, and which lines. A unit is
 * read into compact tables when one of its addresses is first looked up. One thread only.
 */
#ifndef CPROF_UPLOADER_DWARF_INFO_H
#define CPROF_UPLOADER_DWARF_INFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "uploader/elf/elf_file.h"

struct dwarf_info;

/* file is borrowed until dwarf_info_free(). Errors as of dwarf_file_open(). */
int dwarf_info_open(struct dwarf_info **info, const struct elf_file *file, const struct file_search *search);
void dwarf_info_free(struct dwarf_info *info);

/* Memory in use without file mappings, and the part of it that holds unpacked sections. */
size_t dwarf_info_bytes(const struct dwarf_info *info);
size_t dwarf_info_unpacked(const struct dwarf_info *info);

enum { DWARF_FRAMES = 64, DWARF_PATH = 2048 };

/* Strings are the file's, and valid until the next call. NULL: unknown. */
struct dwarf_frame {
    const char *name, *linkage;
    uint64_t file_unit, file; /* for dwarf_info_file(); file_unit 0: none */
    int64_t line, start_line;
    bool in_split; /* private: of which table the file's number is */
};

/* The frames of an address, innermost inlined function first. Returns how many, 0: nothing is known. If only the line is
   known, there is one frame without a name. *start: where the outermost function starts, 0: unknown. search: for files of
   split units, borrowed for the call; NULL: none are searched. */
unsigned dwarf_info_find(struct dwarf_info *info, const struct file_search *search, uint64_t address,
                         struct dwarf_frame frame[DWARF_FRAMES], uint64_t *start);

/* The path of the frame's file, absolute if possible. Returns its length, 0: unknown. */
size_t dwarf_info_file(struct dwarf_info *info, const struct dwarf_frame *frame, char path[DWARF_PATH]);

/* Gives back mapped pages, which are read again when needed. */
void dwarf_info_drop_pages(const struct dwarf_info *info);

#endif
