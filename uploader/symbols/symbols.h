/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names for addresses: modules by build id or path, functions, inlined frames, files and lines by elfutils,
 * demangled; perf maps for generated code.
 *
 * One thread only. Everything returned is owned by struct symbols and lives until symbols_free(); a location
 * is interned: the same (module, address) is the same pointer, so that stacks can be compared by pointers.
 * What can be recomputed (open ELF and DWARF handles) is dropped by symbols_trim(), the names are kept.
 */
#ifndef CPROF_UPLOADER_SYMBOLS_H
#define CPROF_UPLOADER_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "uploader/elf/module.h"
#include "uploader/process/process_files.h"

struct symbols;

struct symbol_line {
    const char *function; /* demangled, for people; never NULL */
    const char *linkage;  /* as in the symbol table */
    const char *file;     /* "" if not known */
    int64_t line;         /* 0 if not known */
    int64_t start_line;
};

/* One address. lines[0] is the innermost inlined function, the last one the function itself. An address
   without a name has one line "module+0xSTART". START is where its function begins (ELF virtual address), if
   .eh_frame_hdr tells. Without a module the line is "[unknown]+0xADDRESS". There may be any number of those,
   so beyond a ceiling they share one location, "[unknown]". */
struct symbol_location {
    const struct elf_module *module; /* NULL: in none */
    uint64_t address;                /* ELF virtual address; the address itself without a module */
    unsigned id;                     /* 1, 2, 3 ... dense: usable as an array index */
    unsigned line_count;
    const struct symbol_line *lines; /* filled at once by symbols_locate() */
};

struct symbols *symbols_new(const char *debug_path /* colon list, may be "" */, size_t memory_ceiling);
void symbols_free(struct symbols *symbols);

/* Of size 0, build_id has the module's layout_fingerprint() in its first bytes, 0: unknown, or is NULL. */
const struct elf_module *symbols_module(struct symbols *symbols, const char *path, const uint8_t *build_id,
                                        size_t build_id_size);

/* address: ELF virtual address of the instruction to name. The caller has already taken 1 from return
 * addresses. */
const struct symbol_location *symbols_locate(struct symbols *symbols, const struct process_files *source,
                                             const struct elf_module *module, uint64_t address);

/* An address whose names are known already: those that were found before count. */
const struct symbol_location *symbols_restore(struct symbols *symbols, const struct elf_module *module,
                                              uint64_t address, const struct symbol_line *line,
                                              unsigned count);

/* A made-up frame such as "[truncated]" or "[stacks beyond the ceiling]". */
const struct symbol_location *symbols_special(struct symbols *symbols, const char *name);

/* The last look-up for this process is done: what is kept of its generated code can go. */
void symbols_process_ended(struct symbols *symbols, const struct process_files *source);

/* Look-ups so far that were answered by "[addresses beyond the ceiling]" or "[other modules]": there are
   ceilings for the bytes of names and locations, and for modules. */
uint64_t symbols_beyond(const struct symbols *symbols);

/* Closes ELF and DWARF handles until the rest fits the ceiling; call it when a round of look-ups is done. */
void symbols_trim(struct symbols *symbols);

/* Copies, kept until symbols_free(); the same text is the same pointer. */
const char *symbols_intern(struct symbols *symbols, const char *text);

#endif
