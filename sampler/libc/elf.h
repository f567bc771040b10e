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
#ifndef CPROF_SAMPLER_ELF_H
#define CPROF_SAMPLER_ELF_H

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
    struct elf_relocations {
        const ElfW(Rela) * entry;
        size_t size; /* bytes */
    } relocations[2];
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

/* The same of the default version, with the size that the symbol states. */
void *elf_find_sized(const struct elf_dynamic *module, const char *name, size_t *size);

/* The same, but its entry in the module's table. */
const ElfW(Sym) * elf_find_symbol(const struct elf_dynamic *module, const char *name);

/* The variable of this name that the module defines. NULL: none. */
void *elf_find_data(const struct elf_dynamic *module, const char *name);

/* From here on neither dlsym() nor the loader finds these symbols of the module. */
void elf_hide(const struct elf_dynamic *module, const char *const *names, unsigned count);

/* It defines symbols of this version. */
bool elf_defines_version(const struct elf_dynamic *module, const char *name);

#endif
