/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a stack walk from outside needs of an ELF file: where its parts lie in memory, its table of call frame
 * information, and its build id. Files are read page by page and never mapped, because a mapped file that is cut short is a
 * SIGBUS. All processes that map a file share its image. If the file is gone, the image is read from the memory of a
 * process that maps it. One thread only.
 */
#ifndef CPROF_UPLOADER_ELF_IMAGE_H
#define CPROF_UPLOADER_ELF_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "sampler/segment/code_frame.h"

struct owner;

enum { ELF_IMAGE_LOADS = 16, ELF_IMAGE_BUILD_ID = 32 };

/* Addresses are ELF virtual addresses. */
struct elf_image {
    uint64_t low, high; /* all that is loaded */
    struct {
        uint64_t start, end, offset;
        bool writable, executable;
    } load[ELF_IMAGE_LOADS];
    unsigned loads;
    uint64_t frame_hdr;   /* .eh_frame_hdr; 0: has none that can be used */
    uint64_t frame_table; /* its binary search table, of */
    uint64_t frame_count; /* so many entries */
    uint8_t build_id[ELF_IMAGE_BUILD_ID];
    size_t build_id_size;
    uint64_t fingerprint; /* layout_fingerprint() of it */
    /* private */
    uint64_t device, inode, size;
    struct timespec
        changed; /* of the file when it was opened; a file that is written to becomes another one */
    int fd;      /* -1: read from */
    pid_t pid;   /* this process's memory, */
    const struct owner *owner; /* who owns it (borrowed), where */
    uint64_t bias;             /* this is to be added to addresses */
    unsigned users;
    struct elf_image *next;
    struct code_range *final; /* elf_image_final() */
    unsigned finals;
    bool finals_known;
};

/* Takes over fd. NULL: not a 64-bit ELF file, or no memory. */
struct elf_image *elf_image_open(int fd);

/* From the memory of a process that maps the file's beginning at this address. NULL: this is no ELF file, cannot be read, or
   no memory. */
struct elf_image *elf_image_open_memory(pid_t pid, const struct owner *owner, uint64_t head);

/* The open image with this inode, retained, or NULL. Its file may be gone. */
struct elf_image *elf_image_find(dev_t device, uint64_t inode);

/* A descriptor of the file with this build id, or of size 0: with this fingerprint in its first bytes, if it is
   open. Else -1. */
int elf_image_open_again(const uint8_t *build_id, size_t size);
void elf_image_retain(struct elf_image *image);
void elf_image_release(struct elf_image *image);

/* The same file, by build id; without one, a file of the same shape. */
bool elf_image_same(const struct elf_image *image, const struct elf_image *other);

/* Reads 8 bytes of a part that the process cannot have changed. address: a multiple of 8. */
bool elf_image_read(const struct elf_image *image, uint64_t address, uint64_t *word);

/* The functions of a C library that do not return, such as exit(), by name. *count: how many. */
const struct code_range *elf_image_final(struct elf_image *image, unsigned *count);

/* In a part that the process may have changed. */
bool elf_image_is_data(const struct elf_image *image, uint64_t address);

/* The address at which a part of the file is loaded as code. false: its offset is in no such segment. Some linkers put a
   page of the file into two segments, at two addresses. */
bool elf_image_code_address(const struct elf_image *image, uint64_t offset, uint64_t *address);

/* The offset in the file of code that is loaded at an address of a process, where the file's beginning is at head. false: the
   file has no code there. */
bool elf_image_code_offset(const struct elf_image *image, uint64_t head, uint64_t at, uint64_t *offset);

#endif
