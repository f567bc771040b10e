/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Symbols of loaded modules, read from their own tables.
 *
 * Why not dlsym():
 *  - A look-up that fails allocates its message and replaces the program's dlerror().
 *  - It leaves out what was opened with RTLD_LOCAL.
 *  - In a program that is not position independent it may name the program's own PLT entry, which leads back
 *    to the hook that asked.
 * Here a name is found where it is defined, or not at all. No allocation, no lock. A module must stay loaded
 * while it is read.
 */
#ifndef CPROF_PRELOAD_ELF_H
#define CPROF_PRELOAD_ELF_H

#include <link.h>
#include <stdbool.h>
#include <stdint.h>

struct elf_dynamic {
    uintptr_t base;
    const ElfW(Sym) * symbols;
    const char *strings;
    const uint32_t *gnu_hash;
    const uint32_t *hash;
    const ElfW(Versym) * versions;
    const ElfW(Verdef) * definitions;
};

/* false: it has no symbols to look for. */
bool elf_dynamic_open(struct elf_dynamic *module, const struct dl_phdr_info *info);
bool elf_dynamic_open_map(struct elf_dynamic *module, const struct link_map *map);

/* The code that the kernel gives each process. false: this one has none. */
bool elf_dynamic_open_vdso(struct elf_dynamic *module);

/* true: address is in one of the module's segments. */
bool elf_covers(const struct dl_phdr_info *info, uintptr_t address);

/* The hash of .gnu.hash. */
uint32_t elf_hash(const char *name);

/* The function of this name that the module defines: of that version, or (NULL) the default one. NULL: none.
 */
void *elf_find(const struct elf_dynamic *module, const char *name, uint32_t hash, const char *version);

#endif
