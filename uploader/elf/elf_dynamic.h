/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ELF files without section headers, as sstrip leaves them, and files of which only the memory of a process is left. Their
 * exported functions are in what the loader needs: the segments PT_DYNAMIC, PT_NOTE and PT_GNU_EH_FRAME. Of these a small
 * file with sections is made. Every byte is foreign. One thread only.
 */
#ifndef CPROF_UPLOADER_ELF_DYNAMIC_H
#define CPROF_UPLOADER_ELF_DYNAMIC_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Where the file's segments are read. */
struct dynamic_source {
    /* Reads what is loaded at an ELF virtual address. false: not all of it is there. */
    bool (*read)(const struct dynamic_source *source, uint64_t address, void *to, size_t size);
    const void *context;
    const Elf64_Phdr *header;
    size_t headers;
    uint64_t bias; /* that a loader may have added to addresses in PT_DYNAMIC */
    uint16_t machine;
};

/* Sections for the code, .dynsym, .dynstr, .eh_frame_hdr and notes, as far as they are there. *image is malloc'ed. 0 or
   negative errno. */
int elf_dynamic_make(const struct dynamic_source *source, uint8_t **image, size_t *size);

/* The same of a whole file in memory. -ENOENT: it has section headers. */
int elf_dynamic_make_of_file(const void *file, size_t file_size, uint8_t **image, size_t *size);

/* The same of a file that a process has mapped, the beginning at this address. The owner is who owns the process. */
struct owner;
int elf_dynamic_make_of_process(pid_t tid, const struct owner *owner, uint64_t head, uint8_t **image,
                                size_t *size);

#endif
