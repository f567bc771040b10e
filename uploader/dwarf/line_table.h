/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Line tables (.debug_line, DWARF 2 to 5), read into 12 bytes a row. Every byte is foreign: reads are bounded, and no
 * number is believed. One thread only.
 *
 * libdw's dwarf_getsrclines() takes more than 100 bytes for each row that it reads (tests/unit/uploader/dwarf/
 * test_line_table prints both). A unit of 200,000 rows, such as SQLite, would take most of the uploader's memory, and no
 * ceiling can be set.
 */
#ifndef CPROF_UPLOADER_LINE_TABLE_H
#define CPROF_UPLOADER_LINE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dwarf_unpack.h"

struct line_sections {
    struct elf_bytes line, line_str, str;
};

/* Where the lines of a unit are. */
struct line_source {
    const struct line_sections *sections;
    uint64_t offset;       /* of its program in .debug_line */
    const char *directory; /* in which the unit was compiled; NULL: unknown */
};

/* A row holds from its address to the next row's. */
struct line_row {
    uint32_t offset; /* from base */
    uint32_t line;   /* 0: no line */
    uint32_t file;   /* 0 and line 0: end of a sequence */
};
struct line_table {
    struct line_row *row;
    size_t count, room;
};

/* Which sequences are read: those at base and above for whose start is_wanted says so. Linkers leave
   sequences of removed functions, and many units have the same inline function of C++. */
struct line_filter {
    uint64_t base;
    bool (*is_wanted)(uint64_t start, void *context);
    void *context;
};

/* 0 or negative errno. */
int line_table_read(struct line_table *table, const struct line_source *source,
                    const struct line_filter *filter);
void line_table_free(struct line_table *table);

/* The row of an address (less base), or NULL. */
const struct line_row *line_table_find(const struct line_table *table, uint64_t offset);

/* Writes the path of the file with this number, made absolute if the directory is. Returns its length, 0:
   there is no such file. */
size_t line_file_name(const struct line_source *source, uint64_t file, char *path, size_t size);

#endif
