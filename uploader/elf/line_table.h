/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Line tables (.debug_line, DWARF 2 to 5), read into 12 bytes a row. libdw's own reader needs 100 and more,
 * and keeps them until the file is closed: 50 MB for one large unit. Every byte is foreign: bounded reads,
 * nothing believed.
 */
#ifndef CPROF_UPLOADER_SYMBOLS_LINES_H
#define CPROF_UPLOADER_SYMBOLS_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct line_section {
    const uint8_t *data;
    size_t size;
};
struct line_sections {
    struct line_section line, line_str, str;
};

/* A row holds from its address to the next row's. */
struct line_row {
    uint32_t offset; /* from base */
    uint32_t line;   /* 0: no line */
    uint32_t file;   /* 0 and line 0: end of a sequence */
};
struct line_table {
    struct line_row *row;
    size_t count;
};

/* Is the sequence that starts at this address one of those to be read? */
typedef bool line_wanted(uint64_t start, void *context);

/* The rows of the program at this offset of .debug_line, of its wanted sequences at base and above. Many are
   not: what linkers removed, and inline functions of C++ that a hundred units describe. 0 or negative errno.
 */
int line_table_read(struct line_table *table, const struct line_sections *sections, uint64_t offset,
                    uint64_t base, line_wanted *wanted, void *context);
void line_table_free(struct line_table *table);

/* The row of an address (less base), or NULL. */
const struct line_row *line_table_find(const struct line_table *table, uint64_t offset);

/* Writes the file's path, made absolute with comp_dir where it can be; its length, 0: there is none of that
 * number. */
size_t line_file_name(const struct line_sections *sections, uint64_t offset, uint64_t file,
                      const char *comp_dir, char *path, size_t size);

#endif
