/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The modules of a session: interned, their files opened when an address is looked up, and closed when others need the
 * memory. Debug files that are fetched from servers join them later. One thread only.
 */
#ifndef CPROF_UPLOADER_MODULES_H
#define CPROF_UPLOADER_MODULES_H

#include "object.h"
#include "uploader/base/hash.h"
#include "uploader/base/store.h"
#include "uploader/debuginfod/debuginfod.h"

struct symbol_module {
    struct elf_module public;
    struct symbol_module *next_open; /* of those with an object */
    struct object *object;
    struct object *abandoned; /* by a guarded fault: it can neither be used nor freed */
    int64_t used_ns;          /* CLOCK_MONOTONIC of the last look-up */
    unsigned attempts;
    int failed_pid, failed_root; /* where it was not found the last time */
    bool wanted;                 /* a name was missing, so its debug file was asked for, and its package */
    int fetched;                 /* 1 + descriptor of that file; 0: none */
};

struct modules {
    struct store *store; /* borrowed */
    const char *debug_path;
    struct hash by_identity;    /* by build id or path */
    struct symbol_module *open; /* those with an object */
    struct elf_module *other;   /* stands for all beyond the ceiling */
    unsigned count;
    uint64_t beyond;               /* how often the other one was given */
    size_t room;                   /* bytes that open ones may take */
    struct debuginfod *debuginfod; /* NULL: off */
    unsigned looked;               /* modules whose package was looked for */
};

void modules_init(struct modules *modules, struct store *store, const char *debug_path, size_t room);
void modules_free(struct modules *modules);

/* As symbols_module(). full: no new one. */
const struct elf_module *modules_get(struct modules *modules, const char *path, const uint8_t *build_id,
                                     size_t build_id_size, bool full);

/* What a look-up has found. */
struct found {
    struct symbol_line *line;
    unsigned count; /* 0: no name */
    uint64_t start; /* of the function */
};

/* Looks an address up. Opening its files may close others. */
void modules_locate(struct modules *modules, const struct elf_module *module,
                    const struct process_files *source, uint64_t address, struct found *found);

/* Closes its files. */
void modules_close(struct modules *modules, const struct elf_module *module);

/* From now on they have so much room: those that were not used for longest are closed. */
void modules_trim(struct modules *modules, size_t room);

/* What the open ones take. */
size_t modules_open_bytes(const struct modules *modules);

/* Closes those that hold much unpacked debug information and had no look-up for a minute. */
void modules_close_unpacked(struct modules *modules);

/* A name is missing in it: finds out, once, which package has its symbols, and asks servers for its debug file. */
void modules_want(struct modules *modules, const struct elf_module *module,
                  const struct process_files *source);

/* A module whose debug file has come. NULL: none has. */
const struct elf_module *modules_fetched(struct modules *modules);

/* The same for what a living process has mapped at the address. If its file has no path (any more), as code out of a memfd,
   it is kept from here on, and named as the kernel names it. */
const struct elf_module *modules_get_mapped(struct modules *modules, const struct process_files *source,
                                            const struct elf_module *like, uint64_t address, bool full);

#endif
