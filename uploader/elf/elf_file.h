/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ELF files: found inside the target's root, opened without trust in what is there, and known by their build id. What is
 * mapped may be cut short by its owner at any time, which is a SIGBUS (see guard_fault() in symbols.c). One thread
 * only.
 */
#ifndef CPROF_UPLOADER_ELF_FILE_H
#define CPROF_UPLOADER_ELF_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <elfutils/libdw.h>
#include <gelf.h>

#include "module.h"
#include "uploader/process/process_files.h"

struct elf_file {
    Elf *elf;     /* NULL: not open */
    int fd;       /* -1: an image in memory */
    void *memory; /* what elf reads, freed with it; NULL: borrowed, or the file itself */
    char *path;   /* as it was found, inside the root; NULL: unknown */
};
#define ELF_FILE_NONE ((struct elf_file){.fd = -1})

/* Where debug files are searched: in each directory of debug_path, then in /usr/lib/debug. Each is searched in the target's
   root first, then in ours. */
struct file_search {
    int root_fd; /* -1: our own root only */
    const char *debug_path;
    const struct owner *owner; /* who must be allowed to read the file; NULL: we */
    const int *fetched; /* descriptor of the separate debug file, which a server has sent; NULL: none */
};

struct build_id {
    uint8_t byte[32];
    size_t size; /* 0: none */
};

/* Takes fd over, also on error. Only regular 64-bit ELF files below a size ceiling. 0 or negative errno. */
int elf_file_open(struct elf_file *file, int fd);

/* image is borrowed, or (owned) freed with the file, and at once on error. */
int elf_file_open_memory(struct elf_file *file, void *image, size_t size, bool owned);
void elf_file_close(struct elf_file *file);

struct build_id elf_file_build_id(const struct elf_file *file);

/* Gives back mapped pages, which are read again when needed. */
void elf_file_drop_pages(const struct elf_file *file);

/* The module's own file, at its path or as the process's executable. -ESTALE: only another build is there. */
int elf_file_find(struct elf_file *file, const struct process_files *source, const struct elf_module *module);

/* Its separate debug file by build id or .gnu_debuglink. -ENOENT: none. */
int elf_file_find_debug(struct elf_file *file, const struct file_search *search, const struct elf_file *main,
                        const char *main_path);

/* The debug file alone, of a module whose own file is not found. */
int elf_file_find_debug_alone(struct elf_file *file, const struct file_search *search,
                              const struct elf_module *module);

/* The file that dwz moved common parts of dwarf's to. -ENOENT: it names none, or it is not there. */
int elf_file_find_alt(struct elf_file *file, const struct file_search *search, const struct elf_file *debug,
                      Dwarf *dwarf);

/* The file with this name, in the directory unless it is absolute: in the target's root, then in ours. Which build it is is
   not compared. */
int elf_file_find_named(struct elf_file *file, const struct file_search *search, const char *directory,
                        const char *name);

/* The section after *section, NULL: the first one, with its header. false: there are no more. */
bool elf_file_next_section(Elf *elf, Elf_Scn **section, GElf_Shdr *header);

/* The lowest address of code. UINT64_MAX: there is no code. */
uint64_t elf_file_code_base(Elf *elf);

/* The section with this name or, if name is NULL, of this type. false: there is none. */
bool elf_file_section(Elf *elf, const char *name, uint32_t type, Elf_Scn **section, GElf_Shdr *header);

#endif
