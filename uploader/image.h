/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a stack walk from outside needs of an ELF file: where its parts lie in memory, its table of call frame
 * information, its build id. Files are read page by page and never mapped: one that is cut short under us
 * would be a SIGBUS. An image is shared by all processes that map the file. One thread only.
 */
#ifndef CPROF_UPLOADER_IMAGE_H
#define CPROF_UPLOADER_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum { IMAGE_LOADS = 16, IMAGE_BUILD_ID = 32 };

/* Addresses are ELF virtual addresses. */
struct image {
    uint64_t low, high; /* all that is loaded */
    struct {
        uint64_t start, end, offset;
        bool writable;
    } load[IMAGE_LOADS];
    unsigned loads;
    uint64_t frame_hdr;   /* .eh_frame_hdr; 0: has none that can be used */
    uint64_t frame_table; /* its binary search table, of */
    uint64_t frame_count; /* so many entries */
    uint8_t build_id[IMAGE_BUILD_ID];
    size_t build_id_size;
    /* private */
    uint64_t device, inode, size;
    struct timespec changed; /* its file, when it was opened: who writes over it makes it another one */
    int fd;
    unsigned users;
    struct image *next;
};

/* Takes over fd. NULL: not a 64-bit ELF file, or no memory. */
struct image *image_open(int fd);
void image_retain(struct image *image);
void image_release(struct image *image);

/* Reads 8 bytes that the file has and the process cannot have changed. address: a multiple of 8. */
bool image_read(const struct image *image, uint64_t address, uint64_t *word);

/* The address at which a part of the file is loaded, or false: its offset is in no segment. */
bool image_address(const struct image *image, uint64_t offset, uint64_t *address);

#endif
