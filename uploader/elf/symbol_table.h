/* SPDX-License-Identifier: Apache-2.0 */
/* Functions by symbol table. A stripped file has no other names. One thread only. */
#ifndef CPROF_UPLOADER_SYMBOL_TABLE_H
#define CPROF_UPLOADER_SYMBOL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gelf.h>

#include "elf_file.h"

/* Sorted by offset, one entry per address. Names stay in the file, which the table borrows. */
struct symbol_entry {
    uint32_t offset; /* from base */
    uint32_t size;
    uint32_t name; /* in the string section */
};
struct symbol_table {
    Elf *elf;
    size_t strings; /* section index */
    uint64_t base;
    struct symbol_entry *entry;
    size_t count;
};

/* type: SHT_SYMTAB or SHT_DYNSYM. -ENOENT: there is none, or it names no function. */
int symbol_table_read(struct symbol_table *table, const struct elf_file *file, uint32_t type);
void symbol_table_free(struct symbol_table *table);

struct table_symbol {
    const char *name; /* in the file's memory */
    uint64_t start;
};

/* The function that covers the address. The nearest one, if it does not cover the address, is no answer. */
bool symbol_table_find(const struct symbol_table *table, uint64_t address, struct table_symbol *symbol);

/* The imported function behind a linkage stub in .plt, .plt.sec or .plt.got at the address; NULL: it is in
 * none. */
const char *symbol_table_plt(Elf *elf, uint64_t address);

#endif
