/* SPDX-License-Identifier: Apache-2.0 */
/* What identifies the ELF file that a stretch of a process's code comes from. */
#ifndef CPROF_UPLOADER_ELF_MODULE_H
#define CPROF_UPLOADER_ELF_MODULE_H

#include <stdbool.h>
#include <stdint.h>

/* Interned by build id, else by path. name: the last part of the path. */
struct elf_module {
    const char *path, *name;
    uint8_t build_id[32];
    uint8_t build_id_size;
    const char *package; /* that has its symbols, where some are missing; NULL: not known */
    uint8_t htlhash[16]; /* of its file (file_hash.h), if that could be read */
    bool has_htlhash;
    bool has_functions, has_lines, has_inlines; /* what was found, for pprof's Mapping */
    unsigned id;                                /* 1, 2, 3 ... */
};

#endif
