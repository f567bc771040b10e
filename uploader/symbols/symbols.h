/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names for addresses. elfutils gives functions, inlined frames, files and lines of modules, and perf maps give names of
 * generated code. Names are demangled.
 *
 * Everything returned is owned by struct symbols and lives until symbols_free(). A location is interned: the same module
 * and address are the same pointer, so stacks are compared by pointers. symbols_trim() closes what can be opened again
 * (ELF and DWARF handles). One thread only.
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
   without a name has one line "module+0xSTART", until it gets its names (symbols_take_fetched()). START is where its function begins (ELF virtual address), if
   .eh_frame_hdr tells. Without a module the line is "[unknown]+0xADDRESS". There may be any number of those,
   so beyond a ceiling they share one location, "[unknown]". */
struct symbol_location {
    const struct elf_module *module; /* NULL: in none */
    uint64_t address;                /* ELF virtual address; the address itself without a module */
    unsigned id;                     /* 1, 2, 3 ... dense: usable as an array index */
    unsigned line_count;
    const struct symbol_line *lines;
    bool unnamed; /* its one line is made up of module and address */
};

struct symbols *symbols_new(const char *debug_path /* colon list, may be "" */, size_t memory_ceiling);
void symbols_free(struct symbols *symbols);

/* Of size 0, build_id has the module's layout_fingerprint() in its first bytes, 0: unknown, or is NULL. */
const struct elf_module *symbols_module(struct symbols *symbols, const char *path, const uint8_t *build_id,
                                        size_t build_id_size);

/* The same for what a living process has mapped at the address, of which `like` has path and build id. What has no file at its
   path is kept from here on, as far as it can be had: code of memfds and of deleted files. */
const struct elf_module *symbols_module_mapped(struct symbols *symbols, const struct process_files *source,
                                               const struct elf_module *like, uint64_t address);

/* address: ELF virtual address of the instruction to name. Of a return address, the caller has subtracted 1. */
const struct symbol_location *symbols_locate(struct symbols *symbols, const struct process_files *source,
                                             const struct elf_module *module, uint64_t address);

/* An address whose names are known already; count 0: it has none. If it was located before, those names stay. */
const struct symbol_location *symbols_restore(struct symbols *symbols, const struct elf_module *module,
                                              uint64_t address, const struct symbol_line *line,
                                              unsigned count);

/* A synthetic frame such as "[truncated]" or "[stacks beyond the ceiling]". */
const struct symbol_location *symbols_special(struct symbols *symbols, const char *name);

/* Frees what is kept of a process's generated code, after the last look-up for it. */
void symbols_process_ended(struct symbols *symbols, const struct process_files *source);

/* From now on, debug files of modules that have addresses without a name are asked of the servers in DEBUGINFOD_URLS, in the
   background. Nothing happens if that is not set. */
void symbols_ask_servers(struct symbols *symbols);

/* Takes what has come of them. Locations of these modules get their names in place. true: there are new names. */
bool symbols_take_fetched(struct symbols *symbols);

/* Waits until something has come of them, or so long. false: nothing is under way. */
bool symbols_wait(struct symbols *symbols, int ms);

/* Look-ups so far that were answered by "[addresses beyond the ceiling]" or "[other modules]". */
uint64_t symbols_beyond(const struct symbols *symbols);

/* What is kept, for metrics. */
struct symbols_figures {
    size_t name_bytes, file_bytes; /* names and locations; files that are open */
    unsigned locations, modules;
};
void symbols_get_figures(const struct symbols *symbols, struct symbols_figures *figures);

/* Closes ELF and DWARF handles until the rest fits the ceiling, after a round of look-ups. */
void symbols_trim(struct symbols *symbols);

/* Copies, kept until symbols_free(); the same text is the same pointer. */
const char *symbols_intern(struct symbols *symbols, const char *text);

#endif
